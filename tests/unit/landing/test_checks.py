"""Every quality rule, with the DLQ it sends a record to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from coattail.landing import Checks, Landed
from coattail.landing.checks import standard_checks
from coattail.records import Malformed, Trade, micros

NOON = 1_741_089_600_000_000
FAR = micros(datetime(2099, 1, 1, tzinfo=UTC))

REJECTED: list[tuple[dict[str, object], str, list[str]]] = [
    ({"price": "abc"}, "malformed", ["price_not_a_number"]),
    ({"price": ""}, "malformed", ["price_not_a_number"]),
    ({"quantity": "1,5"}, "malformed", ["quantity_not_a_number"]),
    ({"side": "hold"}, "malformed", ["side_unknown"]),
    ({"symbol": None}, "incomplete", ["symbol_missing"]),
    ({"trade_id": None}, "incomplete", ["trade_id_missing"]),
    ({"price": None}, "incomplete", ["price_missing"]),
    ({"quantity": None}, "incomplete", ["quantity_missing"]),
    ({"timestamp": None}, "incomplete", ["timestamp_missing"]),
    ({"side": "off_book"}, "invalid", ["off_book"]),
    ({"price": "0"}, "invalid", ["price_not_positive"]),
    ({"price": "-0.0"}, "invalid", ["price_not_positive"]),
    ({"quantity": "-1"}, "invalid", ["quantity_not_positive"]),
    ({"price": "1000000000001", "quantity": "1e-6"}, "invalid", ["price_implausible"]),
    ({"price": "0.00001", "quantity": "100000000000001"}, "invalid", ["quantity_implausible"]),
    ({"price": "1000000", "quantity": "10000001"}, "invalid", ["notional_implausible"]),
    ({"timestamp": 1}, "invalid", ["timestamp_too_old"]),
    ({"timestamp": FAR}, "invalid", ["timestamp_in_the_future"]),
    ({"timestamp": NOON * 1_000}, "invalid", ["timestamp_in_the_future"]),
    ({"trade_id": -1}, "invalid", ["trade_id_negative"]),
    ({"last_trade_id": 0}, "invalid", ["id_range_invalid"]),
    ({"last_trade_id": 1_000_001}, "invalid", ["id_range_invalid"]),
    ({"symbol": "btcusdt"}, "invalid", ["symbol_not_canonical"]),
    ({"symbol": "A" * 1_000_000}, "invalid", ["symbol_not_canonical"]),
    ({"symbol": "BTC-USDT\n"}, "invalid", ["symbol_not_canonical"]),
]


@pytest.mark.parametrize(("fields", "reason", "reasons"), REJECTED, ids=lambda v: str(v)[:40])
def test_a_broken_record_is_rejected_with_its_reason_and_its_payload(
    fields: dict[str, object],
    reason: str,
    reasons: list[str],
    make_trade: Callable[..., Trade],
    landing: Callable[..., Landed],
) -> None:
    broken = make_trade(**fields)  # type: ignore[arg-type]
    landed = landing([make_trade(7), broken, make_trade(9)])
    assert landed.trades["trade_id"].to_list() == [7, 9]
    (row,) = landed.rejected.to_dicts()
    assert (row["reason"], row["reasons"]) == (reason, reasons)
    assert row["payload"] == broken.payload
    assert landed.counts.row(0, named=True) == {
        "exchange": "binance", "received": 3, "landed": 2, "rejected": 1, "duplicates": 0, "late": 0,
    }  # fmt: skip


@pytest.mark.parametrize("price", ["NaN", "nan", "inf", "-inf", "1e308", "1e400", "Infinity"])
def test_no_number_that_is_none_ever_lands(
    price: str, make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    landed = landing([make_trade(price=price)])
    assert landed.trades.is_empty()
    assert landed.rejected["reason"].item() in ("invalid", "malformed")


def test_a_record_says_every_rule_it_breaks_and_goes_to_the_worst_ones_queue(
    make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    (row,) = landing([make_trade(price=None, quantity="-1", side="x")]).rejected.to_dicts()
    assert row["reason"] == "malformed"
    assert row["reasons"] == ["side_unknown", "price_missing", "quantity_not_positive"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_frame_that_could_not_be_read_is_a_row_too_wherever_it_stands(
    place: int, make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    records: list[Trade | Malformed] = [make_trade(1), make_trade(2)]
    records.insert(place, Malformed(exchange="binance", error="no JSON", payload="}{", received=NOON))
    landed = landing(records)
    assert landed.trades["trade_id"].to_list() == [1, 2]
    (row,) = landed.rejected.to_dicts()
    assert (row["reason"], row["reasons"], row["error"], row["payload"]) == (
        "malformed", ["unreadable_frame"], "no JSON", "}{",
    )  # fmt: skip


def test_a_payload_of_several_lines_comes_through_unchanged_wherever_it_stands(
    make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    payloads = ['{\n "t": 1\n}', "one line", "a\r\nb", "\n"]
    trades = [make_trade(n, payload=p) for n, p in enumerate(payloads)]
    landed = landing(trades, [make_trade(10, symbol="ETH-USDT")])
    assert landed.trades.sort("trade_id")["raw_event_payload"].to_list() == [*payloads, '{"t":10}']


def test_what_is_only_flagged_lands(make_trade: Callable[..., Trade], landing: Callable[..., Landed]) -> None:
    late = make_trade(1, received=NOON + 400_000_000)
    odd = make_trade(2, quote_volume="30")
    near = make_trade(3, quote_volume="25.14")
    inexact = make_trade(4, price="100.12345678901234567")
    rows = landing([late, odd, near, inexact]).trades.sort("trade_id")
    assert rows["late"].to_list() == [True, False, False, False]
    assert rows["inconsistent"].to_list() == [False, True, False, False]
    assert rows["inexact"].to_list() == [False, False, False, True]


def test_the_future_is_judged_against_the_receipt_of_the_record(
    make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    ahead = [make_trade(1, timestamp=NOON + s * 1_000_000, received=NOON) for s in (60, 61)]
    assert landing([ahead[0]]).trades.height == 1
    assert landing([ahead[1]]).trades.height == 0


@pytest.mark.parametrize("when", [FAR, 10**17, 9 * 10**18])
def test_a_receiver_whose_clock_is_far_ahead_lets_nothing_in(
    when: int, make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    """Such a time would stop the engine: no day, no window can be made of it."""
    landed = landing([make_trade(1, timestamp=when, received=when), make_trade(2, received=when), make_trade(3)])
    assert landed.rejected["reasons"].to_list() == [["received_implausible"]] * 2
    assert landed.trades.height == 1


def test_only_configured_symbols_land_where_there_is_a_list(
    make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    checks = Checks(standard_checks(symbols=["BTC-USDT"], late_after=timedelta(minutes=5)))
    landed = landing([make_trade(1), make_trade(2, symbol="ETH-USDT")], checks=checks)
    assert landed.trades.height == 1
    assert landed.rejected["reasons"].to_list() == [["symbol_not_configured"]]


def test_a_stored_quote_volume_is_the_double_nearest_to_the_rounded_product(
    make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    pairs = [("62038.09", "0.01847"), ("62042.59", "0.00364"), ("62016.35", "0.0424"), ("0.1", "3")]
    landed = landing([make_trade(n, price=p, quantity=q) for n, (p, q) in enumerate(pairs)])
    volumes = landed.trades.sort("trade_id")["quote_volume"].to_list()
    assert volumes == [1145.8435223, 225.8350276, 2629.49324, 0.3]


def test_a_trade_that_was_asked_for_afterwards_is_not_late(
    make_trade: Callable[..., Trade], landing: Callable[..., Landed]
) -> None:
    asked, heard = (make_trade(n, received=NOON + 400_000_000, source=s) for n, s in ((1, "backfill"), (2, "replay")))
    assert landing([asked, heard]).trades.sort("trade_id")["late"].to_list() == [False, True]
