"""What `coattail run` shows of the lines that its processes print."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from coattail.cli.board import Board
from coattail.cli.screen import Screen
from coattail.workspace.documents import plain
from coattail.workspace.documents.alerts import alert_document
from tests.harness.alerts import make_alert
from tests.harness.documented import SCHEMAS


class Kept(Screen):
    def __init__(self) -> None:
        super().__init__(silent=True)
        self.said: list[str] = []

    def say(self, line: str = "") -> None:
        self.said.append(line)


def event(**fields: Any) -> dict[str, Any]:
    return {"event": "alert", **plain(alert_document(make_alert(**fields)))}


def test_an_alert_is_shown_when_it_fires_rises_and_is_taken_back() -> None:
    screen = Kept()
    board = Board(screen)
    board.heard("engine", event(severity="medium", revision=1))
    board.heard("engine", event(severity="medium", revision=2))  # only figures
    board.heard("engine", event(severity="critical", revision=3))
    board.heard("engine", event(severity="critical", status="retracted", revision=4))
    board.heard("engine", event(severity="critical", status="retracted", revision=5))
    assert len(screen.said) == 3
    assert "medium" in screen.said[0]
    assert "critical" in screen.said[1]
    assert "retracted" in screen.said[2]


def test_the_table_has_a_row_for_each_instrument_and_says_what_is_wrong() -> None:
    from rich.console import Console

    board = Board(Kept())
    state = dict(SCHEMAS["produce"])
    line = {**state["exchanges"][0]["lines"][0], "state": "waiting", "problem": "the connection was lost"}
    state["exchanges"] = [{**state["exchanges"][0], "lines": [line]}]
    board.heard("producer", state)
    board.heard(
        "engine",
        {
            "event": "state", "received": 10, "landed": 9, "rejected": 1, "duplicates": 0, "late": 0,
            "waiting_bytes": 0, "watermark": datetime(2026, 1, 1, tzinfo=UTC).isoformat(), "alerts": 2,
        },
    )  # fmt: skip
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(board.drawn())
    drawn = console.export_text()
    assert "BTC-USDT" in drawn
    assert "61999.82" in drawn
    assert "! binance: the connection was lost" in drawn
    assert "landed 9 in all, rejected 1, duplicates 0, quality 90.00 %" in drawn
    assert len(board.summary()) == 2


def test_before_anything_is_heard_it_says_that_it_starts() -> None:
    assert str(Board(Kept()).drawn()) == "starting …"
    assert Board(Kept()).summary() == []
