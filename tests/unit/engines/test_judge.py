"""A batch that changes few markets is judged by these alone, and nothing differs for it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from coattail.alerts import Alert
from coattail.config import load_settings
from coattail.detectors.base import Facts
from coattail.detectors.rare_volume import RareVolumeDetector
from coattail.engines.facts import FactStore
from coattail.engines.judge import Judge
from coattail.landing import Checks, Coverage, land
from coattail.packing import Packer
from coattail.records import Trade, micros
from coattail.streams.base import Pack
from coattail.tables import Table

pytestmark = pytest.mark.slow

START = datetime(2025, 3, 4, 9, tzinfo=UTC)
MARKETS = [f"C{n:02d}-USD" for n in range(12)]
MINUTES = 62


class Nothing:
    """A lake that holds no rows."""

    def scan(self, table: Table, *, columns: list[str], since: datetime, until: datetime) -> pl.DataFrame:
        return table.empty().select(columns)


@dataclass
class Found:
    """A ledger: the alerts that the newest judgement found, by when they were detected."""

    alerts: dict[str, Alert] = field(default_factory=dict)

    def update(self, first: datetime, last: datetime, found: list[Alert], **_: Any) -> list[Alert]:
        kept = {i: alert for i, alert in self.alerts.items() if not first <= alert.detected_at < last}
        self.alerts = kept | {alert.alert_id: alert for alert in found}
        return []


def trades(still: range) -> list[Trade]:
    """Busy markets and some that trade once in minutes, a burst in one of each; nothing in the seconds `still`."""
    rng, made = random.Random(23), []
    for place, symbol in enumerate(MARKETS):
        every = 4 if place < 4 else 60 * place
        times = [t for t in range(rng.randrange(every), 60 * MINUTES, every) if t not in still]
        if place in (1, 7):
            times += [3_570 + n // 3 for n in range(120)]
        for number, second in enumerate(sorted(times)):
            at = micros(START + timedelta(seconds=second, milliseconds=rng.randrange(900)))
            made.append(Trade(
                exchange="binance", symbol=symbol, trade_id=number, price="10.00", quantity=f"{rng.uniform(1, 9):.3f}",
                side="buy", timestamp=at, received=at, session="s", payload="{}",
            ))  # fmt: skip
    return sorted(made, key=lambda trade: trade.received)


def judged(batches: list[list[Trade]], *, wholly: bool) -> tuple[pl.DataFrame, dict[str, Alert]]:
    """The module's rows and the alerts after these batches; `wholly`: as if all markets changed with each."""
    facts, found = FactStore(Nothing()), Found()  # type: ignore[arg-type]
    detector = RareVolumeDetector(budget=20.0, drop_budget=20.0)
    settings = load_settings(None, overrides={"preset": "default"})
    judge = Judge([detector], settings, facts, found)  # type: ignore[arg-type]
    coverage = Coverage()
    for number, batch in enumerate(batches):
        packer = Packer()
        for trade in batch:
            packer.add(trade)
        packs = [Pack(lane, str(place), data) for place, (lane, data) in enumerate(packer.take())]
        landed = land(packs, coverage, Checks())
        coverage = landed.coverage
        if wholly:
            coverage = Coverage({name: ledger.copy() for name, ledger in coverage.ledgers.items()})
        facts.add(landed.bars, landed.orders)
        judge.judge(coverage, landed.changed, revision=number, now=START)
    rows = judge.take_scored()[detector.name].drop("revision").sort("symbol", "window_start")
    return rows, found.alerts


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many markets were judged, each time that some were judged alone."""
    counts: list[int] = []
    score: Callable[[RareVolumeDetector, Facts], pl.DataFrame] = RareVolumeDetector.score

    def counted(self: RareVolumeDetector, facts: Facts) -> pl.DataFrame:
        if facts.alone:
            counts.append(facts.spans["symbol"].n_unique())
        return score(self, facts)

    monkeypatch.setattr(RareVolumeDetector, "score", counted)
    return counts


@pytest.mark.parametrize("still", [range(0), range(1_500, 1_740)], ids=["moving", "a stall of four minutes"])
def test_markets_that_changed_are_judged_alone_with_the_same_result(alone: list[int], still: range) -> None:
    made = trades(still)
    late = [t for t in made if t.symbol in MARKETS[:5] and t.trade_id in (300, 500)]
    begun = [t for t in made if t not in late]
    first = next(n for n, t in enumerate(begun) if t.received > micros(START + timedelta(minutes=59)))
    batches = [begun[:first], *(begun[n : n + 25] for n in range(first, len(begun), 25)), late]
    rows, alerts = judged(batches, wholly=False)
    assert bool(alone) == (not still)
    assert all(1 <= count < len(MARKETS) / 2 for count in alone)
    expected, as_expected = judged(batches, wholly=True)
    assert rows.equals(expected)
    assert alerts == as_expected
    assert alerts
