"""Pages of the site that no file of docs/ is, and links that stay inside it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from coattail.notebooks.shelf import shipped
from tools import site

KNOWN = {"SQL.md", "adr/README.md", "index.md", "changes.md", "notebooks/01_first_look.md", "img/run.svg"}


@pytest.mark.parametrize(
    ("page", "written", "said"),
    [
        ("SQL.md", "[a](../README.md)", "[a](index.md)"),
        ("adr/0008.md", "[a](../../CHANGELOG.md#x)", "[a](../changes.md#x)"),
        ("NOTEBOOKS.md", "[01](../notebooks/01_first_look.ipynb)", "[01](notebooks/01_first_look.md)"),
        ("adr/0008.md", "[a](../SQL.md#x) and [b](../SQL.md)", "[a](../SQL.md#x) and [b](../SQL.md)"),
        ("SQL.md", "[the code](../coattail/sql/__init__.py)", "the code (`coattail/sql/__init__.py`)"),
        ("SQL.md", "[a](GLOSSARY.md) [b](https://example.org/../x)", "[a](GLOSSARY.md) [b](https://example.org/../x)"),
    ],
)
def test_links_stay_inside_the_site(page: str, written: str, said: str) -> None:
    assert site.inward(written, page, KNOWN) == said


def test_every_command_says_its_help() -> None:
    helps = {" ".join(words): text for words, text in site.helps()}
    assert {"coattail", "coattail report", "coattail report post", "coattail sql"} <= helps.keys()
    assert "--share" in helps["coattail report day"]
    assert all("Usage: " in text for text in helps.values())
    page = site.commands_page()
    assert all(f"\n## {name}\n" in page for name in helps)


def test_a_notebook_is_shown_as_written_and_as_it_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for notebook in shipped():
        (tmp_path / f"{notebook.name}.html").write_text("<!DOCTYPE html>")
    monkeypatch.setenv(site.RAN, str(tmp_path))
    pages = site.generated()
    for notebook in shipped():
        page = pages[f"notebooks/{notebook.name}.md"]
        assert isinstance(page, str)
        assert page.startswith("# ")
        assert f'src="ran/{notebook.name}.html"' in page
        assert pages[f"notebooks/ran/{notebook.name}.html"] == b"<!DOCTYPE html>"
        assert f"[{notebook.name}]({notebook.name}.md)" in str(pages["notebooks/index.md"])
    monkeypatch.delenv(site.RAN)
    assert "iframe" not in site.notebook_page(shipped()[0], ran=False)


def test_a_folder_in_the_navigation_stands_for_its_pages_the_index_first() -> None:
    pages = ["adr/0008.md", "adr/README.md", "SQL.md"]
    assert site._whole([{"Decisions": "adr/"}, "SQL.md"], pages) == [
        {"Decisions": ["adr/README.md", "adr/0008.md"]},
        "SQL.md",
    ]


def test_every_page_of_docs_has_its_place_in_the_navigation() -> None:
    settings = yaml.safe_load((site.ROOT / "mkdocs.yml").read_text())
    text = str(settings["nav"])
    pages = [path.relative_to(site.ROOT / "docs") for path in (site.ROOT / "docs").rglob("*.md")]
    assert [str(page) for page in pages if page.parts[0] != "adr" and str(page) not in text] == []
    assert settings["strict"]
