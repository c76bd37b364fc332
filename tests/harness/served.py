"""A hot store as an engine leaves it: alerts, facts of two symbols and their asset, a heartbeat; all made up."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from coattail.alerts import Alert, alert_id
from coattail.stores.hot import Complete, HotStore
from coattail.stores.served import (
    ASSET,
    MARKET,
    SYMBOL,
    AssetFact,
    FreshnessFact,
    GapFact,
    MarketFact,
    OrderFact,
    PairFact,
    SymbolFact,
    VenueFact,
    WindowsFact,
)

NEWEST = datetime(2025, 3, 4, 14, 0, 30, tzinfo=UTC)
"""Time of the newest trade."""
NOW = datetime(2025, 3, 4, 14, 0, 32, tzinfo=UTC)
"""What the clock says when it is written."""
_START = int(datetime(2025, 3, 4, 13, 1, tzinfo=UTC).timestamp())
TEXT = "BTC-USDT on binance: one order bought 760 k dollars"


def numbered(number: int, **fields: Any) -> Alert:
    """An alert that is so many seconds older than the newest trade."""
    kinds = (("whale_trade", "MOD-002"), ("volume_spike", "MOD-001"))
    kind, module = kinds[number % 2]
    given = {
        "alert_id": alert_id({"number": number}), "alert_type": kind, "module_id": module,
        "symbol": ("BTC-USDT", "ETH-USDT")[number % 3 == 1], "exchange": ("binance", "coinbase")[number % 5 == 2],
        "severity": ("low", "medium", "high", "critical")[number % 4],
        "detected_at": NEWEST - timedelta(seconds=number), "status": "final", "message": f"{TEXT} ({number})",
        "details": '{"fills":8,"notional":"759999.65871100","price":62016.1}', "preset": "default", "revision": 1,
        "evidence": '{"bars":101,"code":"0.1.0","commit":7,"config":"07ec","inputs":"ed87","module":"whale-detector",'
        '"parameters":{"budget":96.0},"preset":"default","rules":2,"since":"2025-03-04T13:50:20Z",'
        '"until":"2025-03-04T14:00:20Z"}',
    }  # fmt: skip
    return Alert(**{**given, **fields})


def symbol_fact(symbol: str = "BTC-USDT", exchanges: Iterable[str] = ("binance", "coinbase")) -> SymbolFact:
    """Two venues, an hour of windows, three orders, a gap."""
    names = list(exchanges)
    order = OrderFact(
        exchange=names[0], at=NEWEST, side="buy", fills=8, notional=760_000.0, dollars=759_687.0, price=62_016.2,
        impact_bps=0.02,
    )  # fmt: skip
    return SymbolFact(
        symbol=symbol,
        base=symbol.partition("-")[0],
        venues=[
            VenueFact(
                exchange=name, price=62_016.1 + n, at=NEWEST - timedelta(seconds=n), change_1h_pct=0.4,
                volume_1h=1e6 / (n + 1), trades_1h=900, coverage_pct=100.0 - n, missing=n,
            )
            for n, name in enumerate(names)
        ],
        windows=[
            WindowsFact(
                exchange=name, start=[_START + 60 * n for n in range(60)], volume=[1e4 + n for n in range(60)],
                close=[62_000.0 + n for n in range(59)] + [None], measured=[100.0 + n for n in range(59)] + [None],
                usual=[100.0] * 59 + [None], rarity=[0.01] * 59 + [None], state=["judged"] * 59 + ["open"],
                measure="orders", scale="return_days", threshold=0.5,
            )
            for name in names
        ],
        orders=[order],
        gaps=[GapFact(exchange=names[0], since=NEWEST - timedelta(hours=2), until=None, trades=12, cause="silence")],
    )  # fmt: skip


def asset_fact(base: str = "BTC") -> AssetFact:
    """One pair, half an hour."""
    pair = PairFact(
        exchange_a="binance", symbol_a=f"{base}-USDT", exchange_b="coinbase", symbol_b=f"{base}-USD",
        start=[_START + 30 * n for n in range(60)], raw=[0.05] * 59 + [None], net=[0.01] * 59 + [None],
        fees=[0.2] * 60, state=["judged"] * 59 + ["no price"],
    )  # fmt: skip
    return AssetFact(base=base, pairs=[pair])


def market_fact(*, newest: datetime | None = NEWEST, simulated: bool = False) -> MarketFact:
    """Two venues."""
    return MarketFact(
        newest=newest,
        venues=[
            FreshnessFact(exchange=name, newest=NEWEST - timedelta(seconds=n), symbols=2, trades_1h=1_800, missing=n)
            for n, name in enumerate(("binance", "coinbase"))
        ],
        symbols=2, quality_score=99.9, coverage_pct=99.999, open_gaps=1, missing=12, simulated=simulated,
        preset="default", version="0.1.0",
    )  # fmt: skip


def beat(**totals: int) -> dict[str, Any]:
    """An engine's heartbeat."""
    counted = {"received": 10, "landed": 7, "rejected": 1, "duplicates": 2, "late": 0, **totals}
    return {"pid": 5, "command": "run", "engine": "local", "commit": 9, "backlog_bytes": 4_096, "totals": counted,
            "watermark": int((NEWEST - timedelta(seconds=10)).timestamp() * 1e6)}  # fmt: skip


def fill(store: HotStore, alerts: int = 20, *, now: datetime = NOW) -> None:
    """Put everything there."""
    store.put_alerts([numbered(n) for n in range(alerts)], now=now)
    facts = {SYMBOL + name: symbol_fact(name) for name in ("BTC-USDT", "ETH-USDT")}
    store.put_facts({**facts, ASSET + "BTC": asset_fact(), MARKET: market_fact(), "engine": beat()}, now=now)
    store.claim(Complete(None, None))
