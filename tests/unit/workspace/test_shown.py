"""What a workspace answers shows itself in a notebook: text and tables in the notebook's colours, never markup."""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import msgspec
import polars as pl
import pytest

from coattail import Workspace
from coattail.errors import UsageError
from coattail.home import Home
from coattail.reports.strips import Strip
from coattail.stores.replies import Marks
from coattail.workspace.candles import Candles
from coattail.workspace.covered import Covered
from coattail.workspace.documents.health import Finding, health_document
from coattail.workspace.documents.quality import FailureDocument
from coattail.workspace.documents.replies import AcknowledgementDocument, MuteDocument, MutesDocument
from coattail.workspace.lags import Lags
from coattail.workspace.page import Page
from coattail.workspace.questions.score import Score
from coattail.workspace.questions.what_if import Sweep, WhatIf
from coattail.workspace.shown import Folded, Headline, html_of
from coattail.workspace.text import pairs, table
from coattail.workspace.timeline import Timeline
from coattail.workspace.windows import Orders, Spreads, Volumes

NOW = datetime(2025, 3, 4, 14, tzinfo=UTC)
ELEMENTS = {"p", "br", "b", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "pre"}
TAGS = ("a href=x", "script", "img src=x onerror=alert(1)", "svg onload=alert(1)", "iframe src=x", "style",
        "base href=x", "object data=x", "form action=x", "math", "link rel=stylesheet href=x",
        "meta http-equiv=refresh")  # fmt: skip
PAYLOADS = [
    *(f"<{one}>x" for one in TAGS),
    *(f'"><{one}>' for one in TAGS),
    *(f"</td></table></pre></p></summary><{one}>" for one in TAGS),
    *(f"<!--><{one}>" for one in TAGS),
    *(f"\n<{one.upper()}\t/>" for one in TAGS),
]


