"""Alerts about orders as a trader reads them: dollars of what, at which price in which money."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from coattail.detectors.described import Details
from coattail.detectors.ranked_orders import RankedOrderDetector


def order(**changed: Any) -> dict[str, Any]:
    return {
        "exchange": "coinbase", "symbol": "BTC-EUR", "timestamp": datetime(2025, 3, 5, 17, 40, tzinfo=UTC),
        "trade_id": 7, "last_trade_id": 7, "side": "sell", "fills": 1, "quantity": Decimal("22.549"),
        "notional": Decimal("1304505"), "notional_usd": 1_408_625.0, "rate_usd": 1.0798, "threshold_usd": 100_000.0,
        "share_pct": 35.5, "impact_bps": 0.0, "first_price": 57_852.0, "last_price": 57_852.0, "fitted_days": 1.0,
        "parity": False, "incomplete": False, "closed": True, **changed,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "one order sold 1.41 M dollars of BTC at 57,852.0 EUR in 1 fill, 35.5 % of a usual day"),
        ({"symbol": "BTC-USDT", "fills": 3}, "one order sold 1.41 M dollars of BTC at 57,852.0 in 3 fills, 35.5 %"),
    ],
)
def test_a_price_that_is_not_in_dollars_names_its_money(changed: dict[str, Any], words: str) -> None:
    assert words in RankedOrderDetector()._alert(order(**changed)).message


def test_one_fill_has_no_first_and_last_price_and_a_day_is_one_day() -> None:
    one, three = (
        " ".join(RankedOrderDetector.why(Details(RankedOrderDetector()._alert(order(fills=n)).details))) for n in (1, 3)
    )
    assert "between its first and last fill" in three
    assert "between its first and last fill" not in one
    assert "learned from 1 day)" in one
