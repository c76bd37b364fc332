"""Recordings as evidence: what they add up to, and which markets are judged together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from coattail.landing import Checks
from coattail.market import Market, market_facts
from coattail.market.recording import write
from coattail.recordings import RowHints
from coattail.recordings.chosen import Chosen, choose
from coattail.scoring import reduced as module
from coattail.scoring.recorded import APART, together
from coattail.scoring.reduced import RecordCounts, Reduced, reduced
from coattail.tables import BARS, ORDERS
from tests.harness.rows import lines, written

FIRST = datetime(2018, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
COLUMNS = {"time": "time", "price": "price", "quantity": "amount", "symbol": "symbol"}


def table(path: Path, *rows: str) -> Chosen:
    """A file of rows without ids, chosen."""
    written(path, lines("time,symbol,price,amount", *rows))
    return choose([path], exchange="binance", hints=RowHints(columns=COLUMNS, make_ids=True))


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(seed=5, rate=0.05, duration=timedelta(minutes=30), planted=())


@pytest.fixture(scope="module")
def folder(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("market")
    write(market, path)
    return path


def test_recordings_add_up_to_what_landing_makes_of_them(
    market: Market, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PARTS", 1000)  # added up again and again on the way
    heard: list[tuple[int, int]] = []
    found = reduced(choose([folder]), Checks(), progress=lambda done, total: heard.append((done, total)))
    facts = market_facts(market)
    assert_frame_equal(found.bars, facts.bars)
    assert_frame_equal(found.orders, facts.orders)
    assert_frame_equal(found.spans, facts.spans)
    assert found.counts.trades == facts.trades
    assert heard
    assert heard[-1][0] == heard[-1][1]


def test_what_was_read_is_kept_until_something_changes(folder: Path, tmp_path: Path) -> None:
    first = reduced(choose([folder]), Checks(), cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    (kept / "counts.json").write_text('{"trades": 1, "duplicates": 0, "rejected": {}}')
    again = reduced(choose([folder]), Checks(), cache=tmp_path)
    assert again.counts.trades == 1, "read from the cache"
    assert_frame_equal(again.bars, first.bars)
    assert again.files == first.files
    chosen = choose([folder], symbols=["BTC-USDT"])
    assert set(reduced(chosen, Checks(), cache=tmp_path).bars["symbol"]) == {"BTC-USDT"}
    assert len(list(tmp_path.iterdir())) == 2


def test_repeated_and_rejected_rows_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", lines("id,time,price,amount", *(
        f"{n},{1541000000 + n},{price},1" for n, price in ((1, 2), (2, 2), (2, 2), (3, -1), (4, "x"))
    )))  # fmt: skip
    columns = {"time": "time", "price": "price", "quantity": "amount", "id": "id"}
    chosen = choose([path], exchange="binance", hints=RowHints(columns=columns, symbol="BRD-BTC"))
    found = reduced(chosen, Checks())
    assert found.counts == RecordCounts(trades=2, duplicates=1, rejected={"invalid": 1, "malformed": 1})


def test_a_damaged_recording_is_judged_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    table(path, *(f"{1541000000 + n},BRD/BTC,1.{n * n % 9973},4" for n in range(20_000)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    chosen = choose([path], exchange="binance", hints=RowHints(columns=COLUMNS, make_ids=True))
    found = reduced(chosen, Checks(), cache=tmp_path / "cache")
    assert found.damage is not None
    assert 0 < found.counts.trades < 20_000
    assert not (tmp_path / "cache").exists(), "what is damaged is read again"


def trades(*markets: tuple[str, str, str, float, float]) -> Reduced:
    """A trade a day of each market: (exchange, symbol, session, first day, last day)."""
    rows = [
        {"exchange": exchange, "symbol": symbol, "bar_start": at, "first_timestamp": at, "last_timestamp": at}
        for exchange, symbol, _, first, last in markets
        for at in (FIRST + first * DAY + n * DAY for n in range(int(last - first) + 1))
    ]
    bars = BARS.conform(pl.concat([BARS.empty(), pl.DataFrame(rows)], how="diagonal_relaxed"))
    sessions = pl.DataFrame([market[:3] for market in markets], schema=["exchange", "symbol", "session"], orient="row")
    return Reduced(
        bars=bars, orders=ORDERS.empty(), spans=pl.DataFrame(
            schema={"exchange": pl.String, "symbol": pl.String, "first_ts": bars.schema["bar_start"],
                    "last_ts": bars.schema["bar_start"]}
        ), sessions=sessions, counts=RecordCounts(trades=len(rows), duplicates=0, rejected={}), files={},
    )  # fmt: skip


def groups(*markets: tuple[str, str, str, float, float]) -> list[list[str]]:
    return [[str(market) for market in group.markets] for group in together(trades(*markets), warm_up=DAY)]


def test_markets_of_one_recording_or_coin_are_judged_together() -> None:
    assert groups(("binance", "AST-BTC", "a", 0, 9), ("binance", "BRD-BTC", "b", 2, 9)) == [
        ["binance AST-BTC"], ["binance BRD-BTC"],
    ]  # fmt: skip
    assert groups(("binance", "AST-BTC", "a", 0, 9), ("binance", "BRD-BTC", "a", 2, 9)) == [
        ["binance AST-BTC", "binance BRD-BTC"],
    ]  # fmt: skip
    assert groups(("binance", "BRD-BTC", "a", 0, 9), ("kucoin", "BRD-BTC", "b", 2, 9)) == [
        ["binance BRD-BTC", "kucoin BRD-BTC"],
    ]  # fmt: skip
    assert groups(("binance", "BRD-BTC", "a", 0, 3), ("kucoin", "BRD-BTC", "b", 5, 9)) == [
        ["binance BRD-BTC"], ["kucoin BRD-BTC"],
    ]  # fmt: skip
    chained = (
        ("binance", "AST-BTC", "a", 0, 9), ("binance", "BRD-BTC", "a", 0, 9), ("kucoin", "BRD-BTC", "b", 0, 9),
        ("kucoin", "DLT-BTC", "b", 0, 9), ("okx", "XRP-BTC", "c", 0, 9),
    )  # fmt: skip
    assert [len(group) for group in groups(*chained)] == [4, 1]


def test_a_market_is_judged_after_its_own_warm_up() -> None:
    (group,) = together(trades(("binance", "AST-BTC", "a", 0, 9), ("binance", "BRD-BTC", "a", 4, 9)), warm_up=2 * DAY)
    assert [market.since for market in group.judged] == [FIRST + 2 * DAY, FIRST + 6 * DAY]
    assert (group.evidence.since, group.evidence.until) == (FIRST + 2 * DAY, FIRST + 9 * DAY)
    (short,) = together(trades(("binance", "AST-BTC", "a", 0, 9)), warm_up=9 * DAY)
    assert short.judged == []


def test_nothing_is_learned_across_a_long_silence() -> None:
    """A market that was delisted for months is two recordings; the facts of each hold nothing of the other."""
    assert timedelta(days=3) < APART, "a gap of three days is none"
    months = trades(("binance", "BRD-BTC", "a", 0, 3), ("binance", "BRD-BTC", "a", 100, 103))
    first, second = together(months, warm_up=DAY)
    assert (first.markets[0].last, second.markets[0].first) == (FIRST + 3 * DAY, FIRST + 100 * DAY)
    assert second.markets[0].since == FIRST + 101 * DAY
    assert [group.evidence.bars.height for group in (first, second)] == [4, 4]


def test_a_whole_file_of_rows_becomes_one_market(tmp_path: Path) -> None:
    chosen = table(tmp_path / "a.csv", *(f"2018-11-0{day}T00:00:00,BRD/BTC,1.4e-05,4" for day in range(1, 6)))
    (group,) = together(reduced(chosen, Checks()), warm_up=DAY)
    assert [str(market) for market in group.markets] == ["binance BRD-BTC"]
    assert group.evidence.spans.height == 1
    assert group.evidence.name == "binance BRD-BTC, 2018-11-01 to 2018-11-05"
