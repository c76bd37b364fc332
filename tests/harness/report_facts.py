"""Facts for reports, without a home."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from coattail.alerts import canonical_json
from coattail.detectors.spread import EXCHANGE_SPREADS
from coattail.detectors.volume import VOLUME_AGGREGATES
from coattail.detectors.whale import WHALE_TRADES
from coattail.reports.blocks import Commands
from coattail.reports.facts import ReportFacts, Span
from coattail.reports.quality import Quality
from coattail.stores.commits import Commit
from coattail.tables import ALERTS, BARS, COVERAGE

START = datetime(2025, 3, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
SPAN = Span(since=START, until=START + 6 * HOUR)
COMMANDS = Commands(line=lambda *words: " ".join(("coattail", *words)), reproduce="coattail report day")


def make_bars(
    symbol: str = "BTC-USDT", exchange: str = "binance", *, minutes: int = 360, price: float = 60_000
) -> pl.DataFrame:
    """A bar every 10 seconds, all alike but for a price that rises by one a bar."""
    rows = [
        {
            "exchange": exchange, "symbol": symbol, "bar_start": START + timedelta(seconds=10 * n),
            "first_trade_id": 10 * n, "first_timestamp": START + timedelta(seconds=10 * n), "first_price": price + n,
            "last_trade_id": 10 * n + 9, "last_timestamp": START + timedelta(seconds=10 * n + 9),
            "last_price": price + n, "high": price + n, "low": price + n, "trades": 10, "quantity": Decimal(1),
            "notional": Decimal(price + n), "buy_trades": 6, "buy_quantity": Decimal("0.6"),
            "buy_notional": Decimal(price + n) * Decimal("0.6"),
        }
        for n in range(6 * minutes)
    ]  # fmt: skip
    return (
        BARS.conform(pl.DataFrame(rows, schema={name: BARS.schema[name] for name in rows[0]})) if rows else BARS.empty()
    )


def make_alert(number: int = 0, **changed: Any) -> dict[str, Any]:
    """A row of `anomaly_alerts`."""
    details = changed.pop("details", {"score": 7.0, "threshold": 4.0, "volume": "1000000", "trades": 12})
    return {
        "alert_id": f"{number:032x}", "revision": 1, "alert_type": "volume_spike", "module_id": "MOD-001",
        "symbol": "BTC-USDT", "exchange": "binance", "severity": "high", "detected_at": START + HOUR,
        "status": "final", "message": "BTC-USDT on binance: much", "details": canonical_json(details),
        "preset": "default", "recorded_at": START, "evidence": None,
    } | changed  # fmt: skip


def make_facts(
    *,
    bars: pl.DataFrame | None = None,
    alerts: list[dict[str, Any]] | None = None,
    coverage: list[dict[str, Any]] | None = None,
    spreads: pl.DataFrame | None = None,
    orders: pl.DataFrame | None = None,
    quality: Quality | None = None,
    span: Span = SPAN,
    symbols: tuple[str, ...] = (),
) -> ReportFacts:
    """Facts of six hours in which nothing happened but what is given."""
    inside = pl.DataFrame(schema={**COVERAGE.schema, "inside": pl.Int64})
    return ReportFacts(
        span=span,
        symbols=symbols,
        bars=make_bars() if bars is None else bars,
        alerts=pl.DataFrame(alerts or [], schema=ALERTS.schema),
        windows=VOLUME_AGGREGATES.empty().select("preset", "state"),
        spreads=EXCHANGE_SPREADS.empty() if spreads is None else spreads,
        orders=WHALE_TRADES.empty() if orders is None else orders,
        others={},
        coverage=inside if coverage is None else pl.DataFrame(coverage, schema=inside.schema),
        quality=quality or Quality(received=10, landed=7, rejected=1, duplicates=2),
        commit=Commit(8472, 12, START, {}),
        behind=0,
    )


def make_range(state: str, first: int, last: int, **changed: Any) -> dict[str, Any]:
    """A row of `coverage` with `inside`."""
    return {
        "exchange": "binance", "symbol": "BTC-USDT", "first_id": first, "last_id": last, "first_ts": START + HOUR,
        "last_ts": START + 2 * HOUR, "state": state, "cause": None, "noticed_at": START, "first_fill": None,
        "last_fill": None, "inside": last - first + 1,
    } | changed  # fmt: skip


def make_order(**changed: Any) -> pl.DataFrame:
    """One row of `whale_trades`."""
    row = {
        "exchange": "binance", "symbol": "BTC-USDT", "trade_id": 7, "last_trade_id": 9, "timestamp": START + HOUR,
        "side": "sell", "fills": 3, "quantity": Decimal(2), "notional": Decimal(120_000), "first_price": 60_000.0,
        "last_price": 60_000.0, "preset": "default", "revision": 1,
    } | changed  # fmt: skip
    return WHALE_TRADES.conform(pl.DataFrame([row], schema={name: WHALE_TRADES.schema[name] for name in row}))
