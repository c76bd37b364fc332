"""What an alert was computed from is found for any detector, whatever its verdicts depend on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import polars as pl

from coattail.alerts import FINAL, Alert, canonical_json
from coattail.detectors import BaseDetector, Facts
from coattail.engines.evidence import Inputs, evidence_of
from coattail.landing.coverage import Coverage
from coattail.tables import BARS, ORDERS, Table

START = datetime(2025, 3, 4, tzinfo=UTC)
SYMBOLS = ("BTC-USD", "ETH-USD", "SOL-USD")


@dataclass(frozen=True, kw_only=True)
class Neighbours(BaseDetector):
    """Judges a market by another one, which the details name; and by a text and a number that some rows lack."""

    module_id: ClassVar[str] = "MOD-901"
    name: ClassVar[str] = "neighbours"
    table: ClassVar[Table] = Table(name="neighbours", doc="", columns=())
    alert_types: ClassVar[tuple[str, ...]] = ("neighbour",)

    @property
    def window(self) -> timedelta:
        return timedelta(minutes=1)

    @property
    def lookback(self) -> timedelta:
        return timedelta(0)

    def score(self, facts: Facts) -> pl.DataFrame:
        return pl.DataFrame()

    def flag(self, scored: pl.DataFrame) -> list[Alert]:
        return []

    def concerns(self, alert: Alert) -> pl.Expr:
        return pl.col("symbol").is_in([alert.symbol, json.loads(alert.details)["neighbour"]])

    def beside(self, alert: Alert, facts: Facts) -> Sequence[pl.DataFrame]:
        return [facts.orders.select("side", "fills", pl.lit(1.5).alias("share"))]


def facts(*, sides: Sequence[str | None] = ("buy",), trades: int = 7) -> Facts:
    bars = [
        {"exchange": "coinbase", "symbol": symbol, "bar_start": START, "first_trade_id": 10 * place,
         "last_trade_id": 10 * place + 6, "trades": trades if symbol == "SOL-USD" else 7,
         "quantity": 1, "notional": 100}
        for place, symbol in enumerate(SYMBOLS)
    ]  # fmt: skip
    orders = [{"exchange": "coinbase", "symbol": "BTC-USD", "side": side, "fills": None} for side in sides]
    return Facts(
        bars=BARS.conform(pl.DataFrame(bars)),
        orders=ORDERS.conform(pl.DataFrame(orders)),
        spans=Coverage().spans(),
        since=START,
        until=START + timedelta(hours=1),
        watermark=START + timedelta(hours=1),
    )


def alert(neighbour: str) -> Alert:
    return Alert(
        alert_id=neighbour, alert_type="neighbour", module_id="MOD-901", symbol="BTC-USD", exchange="coinbase",
        severity="medium", detected_at=START + timedelta(minutes=1), status=FINAL, message="",
        details=canonical_json({"neighbour": neighbour}), preset="default",
    )  # fmt: skip


def hashes(seen: Facts) -> list[str]:
    """Of two alerts of one type, market and moment, whose verdicts depend on different markets."""
    inputs = Inputs(seen)
    return [evidence_of(alert(s), Neighbours(), inputs, commit=1).inputs for s in ("ETH-USD", "SOL-USD")]


def test_alerts_of_one_market_may_depend_on_different_ones() -> None:
    one, other = hashes(facts())
    assert one != other
    assert [one, other] == [evidence_of(alert(s), Neighbours(), Inputs(facts()), commit=1).inputs for s in SYMBOLS[1:]]


def test_a_change_of_a_market_shows_in_the_alerts_that_depend_on_it_alone() -> None:
    before, after = hashes(facts()), hashes(facts(trades=8))
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_bars_that_alerts_share_are_hashed_once_and_each_goes_on_from_there() -> None:
    inputs = Inputs(facts())
    first, again = (evidence_of(alert("SOL-USD"), Neighbours(), inputs, commit=1).inputs for _ in range(2))
    assert first == again
    assert len(inputs._hashed) == 1


def test_what_else_a_verdict_was_computed_from_is_part_of_its_evidence() -> None:
    assert len({*hashes(facts()), *hashes(facts(sides=["sell"])), *hashes(facts(sides=[None]))}) == 6
