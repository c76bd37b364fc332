"""Which trades are new: against a model that takes them one by one."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coattail.landing import Coverage, Landed
from coattail.records import Trade

ranges = st.lists(st.tuples(st.integers(0, 25), st.sampled_from([0, 0, 0, 0, 1, 3])), max_size=25)


def one_by_one(sent: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], int, int]:
    """(landed, duplicates, overlaps)."""
    seen: set[int] = set()
    landed, duplicates, overlaps = [], 0, 0
    for first, length in sent:
        ids = set(range(first, first + length + 1))
        if ids <= seen:
            duplicates += 1
        elif ids & seen:
            overlaps += 1
        else:
            seen |= ids
            landed.append((first, first + length))
    return sorted(landed), duplicates, overlaps


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=ranges, cuts=st.lists(st.integers(0, 25), max_size=3))
def test_any_batches_land_what_one_by_one_would(
    sent: list[tuple[int, int]],
    cuts: list[int],
    make_trade: Callable[..., Trade],
    landing: Callable[..., Landed],
) -> None:
    trades = [make_trade(first, last_trade_id=first + length if length else None) for first, length in sent]
    places = [0, *sorted(min(c, len(trades)) for c in cuts), len(trades)]
    coverage, found, duplicates, overlaps = Coverage(), [], 0, 0
    for a, b in itertools.pairwise(places):
        landed = landing(trades[a:b], coverage=coverage)
        coverage = landed.coverage
        found += list(landed.trades.select("trade_id", "last_trade_id").iter_rows())
        duplicates += landed.duplicates
        overlaps += landed.rejected.height
    assert (sorted(found), duplicates, overlaps) == one_by_one(sent)


def test_of_two_records_with_one_id_the_first_to_arrive_lands(
    make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    landed = landing([make_trade(1, price="1")], [make_trade(1, price="2")])
    assert landed.trades["price"].to_list() == [1.0]
    assert landed.duplicates == 1


def test_equal_ids_of_other_instruments_are_other_trades(
    make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    landed = landing([make_trade(1), make_trade(1, symbol="ETH-USDT"), make_trade(1, exchange="coinbase")])
    assert landed.trades.height == 3


def test_an_aggregate_of_known_trades_is_a_duplicate_and_one_that_reaches_further_is_rejected(
    make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    known = landing([make_trade(n) for n in (1, 2, 3)]).coverage
    assert landing([make_trade(1, last_trade_id=3)], coverage=known).duplicates == 1
    rejected = landing([make_trade(2, last_trade_id=4)], coverage=known).rejected
    assert rejected.select("reason", "reasons").row(0) == ("invalid", ["overlap"])


def test_ids_of_any_size_are_told_apart(make_trade: Callable[..., Trade], landing: Callable[..., Landed]) -> None:
    largest = 2**63 - 1
    trades = [
        make_trade(n, timestamp=1_741_089_600_000_000, received=1_741_089_600_000_000)
        for n in (0, largest - 1, largest)
    ]
    first = landing(trades)
    assert first.trades.height == 3
    assert landing(trades, coverage=first.coverage).duplicates == 3
