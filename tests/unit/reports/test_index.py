"""The page that lists the pages of a folder."""

import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import unquote

import pytest

from coattail.errors import StoreError, UsageError
from coattail.reports.frame import GENERATOR
from coattail.reports.index import NAME, index_of, refresh, rendered, write_index
from coattail.reports.notebook import page_of_notebook
from coattail.reports.page import page_of
from tests.harness.elements import Elements
from tests.harness.executed import FIRST, PAYLOADS, code, drawn, printed, prose, ran
from tests.harness.report_facts import COMMANDS, make_alert, make_facts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "day.html").write_text(page_of(make_facts(alerts=[make_alert()]), COMMANDS, {}, None))
    notebook = ran(prose(FIRST), code("x", drawn("ETH-USD")), code("y", printed("12 trades, none missing.")))
    (tmp_path / "a look.html").write_text(page_of_notebook(notebook, live=False).html)
    (tmp_path / "mine.html").write_text("<h1>mine</h1>")
    return tmp_path


def test_it_lists_the_reports_with_headline_and_picture_days_first(folder: Path) -> None:
    found = rendered(folder)
    assert [(one.file, one.kind) for one in found] == [("day.html", "Market report"), ("a look.html", "Notebook")]
    assert found[0].headline == "1 burst of volume, high, in 21,600 trades."
    assert found[1].headline == "12 trades, none missing."
    for one in found:
        assert one.picture is not None
        picture = ET.fromstring(unquote(one.picture.removeprefix("data:image/svg+xml,")))
        assert picture.findall(".//{*}path")
    pages, size = write_index(folder)
    page = Elements((folder / NAME).read_text())
    assert (len(pages), size) == (2, (folder / NAME).stat().st_size)
    assert [a["href"] for a in page.of("a")][3:] == ["day.html", "a%20look.html"]
    assert "2 reports in this folder" in page.text
    assert "2025-03-04 00:00 to 06:00 UTC" in page.text
    assert page.of("script") == []
    assert page.open == []


def test_a_report_that_is_written_later_is_on_it_too(folder: Path) -> None:
    refresh(folder / "day.html")
    assert not (folder / NAME).exists(), "nobody asked for one"
    write_index(folder)
    (folder / "b.html").write_text((folder / "day.html").read_text())
    refresh(folder / "b.html")
    assert "3 reports in this folder" in (folder / NAME).read_text()
    before = (folder / NAME).read_text()
    write_index(folder)
    assert (folder / NAME).read_text() == before


def test_an_index_of_somebody_else_stays(folder: Path) -> None:
    (folder / NAME).write_text("mine")
    refresh(folder / "day.html")
    assert (folder / NAME).read_text() == "mine"
    with pytest.raises(UsageError, match="is not a report; add --force"):
        write_index(folder)


def test_a_folder_without_reports_and_one_that_is_not_there(tmp_path: Path) -> None:
    assert rendered(tmp_path) == []
    assert "coattail report day writes one." in index_of([])
    with pytest.raises((StoreError, UsageError), match="there is no folder"):
        write_index(tmp_path / "none")


@pytest.mark.parametrize("payload", PAYLOADS[::3])
def test_a_page_that_somebody_changed_is_text_and_a_picture(tmp_path: Path, payload: str) -> None:
    said = payload.replace('"', "&quot;")
    text = (
        f'<meta name="generator" content="{GENERATOR} 1"><meta name="description" content="{said}">'
        f'<meta name="coattail:when" content="{said}"><div class="hero"><svg class="still" height="9">{payload}</svg>'
        f'</div></figure><img src="data:image/svg+xml,{said}" class="still">'
    )
    (tmp_path / "a.html").write_text(text)
    page = Elements(index_of(rendered(tmp_path)))
    assert page.of("script") == []
    assert {str(img["src"])[:18] for img in page.of("img")} <= {"data:image/svg+xml"}
    assert not [name for _, given in page.found for name in given if name.startswith("on")]
    assert [a["href"] for a in page.of("a")][-1] == "a.html"
