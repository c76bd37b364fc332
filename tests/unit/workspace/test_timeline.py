"""The drawing of what is here over time."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime, timedelta

import pytest

from coattail.reports.strips import Strip
from coattail.workspace.timeline import Timeline, cells_within

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)
CELLS = ("live",) * 30 + ("gap",) + ("fetched",) * 9 + ("unobserved",) * 19 + ("",)


def lines(timeline: Timeline) -> list[str]:
    return timeline.words().splitlines()


def test_each_instrument_has_a_line_over_round_times(monkeypatch: pytest.MonkeyPatch) -> None:
    strips = [Strip("binance", "BTC-USDT", CELLS), Strip("coinbase", "BTC-USD", ("live",) * 60)]
    timeline = Timeline(NOON, NOON + timedelta(hours=1), strips)
    first, second, axis, key, span = lines(timeline)
    assert first == f"binance BTC-USDT  {'█' * 30}\u2573{'▒' * 9}{'·' * 19}"
    assert second == f"coinbase BTC-USD  {'█' * 60}"
    assert axis == f"{'':18}|12:00         |12:15         |12:30         |12:45"
    assert key == "█ live   ▒ fetched   \u2573 missing   · not observed"
    assert span == "from 2025-03-04 12:00:00Z to 2025-03-04 13:00:00Z, a column is 60 s"
    assert repr(timeline) == timeline.words()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert lines(timeline)[0] == f"binance BTC-USDT  {'#' * 30}X{'+' * 9}{'.' * 19}"


@pytest.mark.parametrize(
    ("length", "axis"),
    [
        (timedelta(days=2), "|12:00         |03-05         |12:00         |03-06"),
        (timedelta(seconds=30), "|12:00:00           |12:00:10           |12:00:20"),
        (timedelta(days=400), " |03-13      |06-01      |08-20      |11-08      |01-27"),
    ],
)
def test_the_times_fit_the_span(length: timedelta, axis: str) -> None:
    shown = lines(Timeline(NOON, NOON + length, [Strip("binance", "X", ("live",) * 60)]))[1]
    assert shown == f"{'':11}{axis}"


def test_a_terminal_is_filled_and_a_narrow_one_still_shows_something() -> None:
    assert cells_within(80, ["binance BTC-USDT"]) == 61
    assert cells_within(10, ["binance BTC-USDT"]) == 20


def test_nothing_is_known_of_an_empty_ledger() -> None:
    assert Timeline(None, None, []).words() == "nothing is known about this time"
