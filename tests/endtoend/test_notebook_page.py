"""The page of an executed notebook in a browser: alive where it should be, and nothing else."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from coattail.notebooks.rendering import render
from coattail.reports.bundles import small
from coattail.reports.index import write_index
from coattail.reports.page import page_of
from tests.harness.axe import violations
from tests.harness.browser import CHROMIUM, Browser
from tests.harness.executed import FIRST, PAYLOADS, code, drawn, failed, hostile, notebook, printed, prose, shown
from tests.harness.report_facts import COMMANDS, make_alert, make_facts, make_range

pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"), pytest.mark.slow]


def page(folder: Path, *cells: dict[str, object], light: bool = False) -> Path:
    path = folder / "a.ipynb"
    path.write_text(json.dumps(notebook(*cells)))
    return render(path, light=light).out


def elsewhere(browser: Browser) -> list[str]:
    return [url for url in browser.requests if not url.startswith(("file:", "about:", "data:", "blob:"))]


def test_sixty_places_of_markup_run_nothing_and_fetch_nothing(tmp_path: Path, browse: Callable[..., Browser]) -> None:
    cells = [cell for payload in PAYLOADS for cell in hostile(payload)]
    browser = browse(page(tmp_path, prose("# A look"), *cells), height=60_000)
    browser.wait_for("Number(document.documentElement.dataset.charts) >= 10")
    assert elsewhere(browser) == []
    assert browser.ask("document.title") == "coattail: A look"
    live = "document.querySelectorAll('.live a, .live image, .live script, .live img, iframe, object, form').length"
    assert browser.ask(live) == 0
    assert browser.complaints == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_chart_is_drawn_in_the_colours_of_the_page(
    tmp_path: Path, browse: Callable[..., Browser], dark: bool
) -> None:
    figure = {"data": [{"type": "bar", "x": ["a", "b"], "y": [1, 2]}], "layout": {"title": {"text": "Mine"}}}
    cells = [prose(FIRST), code("x", drawn()), code("fig", shown(plotly=figure)), code("y", printed("Done."))]
    browser = browse(page(tmp_path, *cells), width=360, height=3000, dark=dark)
    browser.wait_for("Number(document.documentElement.dataset.charts) >= 2")
    assert browser.complaints == []
    assert browser.ask("document.documentElement.scrollWidth") <= 360
    fills = "[...document.querySelectorAll('.live .xtick text, .live .gtitle')].map(t => t.style.fill)"
    soft = "rgb(163, 173, 184)" if dark else "rgb(87, 96, 106)"
    assert set(browser.ask(fills)) == {soft}
    line = "document.querySelector('.live .js-line').style.stroke"
    assert browser.ask(line) == ("rgb(108, 178, 255)" if dark else "rgb(11, 98, 196)")


def test_on_a_phone_a_sentence_in_a_wide_table_keeps_its_lines(tmp_path: Path, browse: Callable[..., Browser]) -> None:
    words = "one order bought a great deal of it in the five minutes to noon, which comes about once in forty days"
    cells = "".join(f"<td>{text}</td>" for text in ("2025-03-04 14:05:20Z", "medium", "whale_trade", words))
    look = page(tmp_path, code("x", shown(text_html=f"<table><tr>{cells}</tr></table>")))
    browser = browse(look, width=360, height=1000)
    assert browser.ask("document.querySelector('.output td:last-child').offsetWidth") > 200
    assert browser.ask("document.documentElement.scrollWidth") <= 360


def test_on_paper_its_drawings_stand_in_place_of_live_charts(tmp_path: Path, browse: Callable[..., Browser]) -> None:
    browser = browse(page(tmp_path, code("x", drawn())), height=3000)
    browser.wait_for("Number(document.documentElement.dataset.charts) >= 1")
    still = "getComputedStyle(document.querySelector('img.still')).display"
    assert browser.ask(still) == "none"
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.ask(still) == "block"
    assert browser.ask("document.querySelector('img.still').naturalWidth") > 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_on_our_pages(tmp_path: Path, browse: Callable[..., Browser], dark: bool) -> None:
    day = tmp_path / "day.html"
    silent = {"module": "volume-anomaly", "about": "a B-USD", "share": 0.75, "reason": "short_history", "windows": 60}
    alerts = [make_alert(n, severity=severity, details={"return_days": 3.0, "window_start": "2025-03-04T00:59:00Z"})
              for n, severity in enumerate(("critical", "high", "medium", "low"))]  # fmt: skip
    facts = make_facts(alerts=alerts, coverage=[make_range("gap", 10, 20), make_range("live", 0, 9)])
    day.write_text(page_of(replace(facts, abstained=[silent]), COMMANDS, {}, small()))
    cells = [prose(FIRST), prose("## Prices\n\n| a |\n|---|\n| 1 |"), code("x", drawn(), failed("E", "no", "trace"))]
    look = page(tmp_path, *cells, code("y", shown(text_html="<table><tr><th>a</th></tr><tr><td>1</td></tr></table>")))
    write_index(tmp_path)
    for path in (day, look, tmp_path / "index.html"):
        browser = browse(path, width=800, height=3000, dark=dark)
        if path.name != "index.html":
            browser.wait_for("Number(document.documentElement.dataset.charts) >= 1")
        assert violations(browser, least=("minor", "moderate", "serious", "critical")) == []
    browser.ask("document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\">')")
    assert violations(browser) != [], "it finds what is wrong"
