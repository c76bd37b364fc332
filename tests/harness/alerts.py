"""Made-up alerts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from coattail.alerts import Alert

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


def make_alert(name: str = "a", *, ago: timedelta = timedelta(0), **fields: Any) -> Alert:
    """A whale of `ago` before NOW, whose id repeats the name."""
    alert = Alert(
        alert_id=(name * 32)[:32], alert_type="whale_trade", module_id="MOD-002", symbol="BTC-USDT", exchange="binance",
        severity="high", detected_at=NOW - ago, status="final", message="a whale", details="{}", preset="classic",
        revision=1,
    )  # fmt: skip
    return replace(alert, **fields)
