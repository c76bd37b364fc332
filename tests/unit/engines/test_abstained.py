"""A detector that judged nothing for most of an hour is said, with the reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from coattail.detectors.rare_volume import RareVolumeDetector
from coattail.detectors.whale import WhaleDetector
from coattail.engines.abstained import Abstentions

START = datetime(2025, 3, 3, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DETECTOR = RareVolumeDetector()


def rows(symbol: str, states: list[str], first: int = 0) -> pl.DataFrame:
    times = [START + MINUTE * (first + n) for n in range(len(states))]
    named = {"exchange": "binance", "symbol": symbol, "preset": "default"}
    return DETECTOR.table.conform(pl.DataFrame({**named, "window_start": times, "state": states}))


def said(*frames: pl.DataFrame) -> list[tuple[str, float, str]]:
    abstentions = Abstentions([DETECTOR, WhaleDetector()])
    for frame in frames:
        abstentions.add({DETECTOR.name: frame})
    return [(one["about"], one["share"], one["reason"]) for one in abstentions.found()]


def test_more_than_half_of_an_hour_is_said_with_the_reason_of_most_of_it() -> None:
    mixed = ["judged"] * 25 + ["partial"] * 5 + ["short_history"] * 30
    assert said(pl.concat([rows("A-USD", mixed), rows("B-USD", ["judged"] * 60)])) == [
        ("binance A-USD", 0.583, "short_history")
    ]


def test_half_is_not_said() -> None:
    assert said(rows("A-USD", ["judged"] * 30 + ["idle"] * 30)) == []


def test_only_the_newest_hour_counts_however_it_is_cut_into_commits() -> None:
    before, after = ["partial"] * 90, ["judged"] * 60
    assert said(rows("A-USD", before), rows("A-USD", after, first=90)) == []
    assert said(rows("A-USD", after), rows("A-USD", before, first=60)) == [("binance A-USD", 1.0, "partial")]


def test_a_window_that_is_judged_again_counts_as_it_is_now() -> None:
    assert said(rows("A-USD", ["partial"] * 60), rows("A-USD", ["judged"] * 60)) == []


def test_a_module_without_states_says_nothing() -> None:
    whales = WhaleDetector()
    abstentions = Abstentions([whales])
    abstentions.add({whales.name: whales.table.empty()})
    assert abstentions.found() == []
