"""An exchange whose ids are only unique: the same trades and verdicts as with counted ids, on every way.

The scene is one that has counted ids; the oracle judges it so. Then the ids are made random, trades are repeated and
come out of order, and everything but the ids must stay.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from coattail.connectors import CONNECTORS
from coattail.engines.local import LocalEngine
from coattail.engines.recompute import recompute
from coattail.engines.spark import SparkEngine
from coattail.home import Home
from coattail.records import Record, Trade
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from coattail.tables import COVERAGE
from tests.harness.bazaar import BazaarConnector
from tests.harness.oracle import Expected, expected
from tests.harness.running import (
    DERIVED_ALWAYS,
    EVERY_SEGMENT,
    Found,
    _same,
    drained,
    feed,
    found,
    interrupted,
    landed,
    new_home,
    settings_of,
)
from tests.harness.scenes import at, evenly, make_trade, market, with_duplicates

Alerts = dict[tuple[Any, ...], dict[str, Any]]


@pytest.fixture(autouse=True)
def venue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONNECTORS, "bazaar", BazaarConnector)


@cache
def counted() -> tuple[Trade, ...]:
    """Trades of the venue as if it counted them; one order is large, and it is one fill."""
    coinbase = [r for r in market() if isinstance(r, Trade) and r.exchange == "coinbase" and _is_small(r)]
    coinbase.append(make_trade(10**6, at(95.45), quantity="5000"))
    numbers: dict[str | None, Iterator[int]] = {}
    trades = []
    for trade in sorted(coinbase, key=lambda trade: (trade.symbol, trade.timestamp, trade.trade_id)):
        number = next(numbers.setdefault(trade.symbol, count(1)))
        trades.append(msgspec.structs.replace(trade, exchange="bazaar", session="s", trade_id=number))
    return tuple(sorted(trades, key=lambda trade: trade.received))


def _is_small(trade: Trade) -> bool:
    """Fills of larger orders are joined by counted ids, which these ids do not do."""
    return trade.symbol == "SOL-USD" or float(trade.price or 0) * float(trade.quantity or 0) < 20_000


@cache
def scattered() -> tuple[Trade, ...]:
    """The same with random ids, in another order within a few seconds."""
    draw = random.Random(3)
    ids: dict[tuple[str | None, int | None], int] = {}
    trades = []
    for trade in counted():
        known = ids.setdefault((trade.symbol, trade.trade_id), draw.getrandbits(61))
        trades.append(msgspec.structs.replace(trade, trade_id=known, last_trade_id=None))
    return tuple(sorted(trades, key=lambda trade: trade.received + draw.randrange(4_000_000)))


@cache
def repeated() -> tuple[Record, ...]:
    return tuple(with_duplicates(scattered(), 0.05, seed=2))


@cache
def truth() -> Expected:
    return expected(counted())


def said(alerts: dict[str, dict[str, Any]]) -> Alerts:
    """What alerts say of the market: by type, symbol and time, without what holds ids. Orders only where large."""
    kept = {}
    for alert in alerts.values():
        details = {name: value for name, value in alert["details"].items() if "trade_id" not in name}
        key = (alert["alert_type"], alert["exchange"], alert["symbol"], alert["detected_at"])
        kept[key] = {"severity": alert["severity"], "status": alert["status"], **details}
    return kept


def market_facts(home: Found) -> tuple[Any, ...]:
    trades = sorted(row[2:3] + row[5:] for row in home.trades)
    return trades, home.alerts, home.texts, {key: bar["notional"] for key, bar in home.bars.items()}


@pytest.mark.parametrize(("pieces", "overrides"), [(1, EVERY_SEGMENT), (40, EVERY_SEGMENT), (9, DERIVED_ALWAYS)])
def test_verdicts_are_those_of_counted_ids_and_every_repeat_is_counted(
    pieces: int, overrides: dict[str, object], tmp_path: Path
) -> None:
    here = found(landed(tmp_path, evenly(repeated(), pieces), overrides))
    repeats = len(repeated()) - len(scattered())
    assert repeats > 100
    assert here.counts["bazaar"] == {
        "received": len(repeated()), "landed": len(scattered()), "rejected": 0, "duplicates": repeats,
    }  # fmt: skip
    wanted, given = said(truth().alerts), said(here.alerts)
    assert {key[0] for key in wanted} >= {"volume_spike", "volume_drop", "whale_trade"}
    assert _same(wanted, given)


def test_there_is_no_gap_and_the_ledger_says_why(tmp_path: Path) -> None:
    home = landed(tmp_path, evenly(repeated(), 5), DERIVED_ALWAYS)
    lake = Lake(embedded(home.path), writable=False)
    rows = lake.scan(COVERAGE)
    lake.close()
    assert set(rows["state"]) == {"unique"}
    assert all("24 h" in cause for cause in rows["cause"])


def restarted(folder: Path, pieces: Sequence[Sequence[Record]], overrides: dict[str, object]) -> Home:
    """A home whose engine dies after every piece, once before it has committed derived tables."""
    home = new_home(folder)
    stream = LocalStream(home.stream)
    for piece in pieces:
        feed(stream, [piece])
        interrupted(home, overrides, LocalEngine.drain)
    drained(home, overrides)
    return home


@pytest.mark.parametrize("overrides", [EVERY_SEGMENT, DERIVED_ALWAYS])
def test_restarts_and_a_second_feed_give_the_same(overrides: dict[str, object], tmp_path: Path) -> None:
    once = market_facts(found(landed(tmp_path / "once", evenly(repeated(), 4), overrides)))
    home = restarted(tmp_path / "restarted", evenly(repeated(), 4), overrides)
    assert market_facts(found(home)) == once
    feed(LocalStream(home.stream), evenly(repeated(), 3))
    drained(home, overrides)
    again = found(home)
    assert market_facts(again) == once
    assert again.counts["bazaar"]["duplicates"] == 2 * len(repeated()) - len(scattered())


def test_recomputing_from_stored_trades_gives_the_same(tmp_path: Path) -> None:
    home = landed(tmp_path, evenly(repeated(), 6), DERIVED_ALWAYS)
    here = found(home)
    lake = Lake(embedded(home.path), writable=False)
    try:
        done = recompute(lake, settings_of({}))
        part = recompute(lake, settings_of({}), since=at(60), until=at(90))
    finally:
        lake.close()
    assert {alert.alert_id: alert.details for alert in done.alerts} == here.texts
    assert {alert.alert_id for alert in part.alerts} <= here.alerts.keys()
    assert part.alerts


@pytest.mark.usefixtures("spark")
def test_spark_gives_the_same_and_each_engine_goes_on_where_the_other_stopped(tmp_path: Path) -> None:
    once = market_facts(found(landed(tmp_path / "once", evenly(repeated(), 4), EVERY_SEGMENT)))
    home = new_home(tmp_path / "spark")
    pieces = evenly(repeated(), 4)
    for piece, kind in zip(pieces, (SparkEngine, LocalEngine, SparkEngine, SparkEngine), strict=True):
        feed(LocalStream(home.stream), [piece])
        with kind(home, settings_of({"spark.batch_bytes": 1})) as engine:
            engine.drain()
    assert market_facts(found(home)) == once
