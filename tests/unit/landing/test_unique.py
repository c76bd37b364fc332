"""Instruments whose ids are only unique: repeats are noticed while ids are remembered, and nothing is ever a gap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coattail.landing import Coverage, Landed
from coattail.landing.ledger import Ledger
from coattail.landing.unique import UniqueLedger
from coattail.records import Trade

NOW = datetime(2025, 3, 4, tzinfo=UTC)
HOUR = 3_600_000_000
NOON = 1_741_089_600_000_000
KEY = ("bazaar", "SOL-USD")

Make = Callable[..., Trade]
Land = Callable[..., Landed]


def empty() -> Coverage:
    return Coverage(only_unique={"bazaar": timedelta(hours=2)})


@pytest.fixture
def deal(make_trade: Make) -> Make:
    """A trade of the venue, this many seconds after noon."""

    def make(trade_id: int, seconds: float, **fields: object) -> Trade:
        at = NOON + round(seconds * 1_000_000)
        own: dict[str, object] = {"exchange": "bazaar", "symbol": "SOL-USD", "timestamp": at, "received": at + 1}
        return make_trade(trade_id, **{**own, **fields})

    return make


def spans(landed: Landed) -> list[tuple[int, int]]:
    """Seconds after noon."""
    frame = landed.coverage.spans().filter(exchange="bazaar")
    return [
        ((first.timestamp() * 10**6 - NOON) / 10**6, (last.timestamp() * 10**6 - NOON) / 10**6)
        for first, last in frame.select("first_ts", "last_ts").iter_rows()
    ]


def test_random_ids_out_of_order_land_once_and_leave_no_gaps(deal: Make, landing: Land) -> None:
    first = [deal(9 * 10**17, 1), deal(4, 0), deal(70_000, 2), deal(4, 0)]
    one = landing(first, coverage=empty())
    two = landing([deal(70_000, 2), deal(1, 3)], coverage=one.coverage)
    assert (one.trades.height, one.duplicates, two.trades.height, two.duplicates) == (3, 1, 1, 1)
    table = two.coverage.table(NOW)
    assert table["state"].to_list() == ["unique"]
    assert "2 h" in table["cause"].item()
    assert spans(two) == [(0, 3)]


def test_a_trade_older_than_the_ids_remembered_is_rejected_not_counted_twice(deal: Make, landing: Land) -> None:
    before = landing([deal(1, 0), deal(2, 4 * 3600)], coverage=empty()).coverage
    landed = landing([deal(1, 0), deal(3, 3600), deal(4, 2 * 3600)], coverage=before)
    assert landed.trades["trade_id"].to_list() == [4]
    assert landed.rejected.select("reason", "trade_id").rows() == [("invalid", 1), ("invalid", 3)]
    assert landed.rejected["reasons"].to_list() == [["older_than_remembered_ids"]] * 2
    assert landed.received == 3


def test_what_is_remembered_is_bounded_by_time(deal: Make, landing: Land) -> None:
    coverage = empty()
    for hour in range(12):
        coverage = landing([deal(hour * 1_000 + n, hour * 3600 + n) for n in range(100)], coverage=coverage).coverage
    ledger = coverage.ledger(KEY)
    assert isinstance(ledger, UniqueLedger)
    assert len(ledger.ids) == 300
    assert ledger.times.min() == NOON + 9 * HOUR


def test_a_rejected_id_leaves_no_trace_in_the_ledger(deal: Make, landing: Land) -> None:
    landed = landing([deal(1, 0), deal(2, 1, price="0"), deal(3, 2)], coverage=empty())
    assert landed.coverage.table(NOW)["state"].to_list() == ["unique"]


def test_between_two_sessions_nobody_listened(deal: Make, landing: Land) -> None:
    trades = [deal(1, 0), deal(2, 10), deal(3, 60, session="t"), deal(4, 70, session="t"), deal(5, 65, session="u")]
    assert spans(landing(trades, coverage=empty())) == [(0, 10), (60, 70)]


def test_neighbouring_ids_are_not_one_order(deal: Make, landing: Land) -> None:
    whale = [deal(n, 5, price="1000", quantity=q, side="buy") for n, q in ((7, "50"), (8, "60"), (9, "1"))]
    orders = landing(whale, coverage=empty()).orders
    assert orders.sort("trade_id").select("trade_id", "fills").rows() == [(7, 1), (8, 1)]
    assert not orders.select("open_left", "open_right").to_numpy().any()


def test_an_exchange_that_says_nothing_of_the_kind_is_contiguous() -> None:
    assert isinstance(empty().ledger(("binance", "BTC-USDT")), Ledger)
    assert "binance" not in Coverage().only_unique


_trades = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 20_000), st.sampled_from("st")), max_size=20, unique_by=lambda t: t[0]
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=_trades, cuts=st.lists(st.integers(0, 20), max_size=3), data=st.data())
def test_however_it_is_cut_and_restored_the_ledger_is_the_same(
    drawn: Sequence[tuple[int, int, str]], cuts: Sequence[int], data: st.DataObject, deal: Make, landing: Land
) -> None:
    day = Coverage(only_unique={"bazaar": timedelta(hours=24)})

    def trades(rows: Sequence[tuple[int, int, str]]) -> list[Trade]:
        return [deal(trade_id, seconds, session=session) for trade_id, seconds, session in rows]

    whole = landing(trades(drawn), coverage=day)
    mixed = data.draw(st.permutations(drawn))
    coverage, stored = day, []
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(mixed)], strict=True):
        part = landing(trades(mixed[begin:end]), coverage=coverage)
        stored.append(part.trades)
        assert part.duplicates == 0
        table, sessions = part.coverage.table(NOW), part.coverage.sessions()
        coverage = Coverage.restored(table, sessions, day.only_unique)
        for rows in stored:
            coverage = coverage.remembering(rows)
    assert coverage.spans().equals(whole.coverage.spans())
    assert coverage.table(NOW).equals(whole.coverage.table(NOW))
    again = landing(trades(drawn), coverage=coverage)
    assert (again.trades.height, again.duplicates) == (0, len(drawn))
