"""Refill: missing ids in, each trade once out, and why any could not be had."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coattail.connectors.asking import Asker
from coattail.connectors.base import BaseConnector
from coattail.connectors.binance import BinanceConnector
from coattail.connectors.coinbase import CoinbaseConnector
from coattail.connectors.history import Unreachable
from coattail.connectors.okx import OkxConnector
from coattail.errors import UsageError
from coattail.producer.refill import Lacking, MissingIds, Refilled, refill
from coattail.records import Trade
from tests.harness.asked import (
    BEGIN_MS,
    Answering,
    BinanceAnswering,
    Clock,
    CoinbaseAnswering,
    OkxAnswering,
    Past,
    host,
    past,
)

pytestmark = pytest.mark.slow

CONNECTOR: dict[type[Answering], type[BaseConnector]] = {
    BinanceAnswering: BinanceConnector,
    CoinbaseAnswering: CoinbaseConnector,
    OkxAnswering: OkxConnector,
}


def refilled(
    answering: Answering,
    ranges: Sequence[MissingIds],
    *,
    newest_first: bool = False,
    ahead: int = 3,
    where: str | None = None,
) -> list[Refilled]:
    kind, clock = CONNECTOR[type(answering)], Clock()

    async def run() -> list[Refilled]:
        connector = kind(rest_host=where or host())
        async with Asker(transport=answering.transport, clock=clock, wall=clock.wall, sleep=clock.sleep) as asker:
            return [step async for step in refill(ranges, connector, asker, newest_first=newest_first, ahead=ahead)]

    return asyncio.run(run())


def trades_of(steps: Sequence[Refilled]) -> list[Trade]:
    return [trade for step in steps if step.batch for trade in step.batch.trades()]


def ids_of(steps: Sequence[Refilled]) -> list[int]:
    return [n for t in trades_of(steps) for n in range(t.trade_id or -1, (t.last_trade_id or t.trade_id or -1) + 1)]


def lacking_of(steps: Sequence[Refilled]) -> list[Lacking]:
    return [lacking for step in steps for lacking in step.lacking]


every_exchange = pytest.mark.parametrize("kind", list(CONNECTOR))


def symbol_of(kind: type[Answering]) -> str:
    return "BTC-USD" if kind is CoinbaseAnswering else "BTC-USDT"


@every_exchange
@pytest.mark.parametrize("newest_first", [False, True])
def test_every_missing_id_comes_once_with_its_values(kind: type[BinanceAnswering], newest_first: bool) -> None:
    market = past(1, 6000)
    answering = kind(market)
    steps = refilled(answering, [MissingIds(symbol_of(kind), 1500, 4321)], newest_first=newest_first)
    assert sorted(ids_of(steps)) == list(range(1500, 4322))
    assert sum(step.ids for step in steps) == 4321 - 1499
    assert lacking_of(steps) == []
    assert ids_of(steps)[0] == (4322 - answering.page_size if newest_first else 1500)
    assert len(answering.asked) == -(-2822 // answering.page_size)
    by_id = {t.id: t for t in market}
    for trade in trades_of(steps):
        was = by_id[trade.trade_id or -1]
        assert (trade.price, trade.quantity, trade.timestamp) == (was.price, was.size, was.ms * 1000)
        assert trade.side == ("sell" if was.maker_bought else "buy")
        assert (trade.source, trade.session, trade.symbol) == ("backfill", "backfill-1500", symbol_of(kind))


def test_a_payload_is_the_trades_own_json() -> None:
    (step,) = refilled(CoinbaseAnswering(past(1, 9)), [MissingIds("BTC-USD", 4, 4)])
    (trade,) = trades_of([step])
    assert trade.payload == (
        '{"trade_id":4,"side":"buy","size":"0.25","price":"104.5","time":"2025-01-01T00:00:03.000000Z"}'
    )
    assert trade.side == "sell"  # the maker bought


@every_exchange
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_whatever_the_pages_hold_each_id_comes_once_or_is_lacking(
    kind: type[BinanceAnswering], data: st.DataObject
) -> None:
    """Pages shorter than asked for, beginning earlier or later, with repeats, and trades that the exchange lost."""
    lost = data.draw(st.sets(st.integers(1, 300), max_size=20))
    answering = kind([t for t in past(1, 300, every_ms=1) if t.id not in lost])
    sizes = data.draw(st.lists(st.integers(1, 50), min_size=1, max_size=8))
    overlaps = data.draw(st.lists(st.integers(-3, 5), min_size=1, max_size=8))
    turn = itertools.count()

    def mangled(request: httpx.Request) -> httpx.Response:
        number = next(turn)
        answering.page_size = sizes[number % len(sizes)]
        url, shift = request.url, overlaps[number % len(overlaps)]
        if number > 5_000:
            raise AssertionError("asks for ever")
        if "fromId" in url.params and number % 2:
            url = url.copy_merge_params({"fromId": max(int(url.params["fromId"]) - abs(shift), 0)})
        if "after" in url.params and number % 2:
            # further, and as much more: what was asked for is on the page
            begun = {name: int(url.params[name]) + abs(shift) for name in ("after", "limit")}
            url = url.copy_merge_params(begun)
        page = answering.answer(httpx.Request("GET", url)).json()
        rows = page["data"] if isinstance(page, dict) else page
        rows += rows[:1]
        return httpx.Response(200, json=page)

    answering.before = mangled
    edges = sorted(data.draw(st.sets(st.integers(1, 320), min_size=2, max_size=12)))
    holes = [MissingIds(symbol_of(kind), a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    steps = refilled(answering, data.draw(st.permutations(holes)), newest_first=data.draw(st.booleans()))
    got, gone = ids_of(steps), [n for lack in lacking_of(steps) for n in range(lack.first, lack.last + 1)]
    wanted = [n for hole in holes for n in range(hole.first, hole.last + 1)]
    assert len(got) == len(set(got))
    assert sorted([*got, *gone]) == wanted
    assert all(step.range.first <= n <= step.range.last for step in steps for n in ids_of([step]))
    if max(map(abs, overlaps)) < min(sizes):
        assert set(gone) == {n for n in wanted if n in lost or n > 300}


@pytest.mark.parametrize("raw", [True, False])
def test_aggregates_serve_where_single_trades_are_not_offered(raw: bool) -> None:
    """Two of three trades share one aggregate; at the ends of the range one is cut."""
    market = [Past(n, BEGIN_MS + n // 2 * 500, maker_bought=n % 3 == 0) for n in range(1, 5001)]
    answering = BinanceAnswering(market, raw=raw)
    steps = refilled(answering, [MissingIds("BTC-USDT", 1001, 3999), MissingIds("BTC-USDT", 4101, 4200)])
    wanted = {*range(1001, 4000), *range(4101, 4201)}
    got, gone = ids_of(steps), [n for lack in lacking_of(steps) for n in range(lack.first, lack.last + 1)]
    assert len(got) == len(set(got))
    assert {*got, *gone} == wanted
    assert len(gone) == 0 if raw else len(gone) <= 4
    assert all("only an aggregate of the trades" in lack.why for lack in lacking_of(steps))
    if not raw:
        assert sum("historicalTrades" in path for path in answering.asked) <= 3, "asked once, not for every page"
        assert any(t.last_trade_id is not None for t in trades_of(steps))


def test_an_aggregate_at_the_edge_that_others_of_its_trades_have_landed_of_is_left_out_and_named() -> None:
    market = [Past(n, BEGIN_MS + n // 10) for n in range(100)]  # aggregates of ten: 0-9, 10-19, …
    steps = refilled(BinanceAnswering(market, raw=False, page_size=5), [MissingIds("BTC-USDT", 15, 34)])
    assert ids_of(steps) == list(range(20, 30))
    assert [(lack.first, lack.last) for lack in lacking_of(steps)] == [(15, 19), (30, 34)]
    assert "aggregate of the trades 10 to 19" in lacking_of(steps)[0].why


@every_exchange
@pytest.mark.parametrize("newest_first", [False, True])
def test_holes_that_lie_close_together_are_asked_for_in_one_page(
    kind: type[BinanceAnswering], newest_first: bool
) -> None:
    answering, edges = kind(past(1, 6000)), [(5, 5), (7, 9), (400, 402), (2000, 4100), (5990, 5990)]
    holes = [MissingIds(symbol_of(kind), *edge) for edge in edges]
    steps = refilled(answering, holes, newest_first=newest_first)
    assert sorted(ids_of(steps)) == [n for a, b in edges for n in range(a, b + 1)]
    assert len(answering.asked) <= (25 if kind is OkxAnswering else 5)
    assert {t.session for t in trades_of(steps)} == {f"backfill-{a}" for a, _ in edges}
    assert steps[0].range.first == (5990 if newest_first else 5)


def test_what_a_feed_has_just_missed_comes_one_by_one_even_from_a_host_of_aggregates() -> None:
    market = [Past(n, BEGIN_MS + n // 10) for n in range(5000)]
    answering = BinanceAnswering(market, raw=False)
    recent, older = MissingIds("BTC-USDT", 4444, 4466), MissingIds("BTC-USDT", 1015, 1034)
    steps = refilled(answering, [older, recent])
    assert [(lack.first, lack.last) for lack in lacking_of(steps)] == [(1015, 1019), (1030, 1034)]
    assert ids_of([step for step in steps if step.range == recent]) == list(range(4444, 4467))
    assert all(t.last_trade_id is None for step in steps if step.range == recent for t in trades_of([step]))


def test_a_vision_host_is_asked_for_aggregates_only() -> None:
    answering = BinanceAnswering(past(0, 50))
    refilled(answering, [MissingIds("BTC-USDT", 5, 9)], where=host().replace("https://", "https://binance.vision."))
    assert answering.asked
    assert not any("historicalTrades" in path for path in answering.asked)


def test_trades_of_another_time_than_the_gap_are_not_taken() -> None:
    us = BEGIN_MS * 1000
    gap = MissingIds("BTC-USD", 4, 6, after=us - 9 * 86_400_000_000, before=us - 8 * 86_400_000_000)
    steps = refilled(CoinbaseAnswering(past(1, 9)), [gap])
    assert trades_of(steps) == []
    (lacking,) = lacking_of(steps)
    assert (lacking.first, lacking.last) == (4, 6)
    assert "and the trades around it are not" in lacking.why


@every_exchange
def test_a_symbol_that_the_exchange_lacks_is_lacking_and_others_come(kind: type[BinanceAnswering]) -> None:
    steps = refilled(kind(past(1, 9)), [MissingIds("DOGE-EUR", 1, 5), MissingIds(symbol_of(kind), 2, 3)])
    assert ids_of(steps) == [2, 3]
    assert [lack[:3] for lack in lacking_of(steps)] == [("DOGE-EUR", 1, 5)]


@every_exchange
def test_ids_that_were_not_traded_yet_are_lacking(kind: type[BinanceAnswering]) -> None:
    steps = refilled(kind(past(1, 9)), [MissingIds(symbol_of(kind), 8, 12)])
    assert ids_of(steps) == [8, 9]
    assert [lack[1:] for lack in lacking_of(steps)] == [(10, 12, "the exchange does not have them yet", False)]


def test_a_host_that_falls_silent_raises_and_what_came_before_stays() -> None:
    answering = CoinbaseAnswering(past(1, 9000))
    answering.before = lambda _: httpx.Response(503) if len(answering.asked) > 4 else None
    clock, got = Clock(), list[int]()

    async def run() -> None:
        connector = CoinbaseConnector(rest_host=host())
        async with Asker(
            transport=answering.transport, clock=clock, sleep=clock.sleep, on_trouble=lambda _: None
        ) as asker:
            async for step in refill([MissingIds("BTC-USD", 1, 8000)], connector, asker, ahead=2):
                got.extend(ids_of([step]))

    with pytest.raises(Unreachable, match="503"):
        asyncio.run(run())
    assert got == list(range(1, 4001))


def test_a_refill_that_is_left_early_asks_no_more() -> None:
    answering, clock = CoinbaseAnswering(past(1, 9000)), Clock()

    async def run() -> None:
        connector = CoinbaseConnector(rest_host=host())
        async with Asker(transport=answering.transport, clock=clock, sleep=clock.sleep) as asker:
            steps = refill([MissingIds("BTC-USD", 1, 9000)], connector, asker, ahead=2)
            await anext(steps)
            await steps.aclose()
            await asyncio.sleep(0)

    asyncio.run(run())
    assert len(answering.asked) <= 3


def test_an_exchange_whose_ids_are_only_unique_is_refused() -> None:
    class OnlyUnique(CoinbaseConnector):
        ids_contiguous = False

    async def run() -> None:
        async with Asker() as asker:
            async for _ in refill([MissingIds("BTC-USD", 1, 2)], OnlyUnique(), asker):
                pass

    with pytest.raises(UsageError, match="its ids are only unique"):
        asyncio.run(run())


def test_futures_are_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match="--source bulk"):
        refilled(BinanceAnswering(past(1, 2)), [MissingIds("BTC-USDT-PERP", 1, 2)])