class Read(HTMLParser):
    """The elements and attributes of some HTML, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def alert_row(text: str) -> dict[str, Any]:
    return {
        "alert_id": "a" * 32, "revision": 1, "alert_type": text, "module_id": "m", "symbol": text, "exchange": text,
        "severity": "critical", "detected_at": NOW, "status": "final", "message": text, "details": "{}",
        "preset": "default", "recorded_at": NOW,
    }  # fmt: skip


def card(text: str) -> dict[str, Any]:
    figure = {"value": 0.5, "low": 0.4, "high": 0.6}
    return {"kind": text, "events": 3, "recall": figure, "false_per_day": figure, "fault_alerts_per_day": figure,
            "precision": figure, "delay_s": {"p50": figure}}  # fmt: skip


def ledger(text: str) -> pl.DataFrame:
    counts = dict.fromkeys(("landed", "trades", "fetched", "gaps", "missing", "unobserved", "rejected"), 1)
    times = {"first_trade": NOW, "last_trade": NOW, "first_id": 1, "last_id": 2, "ids": "contiguous"}
    return pl.DataFrame([{"exchange": text, "symbol": text, **counts, **times}])


def shown(text: str) -> list[Any]:
    """What has texts from data, parameters and notes in it."""
    candles = pl.DataFrame({"exchange": [text], "symbol": [text], "start": [NOW], "open": [1.5], "state": [text]})
    sweep = Sweep(key=text, points=[(1, {"alerts_per_day": {text: 2.0}, "kinds": {text: card(text)}})])
    return [
        Page(found=[alert_row(text)], has_more=True, next_cursor=None, marks=Marks(mutes=(), acknowledged={})),
        Candles(symbol=text, every=timedelta(minutes=1), rows=candles, alerts=candles, shades=[]),
        Covered(rows=ledger(text), timeline=Timeline(NOW, NOW + timedelta(hours=1), [Strip(text, text, ("gap",) * 9)])),
        Lags(rows=candles, counted=candles),
        Volumes(rows=candles, alerts=candles, detector=None),
        Spreads(rows=candles.rename({"symbol": "symbol_a"}), alerts=candles),
        Orders(rows=candles),
        sweep,
        WhatIf(done=None, now=0, then=0, truth=None, sweep=sweep),
        Score(evidences=[], found={"presets": {text: {"m": {"k": card(text)}}}, "without_detector": {text: [text]},
                                   "not_covered": {text: text}}),
        health_document([Finding(name=text, state="ok", detail=text, remedy=text)], repaired=[text]),
        MutesDocument(mutes=[MuteDocument(symbol=text, type=text, exchange=text, since=NOW, until=None)]),
        AcknowledgementDocument(alert_id=text, at=NOW, note=text),
    ]  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_of_data_becomes_an_element(payload: str) -> None:
    for one in shown(payload):
        read = Read(one._repr_html_())
        assert read.elements <= ELEMENTS, type(one)
        assert read.attributes <= {"style"}, type(one)
        assert payload.lstrip()[:5] in read.text, type(one)


def test_there_are_enough_payloads() -> None:
    assert len(set(PAYLOADS)) >= 60


@pytest.fixture(scope="module")
def ws(day: Home) -> Workspace:
    return Workspace(day.path, preset="classic")


ANSWERS: dict[str, Callable[[Workspace], Any]] = {
    "workspace": lambda ws: ws,
    "alerts": lambda ws: ws.alerts(limit=3),
    "explain": lambda ws: ws.explain(ws.alerts()[0].alert_id),
    "candles": lambda ws: ws.candles("BTC-USDT"),
    "lags": lambda ws: ws.lags(),
    "coverage": lambda ws: ws.coverage(),
    "quality": lambda ws: ws.quality(),
    "state": lambda ws: ws.status(),
    "doctor": lambda ws: ws.doctor(),
    "maintain": lambda ws: ws.maintain(dry_run=True),
    "verify": lambda ws: ws.verify(),
    "what_if": lambda ws: ws.what_if({"volume-anomaly.z_threshold": 40}, sweep=("volume-anomaly.z_threshold", [3, 5])),
    "mutes": lambda ws: ws.mutes(),
    "tables": lambda ws: ws.tables,
    "symbols": lambda ws: ws.symbols,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_shows_itself_in_the_notebooks_own_colours(ws: Workspace, name: str) -> None:
    answer = ANSWERS[name](ws)
    shown = answer._repr_html_()
    read = Read(shown)
    assert read.elements <= ELEMENTS
    assert "background" not in shown
    assert len(repr(answer).splitlines()) <= 60
    words = re.findall(r"[A-Za-z]\w+", repr(answer).replace(str(ws.home.path), ""))  # a page goes to others
    assert words
    assert sum(word in read.text for word in words) > 0.9 * len(words)  # nothing but the form differs


@pytest.mark.parametrize("name", ["alerts", "candles", "coverage", "lags", "quality", "state", "doctor"])
def test_what_is_a_table_is_a_frame(ws: Workspace, name: str) -> None:
    answer = ANSWERS[name](ws)
    frame = answer.to_polars()
    assert frame.height > 0
    assert answer.to_pandas().shape == frame.shape


def test_a_sweep_a_comparison_and_a_score_are_frames(ws: Workspace) -> None:
    asked = ANSWERS["what_if"](ws)
    assert asked.sweep.to_polars().rows()[0] == (
        "3",
        "volume_drop",
        asked.sweep.points[0][1]["alerts_per_day"]["volume_drop"],
    )
    scored = Score(evidences=[], found={"presets": {"default": {"m": {"burst": card("burst")}}}})
    assert scored.to_polars().row(0, named=True) == {
        "kind": "burst", "preset": "default", "events": 3, "recall": 0.5, "recall_low": 0.4, "recall_high": 0.6,
        "false_per_day": 0.5, "false_per_day_low": 0.4, "false_per_day_high": 0.6,
    }  # fmt: skip


def test_without_pandas_it_says_what_to_do(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    known = builtins.__import__

    def without(name: str, *more: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
        return known(name, *more, **named)

    for module in [name for name in sys.modules if name.partition(".")[0] == "pandas"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pandas is not installed; pip install 'coattail\[lab\]', or use \.to_polars"):
        ws.quality().to_pandas()


def test_tab_completes_tables_and_symbols(ws: Workspace) -> None:
    assert "raw_trades" in dir(ws.tables)
    assert "raw_trades" in ws.tables._ipython_key_completions_()
    assert ws.symbols._ipython_key_completions_() == list(ws.symbols) == ws.symbols
    assert {"tables", "symbols"} <= set(vars(ws)), "IPython evaluates attributes of the object, but not properties"
    assert (ws.symbols["BTC-USDT"], ws.symbols[0], ws.symbols[-1:]) == ("BTC-USDT", "BTC-USD", ["SOL-USD"])
    with pytest.raises(UsageError, match="did you mean BTC-USD"):
        ws.symbols["BTC-USTD"]


def test_lines_tables_and_folded_lines_have_their_elements() -> None:
    drawn = html_of(
        [Headline("A <b>"), "one", "  two", "", "three", table(["severity", "n"], [("high", 3)], right=["n"]),
         pairs([("home", "x")], width=6), Folded(["a", " b"], "more"), Folded(["c"])]
    )  # fmt: skip
    assert drawn.startswith("<p><b>A &lt;b&gt;</b></p><p>one<br>\u00a0\u00a0two</p><p>three</p><table")
    assert drawn.endswith("<details><summary>more</summary><pre>a\n b\n</pre></details><pre>c\n</pre>")
    assert '<b style="color:#c2701c">high</b>' in drawn
    assert drawn.count("<thead>") == 1


def test_why_records_were_rejected_is_shown(ws: Workspace) -> None:
    found = msgspec.structs.replace(ws.quality(), failures=[FailureDocument(folder="<b>", reason="<i>", rows=7)])
    assert Read(found._repr_html_()).elements <= ELEMENTS
    assert [lane.name for lane in found.chart().charts[1].lanes] == ["<b>: <i>: 7"]


def test_a_table_that_is_made_in_a_notebook_displays_nothing_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    displayed: list[object] = []
    monkeypatch.setattr("rich.jupyter.display", lambda *made: displayed.append(made))
    strip = Strip("binance", "BTC-USD", ("live",))
    drawn = Timeline(NOW, NOW + timedelta(hours=1), [strip]).words(terminal=True)
    assert "binance BTC-USD" in drawn
    assert table(["a"], [("b",)]).split() == ["a", "b"]
    assert displayed == []
