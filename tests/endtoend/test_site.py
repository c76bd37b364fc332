"""The documentation builds as a site without a warning, and asks no network for anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coattail.notebooks.shelf import shipped
from tests.harness.browser import CHROMIUM, Browser
from tools.site import build

_FETCHED = re.compile(
    r"<(?:script|img|iframe|source)[^>]+src=\"?(https?:[^\"> ]+)"
    r"|<link[^>]+rel=\"?(?:stylesheet|icon|preload|preconnect)[^>]+href=\"?(https?:[^\"> ]+)"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    ran = folder / "ran"
    ran.mkdir()
    for notebook in shipped():
        (ran / f"{notebook.name}.html").write_text(f"<!DOCTYPE html><title>x</title>{notebook.name} as it ran")
    build(folder / "site", ran)  # strict: a warning fails it
    return folder / "site"


@pytest.mark.slow
def test_every_page_is_there_and_fetches_nothing_from_elsewhere(built: Path) -> None:
    pages = {str(path.relative_to(built)): path.read_text() for path in built.rglob("*.html")}
    wanted = {
        "index.html",
        "SQL.html",
        "howto/share.html",
        "reference/commands.html",
        "changes.html",
        "adr/README.html",
    }
    assert wanted <= pages.keys() or {name.replace("README", "index") for name in wanted} <= pages.keys()
    assert all(f"notebooks/{notebook.name}.html" in pages for notebook in shipped())
    assert {name: found for name, page in pages.items() if (found := _FETCHED.findall(page))} == {}
    assert "what_if" in pages["reference/workspace.html"]
    assert "For educational and analytical purposes only" in pages["index.html"]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium")
def test_in_a_browser_a_page_asks_no_network(built: Path, tmp_path: Path) -> None:
    browser = Browser(tmp_path / "profile", width=1200, height=900)
    try:
        browser.open(built / "notebooks" / f"{shipped()[0].name}.html")
        browser.wait_for("document.querySelectorAll('iframe.ran').length === 1")
        assert [url for url in browser.requests if not url.startswith(("file:", "about:", "data:", "blob:"))] == []
        assert browser.ask("document.querySelector('iframe.ran').getBoundingClientRect().height") > 300
    finally:
        browser.close()
