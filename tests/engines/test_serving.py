"""What an engine says for serving, held against the tables: read by SQL, and counted from the trades themselves."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from coattail.engines import serving
from coattail.engines.local import LocalEngine
from coattail.home import DEMO_MARK, Home
from coattail.records import Record, Trade, when
from coattail.sql import Sql
from coattail.stores.catalog import embedded
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.lake import Lake
from coattail.stores.served import ASSET, MARKET, SYMBOL, AssetFact, MarketFact, PairFact, SymbolFact
from coattail.streams.local import LocalStream
from tests.harness.running import AT_ONCE, EVERY_SEGMENT, drained, feed, landed, new_home, settings_of
from tests.harness.scenes import START, at, cut, make_trade, market, steady

DEFAULT = {**AT_ONCE, "preset": "default"}
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def said(home: Home) -> tuple[dict[str, SymbolFact], dict[str, AssetFact], MarketFact]:
    store = SqliteHotStore(home.hot_db, writable=False)
    symbols = {n: msgspec.json.decode(text, type=SymbolFact) for n, (text, _) in store.facts(SYMBOL).items()}
    assets = {n: msgspec.json.decode(text, type=AssetFact) for n, (text, _) in store.facts(ASSET).items()}
    everything = msgspec.json.decode(store.facts(MARKET)[MARKET][0], type=MarketFact)
    store.close()
    return symbols, assets, everything


def asked(home: Home, query: str) -> list[dict[str, Any]]:
    lake = Lake(embedded(home.path), writable=False)
    try:
        rows: list[dict[str, Any]] = Sql(lake).query(query).to_pylist()
    finally:
        lake.close()
    return rows


def close(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and other is not None and one == pytest.approx(other, rel=1e-6))


@pytest.fixture(scope="module", params=["classic", "default"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp(request.param)
    return landed(folder, [market()], {**AT_ONCE, "preset": request.param})


def trades_of(exchange: str, symbol: str) -> list[Trade]:
    found = [r for r in market() if isinstance(r, Trade) and (r.exchange, r.symbol) == (exchange, symbol)]
    return sorted(found, key=lambda trade: (trade.timestamp, trade.trade_id))


def test_prices_and_volumes_are_those_of_the_trades(home: Home) -> None:
    symbols, _, everything = said(home)
    assert sorted(symbols) == ["symbol:BTC-USD", "symbol:BTC-USDT", "symbol:SOL-USD"]
    for fact in symbols.values():
        for venue in fact.venues:
            trades = trades_of(venue.exchange, fact.symbol)
            newest = trades[-1]
            assert (venue.price, venue.at) == (float(newest.price), when(newest.timestamp))
            assert (venue.coverage_pct, venue.missing) == (100.0, 0)
            # An hour is counted in bars of ten seconds: those whose last trade is of the hour.
            begin = newest.timestamp - HOUR // timedelta(microseconds=1)
            bars: dict[int, list[Trade]] = {}
            for trade in trades:
                bars.setdefault(trade.timestamp // 10_000_000, []).append(trade)
            hour = [trade for own in bars.values() if own[-1].timestamp > begin for trade in own]
            assert venue.trades_1h == len(hour)
            assert close(venue.volume_1h, round(float(sum(Decimal(t.price) * Decimal(t.quantity) for t in hour)), 2))
            before = Decimal([own[-1] for own in bars.values() if own[-1].timestamp <= begin][-1].price)
            assert venue.change_1h_pct == pytest.approx(float((Decimal(newest.price) / before - 1) * 100), abs=1e-4)
    assert everything.newest == max(v.at for fact in symbols.values() for v in fact.venues)
    assert [(v.exchange, v.symbols) for v in everything.venues] == [("binance", 1), ("coinbase", 2)]
    assert (everything.quality_score, everything.coverage_pct, everything.open_gaps) == (100.0, 100.0, 0)


def test_windows_are_the_minutes_and_verdicts_of_the_tables(home: Home) -> None:
    preset = home.path.parent.name
    rows = {
        (r["exchange"], r["symbol"], int(r["bar_start"].timestamp())): r
        for r in asked(home, "SELECT exchange, symbol, bar_start, notional, close FROM bars_1m")
    }
    judged = {
        (r["exchange"], r["symbol"], int(r["window_start"].timestamp())): r
        for r in asked(home, "SELECT * FROM volume_windows")
    }
    columns = ("volume", "baseline_mean", "z_score")
    if preset.startswith("default"):
        columns = ("orders", "expected_orders", "return_days")
    symbols, _, everything = said(home)
    compared = 0
    for fact in symbols.values():
        for shown in fact.windows:
            assert 55 <= len(shown.start) <= 61
            assert shown.start == sorted(shown.start)
            assert shown.measure == columns[0]
            for place, start in enumerate(shown.start):
                key = (shown.exchange, fact.symbol, start)
                bar, verdict = rows.get(key), judged.get(key)
                assert close(shown.volume[place], 0.0 if bar is None else float(bar["notional"]))
                assert shown.close[place] == (None if bar is None else bar["close"])
                found = (shown.measured[place], shown.usual[place], shown.rarity[place])
                for value, column in zip(found, columns, strict=True):
                    assert close(value, None if verdict is None or verdict[column] is None else float(verdict[column]))
                assert shown.state[place] == ("open" if verdict is None else verdict["state"])
                compared += verdict is not None
    assert compared > 150
    assert everything.preset == preset.rstrip("0123456789")


def test_large_orders_and_spreads_are_those_of_the_views(home: Home) -> None:
    symbols, assets, everything = said(home)
    assert everything.newest is not None
    begin = everything.newest - HOUR
    orders = asked(home, "SELECT * FROM whale_orders ORDER BY timestamp DESC, exchange, trade_id")
    assert len(orders) >= 2
    for fact in symbols.values():
        own = [r for r in orders if r["symbol"] == fact.symbol][:20]
        assert [(o.exchange, o.at, o.side, o.fills, o.notional, o.price) for o in fact.orders] == [
            (r["exchange"], r["timestamp"], r["side"], r["fills"], float(r["notional"]), r["last_price"]) for r in own
        ]
        assert all(order.dollars == pytest.approx(order.notional, rel=0.02) for order in fact.orders)
    spreads = asked(home, "SELECT * FROM spread_windows ORDER BY window_start")
    pair = assets["asset:BTC"].pairs[0]
    shown = [r for r in spreads if r["window_start"] > begin]
    own = [r for r in shown if all(r[name] == getattr(pair, name) for name in PairFact.__struct_fields__[:4])]
    assert 100 < len(own) <= 120
    assert pair.start == [int(r["window_start"].timestamp()) for r in own]
    assert (pair.raw, pair.net) == ([r["spread_pct"] for r in own], [r["net_pct"] for r in own])
    assert (pair.fees, pair.state) == ([r["fees_pct"] for r in own], [r["state"] for r in own])


def test_an_engine_that_starts_again_says_the_same(home: Home) -> None:
    before = said(home)
    with closing(SqliteHotStore(home.hot_db)) as store:
        store.put_facts({name: {} for name in store.facts("")}, now=at(0))
    drained(home, {**AT_ONCE, "preset": before[2].preset})
    assert said(home) == before


@pytest.mark.parametrize("seed", range(2))
def test_facts_are_the_same_however_batches_are_cut(tmp_path: Path, seed: int) -> None:
    pieces = cut(market(), [random.Random(seed).randrange(10**9) for _ in range(12)])
    cut_up = landed(tmp_path / "cut", pieces, {**EVERY_SEGMENT, "preset": "default"})
    whole = landed(tmp_path / "whole", [market()], DEFAULT)
    assert said(cut_up) == said(whole)


def test_a_gap_is_said_until_it_is_filled(tmp_path: Path) -> None:
    trades = [t for t in steady() if isinstance(t, Trade)]
    home = landed(tmp_path, [[*trades[:300], *trades[310:]]])
    symbols, _, everything = said(home)
    fact = symbols["symbol:SOL-USD"]
    assert [(g.since, g.until, g.trades) for g in fact.gaps] == [
        (when(trades[299].timestamp), when(trades[310].timestamp), 10)
    ]
    share = 10**5 * (len(trades) - 10) // len(trades) / 1000
    assert (fact.venues[0].missing, fact.venues[0].coverage_pct) == (10, share)
    assert (everything.open_gaps, everything.missing, everything.coverage_pct) == (1, 10, share)
    feed(LocalStream(home.stream), [trades[300:310]])
    drained(home)
    symbols, _, everything = said(home)
    assert (symbols["symbol:SOL-USD"].gaps, everything.open_gaps, everything.coverage_pct) == ([], 0, 100.0)


def test_a_live_engine_speaks_between_its_commits_of_derived_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(serving.time, "monotonic", lambda: clock[0])
    home = new_home(tmp_path)
    stream = LocalStream(home.stream)
    trades = [t for t in steady() if isinstance(t, Trade)]
    with LocalEngine(home, settings_of({})) as engine:
        newest: list[datetime | None] = []
        for number in range(3):
            feed(stream, [trades[100 * number : 100 * (number + 1)]])
            clock[0] += 4.0
            engine.step()
            newest.append(said(home)[2].newest)
    # The first trades at once; the second step came too soon after that.
    assert newest == [when(trades[n].timestamp) for n in (99, 99, 299)]


def test_what_is_said_of_a_symbol_is_bounded(tmp_path: Path) -> None:
    chance = random.Random(5)
    trades: list[Record] = []
    for n in range(3_000):  # a hole behind every tenth, and every hundredth is large
        moment = START + n * timedelta(seconds=3)
        quantity = "9000" if n % 100 == 0 else str(chance.randrange(1, 9))
        trades.append(make_trade(n + n // 10, moment, quantity=quantity, received=moment))
    home = landed(tmp_path, [trades], AT_ONCE)
    store = SqliteHotStore(home.hot_db, writable=False)
    assert 4_000 < len(store.facts(SYMBOL)["symbol:SOL-USD"][0]) < 12_000
    store.close()
    fact = said(home)[0]["symbol:SOL-USD"]
    assert (len(fact.orders), len(fact.gaps)) == (20, 20)
    assert fact.gaps == sorted(fact.gaps, key=lambda gap: gap.until or START, reverse=True)
    assert said(home)[2].open_gaps == 299


@pytest.mark.parametrize("marked", [True, False])
def test_a_home_of_a_demo_is_called_simulated(tmp_path: Path, marked: bool) -> None:
    home = new_home(tmp_path)
    if marked:
        (home.path / DEMO_MARK).write_text("{}")
    feed(LocalStream(home.stream), [steady()[:50]])
    drained(home)
    assert said(home)[2].simulated is marked


def test_nothing_landed_is_said_as_nothing(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    feed(LocalStream(home.stream), [])
    drained(home)
    symbols: Sequence[object]
    with closing(SqliteHotStore(home.hot_db, writable=False)) as store:
        symbols = list(store.facts(SYMBOL))
    assert symbols == []
