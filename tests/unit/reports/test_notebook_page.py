"""An executed notebook as a page: its answer first, nothing lost in silence, nothing live."""

import base64
import json
import re
import time
import zlib
from typing import Any

import pytest

from coattail.reports.bundles import HASH, whole
from coattail.reports.notebook import Ran, page_of_notebook
from coattail.reports.outputs import VERIFIED
from coattail.workspace import verified
from tests.harness.elements import Elements
from tests.harness.executed import FIRST, PAYLOADS, code, drawn, failed, hostile, printed, prose, ran, shown

ANSWER = "12 trades, 0 missing."
SAID = {"snapshot_id": "77", "commit": 3, "landed": 12, "rejected": 1, "missing": 0, "gaps": 0, "alert_count": 2,
        "preset": "default", "again": "coattail notebook run look"}  # fmt: skip
REPR = "<table><tr><th>snapshot</th><td>77 of raw_trades<script>alert(1)</script></td></tr></table>"


def look(*more: dict[str, Any]) -> Ran:
    """A notebook as ours are: question, parameters, two sections, an answer."""
    return ran(
        prose(FIRST), code('symbol: str = "A"  # which', tags=("parameters",)), prose("## Prices"),
        code("ws.candles(symbol).chart()", drawn()), *more, prose("## What we saw\n\nIt *is* complete."),
        code("print(x)", printed(ANSWER + "\n"), shown(**{VERIFIED: SAID, "text/html": REPR})),
        papermill={"end_time": "2025-03-04T14:00:59.1+00:00"},
    )  # fmt: skip


def test_the_answer_is_the_headline_below_its_question() -> None:
    page = page_of_notebook(look(), live=False)
    found = Elements(page.html)
    assert (page.headline, page.title, page.cells, page.failed) == (ANSWER, "A look", 3, None)
    assert f'<p class="question">Is it complete?</p><h1>{ANSWER}</h1>' in page.html
    assert "run 2025-03-04 14:00 UTC" in found.text
    assert found.open == []
    assert "**" not in found.text
    assert "9 trades" not in found.text, "the answer of another run"


def test_an_answer_that_is_too_long_for_a_headline_stands_below_the_title() -> None:
    short, long = (page_of_notebook(ran(prose(FIRST), code("x", printed(said))), live=False)
                   for said in ("well.", "well " * 60))  # fmt: skip
    assert (short.headline, long.headline) == ("Well.", "A look")
    assert '<h1>A look</h1><pre class="stream">well well' in long.html


def test_its_headings_are_the_contents() -> None:
    found = Elements(page_of_notebook(look(prose("## Prices")), live=False).html)
    links = [a["href"] for a in found.of("a") if str(a["href"]).startswith("#")]
    assert links == ["#content", "#what-it-looks-at", "#prices", "#what-we-saw", "#verify"]
    assert [section["id"] for section in found.of("section")] == [str(link)[1:] for link in links[1:]]
    twice = Elements(page_of_notebook(look(prose("## Prices\n\nAgain.")), live=False).html)
    assert "prices-2" in [section["id"] for section in twice.of("section")]


def test_what_the_notebook_rests_on_stands_in_figures_and_in_the_box() -> None:
    page = page_of_notebook(look(), live=False).html
    tiles = re.findall(r'<dt>(\w+)</dt><dd class="value">([^<]+)</dd><dd>([^<]+)</dd>', page)
    assert tiles == [
        ("Trades", "12", "landed; 1 rejected"), ("Coverage", "100 %", "no trade missing, by their ids"),
        ("Alerts", "2", "preset default"), ("Commit", "3", "of raw_trades, all of the home"),
    ]  # fmt: skip
    box = page[page.index('class="box"') :]
    assert all(word in box for word in ("77", "ab" * 32, "coattail notebook run look --html", "&#x27;BTC-USDT&#x27;"))
    assert box.count("77 of raw_trades</td>") == page.count("77 of raw_trades") == 1, "in the box, not below its cell"
    assert "ws.verify() in its last cell would" in page_of_notebook(ran(code()), live=False).html
    assert VERIFIED == verified.MIME


def test_code_is_folded_below_the_line_that_shows_something() -> None:
    page = page_of_notebook(ran(code("a = f(\n    1,\n)\nws.alerts(\n)\n")), live=False).html
    assert '<details class="code"><summary>In [1]  <code>ws.alerts(</code></summary><pre>a = f(\n    1,' in page


def test_a_cell_that_failed_is_said_at_the_top_and_the_answer_is_not() -> None:
    trace = "\x1b[31mNameError\x1b[0m: x\n  here"
    page = page_of_notebook(look(code("x", failed("NameError", "name 'x'", trace))), live=False)
    assert page.failed == (3, "NameError: name 'x'")
    found = Elements(page.html)
    assert "This notebook failed in its cell 3: NameError: name 'x'. What comes after it never ran" in found.text
    assert page.headline == "A look"
    assert "NameError: x\n  here" in found.text


def test_a_chart_is_its_drawing_and_live_where_it_may() -> None:
    light, live = (page_of_notebook(look(), live=way) for way in (False, True))
    assert (light.charts, live.charts) == (0, 1)
    for page in (light, live):
        (picture,) = Elements(page.html).of("img")
        assert str(picture["src"]).startswith("data:image/svg+xml,%3Csvg")
        assert picture["alt"] == "BTC-USD, a price."
    assert "<script" not in light.html
    assert "img-src data:" in light.html
    assert HASH.strip("'") in live.html
    packed = re.search(r'id="charts">([^<]+)<', live.html)
    assert packed is not None
    (chart,) = json.loads(zlib.decompress(base64.b64decode(packed[1]), -zlib.MAX_WBITS))["charts"]
    assert chart["figure"]["data"][0]["type"] == "scatter"


def test_what_the_small_bundle_does_not_draw_gets_all_of_plotly_or_stays_a_drawing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heat = shown(plotly={"data": [{"type": "heatmap", "z": [[1]]}], "layout": {}}, svg="<svg/>", text_plain="Heat.")
    bare = shown(plotly={"data": [{"type": "heatmap", "z": [[1]]}], "layout": {"title": {"text": "Bare"}}})
    assert page_of_notebook(ran(code("x", heat)), live=True).charts == 1
    whole.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    page = page_of_notebook(ran(code("x", heat, bare, drawn())), live=True)
    whole.cache_clear()
    assert page.charts == 1
    assert HASH.strip("'") in page.html
    assert page.html.count("heatmap needs all of plotly.js") == 2
    assert "(A chart without a drawing: Bare. It can be seen in the notebook." in page.html


def test_figures_that_would_make_the_page_too_large_stay_drawings() -> None:
    noise = [((n * 7919) % 100_003) / 7 for n in range(99_000)]
    large = shown(plotly={"data": [{"y": noise}], "layout": {}}, svg="<svg/>", text_plain="Noise.")
    page = page_of_notebook(ran(code("x", large, drawn())), live=True)
    assert page.charts == 1
    assert "would make this page too large" in page.html
    assert len(page.html.encode()) < 1_200_000
    light = page_of_notebook(ran(*(code("x", shown(svg=f"<svg>{'x' * 90_000}</svg>")) for _ in range(9))), live=False)
    assert len(light.html.encode()) < 500_000
    assert "(A drawing for which this page has no room:" in light.html


def test_numbers_in_tables_stand_to_the_right_and_no_style_is_left() -> None:
    table = (
        '<table><tr><th style="text-align:right;color:red">n</th><th style="color:red">x</th></tr>'
        "<tr><td>1,234.5</td><td>7.0359e7</td><td>a 1</td><td>0.1.0</td></tr>"
        '<tr><td colspan="2" style="text-align: right">b</td><td> style="x"</td></tr></table>'
    )
    page = page_of_notebook(ran(code("x", shown(text_html=table))), live=False).html
    for cell in (
        '<th class="number">n</th>', "<th>x</th>", '<td class="number">1,234.5</td>', "<td>a 1</td>", "<td>0.1.0</td>",
        '<td class="number">7.0359e7</td>', '<td colspan="2" class="number">b</td>', '<td> style="x"</td>',
    ):  # fmt: skip
        assert cell in page


def test_of_an_output_without_a_form_for_pages_the_forms_are_named() -> None:
    page = page_of_notebook(ran(code("x", shown(**{"application/javascript": "alert(1)"}))), live=False).html
    assert "(An output that a page cannot hold: application/javascript)" in page
    assert "alert(1)" not in page


def test_a_line_that_was_written_over_is_shown_as_it_ended() -> None:
    page = page_of_notebook(ran(code("x", printed("1 %\r50 %\r\x1b[32m100 %\x1b[0m\nend"))), live=False).html
    assert '<pre class="stream">100 %\nend</pre>' in page


def test_a_long_output_is_cut_and_says_so() -> None:
    page = page_of_notebook(ran(code("x", printed("y" * 50_000))), live=False).html
    assert "… 30,000 characters more, in the notebook" in page


@pytest.mark.parametrize("live", [False, True], ids=["light", "live"])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_in_a_notebook_is_live(payload: str, live: bool) -> None:
    made = page_of_notebook(
        ran(*hostile(payload), name=payload, papermill={"end_time": payload}), live=live
    )  # fmt: skip
    found = Elements(made.html)
    kinds = {name for name, _ in found.found}
    assert not kinds & {"iframe", "object", "embed", "video", "form", "input", "base", "link", "template", "textarea",
                        "math", "image", "noscript", "frame"}  # fmt: skip
    assert len(found.of("script")) == (3 if live else 0)
    assert len(found.of("style")) == 1
    assert len(found.of("meta")) == 9
    attributes = {name for _, given in found.found for name in given}
    assert not {name for name in attributes if name.startswith("on") or name in ("style", "srcset", "action")}
    assert {str(given["src"])[:11] for _, given in found.found if "src" in given} <= {"data:image/"}
    links = [str(a["href"]) for a in found.of("a") if not str(a["href"]).startswith("#")]
    assert set(links) <= {"http://evil.example"}, "only what the author of a cell of text links to"
    assert not links or payload in ("[x](http://evil.example)", "<http://evil.example>")
    assert not re.search("[\u202e\u2028\x1b\x07\x00]", made.html)
    if live:
        data = re.search(r'id="charts">([^<]+)<', made.html)
        assert data is not None
        read = json.loads(zlib.decompress(base64.b64decode(data[1]), -zlib.MAX_WBITS))
        figures = json.dumps([chart["figure"] for chart in read["charts"]])
        assert not re.search(r"<(?!/?(b|i|em|sub|sup|extra)>|br ?/?>)", figures)
        assert '"source"' not in figures


def test_a_page_is_made_in_less_than_a_second() -> None:
    cells = [cell for _ in range(4) for cell in (prose("## More\n\ntext"), code("x", drawn(points=1500)))]
    page_of_notebook(look(), live=True)  # imports
    began = time.process_time()
    page = page_of_notebook(look(*cells), live=True)
    assert time.process_time() - began < 1.0
    assert page.charts == 5
    assert len(page.html.encode()) < 1_200_000
