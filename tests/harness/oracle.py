"""What must come out, computed a second time: plain Python and DuckDB over the records that were fed.

Nothing here is shared with `coattail.landing`, `coattail.detectors` or `coattail.alerts`: numbers are `Decimal`, sums
are DuckDB's, ids are Python sets, alert ids are `hashlib` over `json`. It is slow and goes row by row.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext
from typing import Any

import duckdb
import pyarrow as pa

from coattail.records import Record, Trade

SECOND = 1_000_000
LATENESS, IDLE = 10 * SECOND, 20 * SECOND
DOLLARS = {"USD", "USDT", "USDC"}
_EIGHT, _FOUR = Decimal("1e-8"), Decimal("1e-4")
_SYMBOL = re.compile(r"[A-Z0-9]{1,20}-[A-Z0-9]{2,10}(-PERP)?")

Instrument = tuple[str, str]


@dataclass
class Landed:
    """The trades that had to land, as they had to be written; `units` are integers of 10^-8."""

    exchange: str
    symbol: str
    first: int
    last: int
    price: Decimal
    quantity: Decimal
    notional: Decimal
    """price x quantity, rounded half-even to 8 decimals."""
    side: str | None
    timestamp: int
    payload: str


@dataclass
class Expected:
    """Trades and bars as sets of rows, alerts by id, rejected records by (exchange, symbol, id, reason)."""

    trades: list[tuple[Any, ...]]
    bars: dict[tuple[str, str, int], dict[str, Any]]
    alerts: dict[str, dict[str, Any]]
    counts: dict[str, dict[str, int]]
    rejected: list[tuple[Any, ...]]
    landed: list[Landed] = field(repr=False, default_factory=list)


def expected(records: Iterable[Record], *, minimum_windows: int = 30) -> Expected:
    """Everything that must come of the records, in this order of arrival."""
    landed, rejected, counts = _accepted(records)
    gone: dict[Instrument, set[int]] = {}
    for exchange, symbol, first, last, _ in rejected:
        if symbol is not None and first is not None and 0 <= first <= last:
            gone.setdefault((exchange, symbol), set()).update(range(first, last + 1))
    with duckdb.connect() as connection:
        connection.register("trades", _table(landed))
        bars = _bars(connection, landed)
        alerts = _alerts(connection, landed, gone, minimum_windows)
    return Expected(
        trades=sorted(_row(t) for t in landed),
        bars=bars,
        alerts={a["alert_id"]: a for a in alerts},
        counts=counts,
        rejected=sorted(rejected, key=str),
        landed=landed,
    )


# -- which records land ------------------------------------------------------------------------------------------


def _accepted(
    records: Iterable[Record],
) -> tuple[list[Landed], list[tuple[Any, ...]], dict[str, dict[str, int]]]:
    seen: dict[Instrument, set[int]] = {}
    landed: list[Landed] = []
    rejected: list[tuple[Any, ...]] = []
    counts: dict[str, dict[str, int]] = {}
    for record in records:
        count = counts.setdefault(record.exchange, {"received": 0, "landed": 0, "rejected": 0, "duplicates": 0})
        count["received"] += 1
        if not isinstance(record, Trade):
            count["rejected"] += 1
            rejected.append((record.exchange, None, None, None, "malformed"))
            continue
        last = record.trade_id if record.last_trade_id is None else record.last_trade_id
        reason = _reason(record, last)
        if reason is None:
            assert record.symbol is not None
            assert record.trade_id is not None
            assert last is not None
            ids = set(range(record.trade_id, last + 1))
            here = seen.setdefault((record.exchange, record.symbol), set())
            if ids <= here:
                count["duplicates"] += 1
                continue
            if ids & here:
                reason = "invalid"
            else:
                here |= ids
                count["landed"] += 1
                landed.append(_landed(record, last))
                continue
        count["rejected"] += 1
        rejected.append((record.exchange, record.symbol, record.trade_id, last, reason))
    return landed, rejected, counts


def _number(text: str | None) -> Decimal | None:
    try:
        return None if text is None or not text.isascii() else Decimal(text)
    except InvalidOperation:
        return None


def _reason(trade: Trade, last: int | None) -> str | None:
    """Why a trade may not land, by SPEC 4; the DLQ it belongs to."""
    price, quantity = _number(trade.price), _number(trade.quantity)
    if (trade.price is not None and price is None) or (trade.quantity is not None and quantity is None):
        return "malformed"
    if trade.side not in ("buy", "sell", None):
        return "malformed"
    if None in (trade.symbol, trade.trade_id, price, quantity, trade.timestamp):
        return "incomplete"
    assert price is not None
    assert quantity is not None
    assert trade.timestamp is not None
    assert trade.trade_id is not None
    assert last is not None
    if not price.is_finite() or not quantity.is_finite() or price <= 0 or quantity <= 0:
        return "invalid"
    if price > 10**12 or quantity > 10**14 or price * quantity > 10**13:
        return "invalid"
    oldest = int(datetime(2009, 1, 3, tzinfo=UTC).timestamp()) * SECOND
    never = int(datetime(2099, 1, 1, tzinfo=UTC).timestamp()) * SECOND
    if not oldest <= trade.timestamp <= trade.received + 60 * SECOND or trade.received >= never:
        return "invalid"
    if trade.trade_id < 0 or last < trade.trade_id or not _SYMBOL.fullmatch(trade.symbol or ""):
        return "invalid"
    return None


def _landed(trade: Trade, last: int) -> Landed:
    price, quantity = Decimal(trade.price or ""), Decimal(trade.quantity or "")
    with localcontext(prec=60, rounding=ROUND_HALF_EVEN):
        notional = (price * quantity).quantize(_EIGHT)
    assert trade.symbol is not None
    assert trade.trade_id is not None
    assert trade.timestamp is not None
    return Landed(
        trade.exchange,
        trade.symbol,
        trade.trade_id,
        last,
        price,
        quantity,
        notional,
        trade.side,
        trade.timestamp,
        trade.payload,
    )


def _row(t: Landed) -> tuple[Any, ...]:
    """A row of raw_trades, as far as "the same trades" compares it."""
    ids = str(t.first) if t.first == t.last else f"{t.first}-{t.last}"
    numbers = (float(t.price), float(t.quantity), float(t.notional))
    return (f"{t.exchange}:{t.symbol}:{ids}", t.exchange, t.symbol, t.first, t.last, *numbers, t.side, t.timestamp)


def _table(landed: Sequence[Landed]) -> pa.Table:
    exact = pa.decimal128(38, 8)
    squares = []
    with localcontext(prec=60, rounding=ROUND_HALF_EVEN):
        quantities = [t.quantity.quantize(_EIGHT) for t in landed]
        for t in landed:
            rounded = t.notional.quantize(_FOUR)
            squares.append((rounded * rounded).quantize(_EIGHT))
    return pa.table(
        {
            "exchange": pa.array([t.exchange for t in landed], pa.string()),
            "symbol": pa.array([t.symbol for t in landed], pa.string()),
            "first": pa.array([t.first for t in landed], pa.int64()),
            "last": pa.array([t.last for t in landed], pa.int64()),
            "price": pa.array([float(t.price) for t in landed], pa.float64()),
            "quantity": pa.array(quantities, exact),
            "notional": pa.array([t.notional for t in landed], exact),
            "squared": pa.array(squares, exact),
            "buy": pa.array([t.side == "buy" for t in landed], pa.bool_()),
            "side": pa.array([t.side for t in landed], pa.string()),
            "ts": pa.array([t.timestamp for t in landed], pa.int64()),
            "bucket": pa.array([_bucket(t.notional) for t in landed], pa.int64()),
        }
    )


def _bucket(notional: Decimal) -> int:
    """b with 2^(b/2) <= notional < 2^((b+1)/2), from integers alone; dust that rounds to nothing counts as 10^-8."""
    square, unit = max(int(notional * 10**8), 1) ** 2, 10**16
    if square >= unit:
        return (square // unit).bit_length() - 1
    return -((-(-unit // square) - 1).bit_length())


# -- bars ----------------------------------------------------------------------------------------------------------


def _bars(
    connection: duckdb.DuckDBPyConnection, landed: Sequence[Landed]
) -> dict[tuple[str, str, int], dict[str, Any]]:
    rows = connection.execute(
        """
        SELECT exchange, symbol, ts - ts % 10000000 AS bar_start,
               first(first ORDER BY ts, first) AS first_trade_id, first(ts ORDER BY ts, first) AS first_timestamp,
               first(price ORDER BY ts, first) AS first_price,
               last(last ORDER BY ts, first) AS last_trade_id, last(ts ORDER BY ts, first) AS last_timestamp,
               last(price ORDER BY ts, first) AS last_price, max(price) AS high, min(price) AS low,
               count(*) AS trades, sum(quantity) AS quantity, sum(notional) AS notional,
               sum(squared) AS notional_squared, count(*) FILTER (buy) AS buy_trades,
               coalesce(sum(quantity) FILTER (buy), 0) AS buy_quantity,
               coalesce(sum(notional) FILTER (buy), 0) AS buy_notional,
               coalesce(sum(squared) FILTER (buy), 0) AS buy_notional_squared,
               map_entries(histogram(bucket)) AS histogram
        FROM trades GROUP BY 1, 2, 3
        """
    )
    names = [d[0] for d in rows.description]
    bars = {}
    for values in rows.fetchall():
        row = dict(zip(names, values, strict=True))
        row["histogram"] = {e["key"]: e["value"] for e in row["histogram"]}
        bars[row.pop("exchange"), row.pop("symbol"), row.pop("bar_start")] = row
    assert sum(bar["trades"] for bar in bars.values()) == len(landed)
    for fills in _orders(landed):
        first = fills[0]
        bar = bars[first.exchange, first.symbol, first.timestamp - first.timestamp % (10 * SECOND)]
        bar["orders"] = bar.get("orders", 0) + 1
    return bars


# -- alerts of preset classic ----------------------------------------------------------------------------------------


@dataclass
class _Window:
    trades: int
    notional: Decimal
    quantity: Decimal
    first: int
    last: int


def _stretches(landed: Sequence[Landed], gone: dict[Instrument, set[int]]) -> dict[Instrument, list[tuple[int, int]]]:
    """(earliest, latest) trade time of every stretch of ids without a hole; rejected ids are not holes."""
    result: dict[Instrument, list[tuple[int, int]]] = {}
    by_instrument: dict[Instrument, list[Landed]] = {}
    for trade in landed:
        by_instrument.setdefault((trade.exchange, trade.symbol), []).append(trade)
    for instrument, trades in by_instrument.items():
        absent = gone.get(instrument, set())
        stretch: list[int] = []
        before = None
        for trade in sorted(trades, key=lambda t: t.first):
            if before is not None and any(
                i not in absent for i in range(before + 1, min(trade.first, before + 10_000))
            ):
                result.setdefault(instrument, []).append((min(stretch), max(stretch)))
                stretch = []
            stretch.append(trade.timestamp)
            before = trade.last
        result.setdefault(instrument, []).append((min(stretch), max(stretch)))
    return result


def _watermark(landed: Sequence[Landed]) -> int:
    newest: dict[str, int] = {}
    for trade in landed:
        newest[trade.exchange] = max(newest.get(trade.exchange, 0), trade.timestamp)
    return max(min(newest.values()) - LATENESS, max(newest.values()) - LATENESS - IDLE)


def _windows(connection: duckdb.DuckDBPyConnection, length: int) -> dict[Instrument, dict[int, _Window]]:
    """Windows with trades. The ids are those of the first and last trade, by time, of the bars inside."""
    rows = connection.execute(
        f"""
        WITH bars AS (
            SELECT exchange, symbol, ts - ts % 10000000 AS bar, count(*) AS trades, sum(notional) AS notional,
                   sum(quantity) AS quantity, first(first ORDER BY ts, first) AS first,
                   last(last ORDER BY ts, first) AS last
            FROM trades GROUP BY 1, 2, 3)
        SELECT exchange, symbol, bar - bar % {length}, sum(trades)::BIGINT, sum(notional), sum(quantity),
               min(first), max(last)
        FROM bars GROUP BY 1, 2, 3
        """
    )
    found: dict[Instrument, dict[int, _Window]] = {}
    for exchange, symbol, start, *values in rows.fetchall():
        found.setdefault((exchange, symbol), {})[start] = _Window(*values)
    return found


def _alerts(
    connection: duckdb.DuckDBPyConnection,
    landed: Sequence[Landed],
    gone: dict[Instrument, set[int]],
    minimum_windows: int,
) -> list[dict[str, Any]]:
    if not landed:
        return []
    mark = _watermark(landed)
    stretches = _stretches(landed, gone)
    return [
        *_volume_alerts(_windows(connection, 60 * SECOND), stretches, mark, minimum_windows),
        *_spread_alerts(_windows(connection, 30 * SECOND), stretches, mark),
        *_whale_alerts(landed, mark),
    ]


def _covered(stretches: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    return any(earliest < start and latest >= end for earliest, latest in stretches)


def _begun(stretches: Sequence[tuple[int, int]], start: int) -> bool:
    return any(earliest < start <= latest for earliest, latest in stretches)


def _volume_alerts(
    windows: dict[Instrument, dict[int, _Window]],
    stretches: dict[Instrument, list[tuple[int, int]]],
    mark: int,
    minimum_windows: int,
) -> list[dict[str, Any]]:
    minute = 60 * SECOND
    alerts = []
    for (exchange, symbol), traded in windows.items():
        mine = stretches[exchange, symbol]
        earliest = min(low for low, _ in mine) // minute * minute
        latest = max(high for _, high in mine)
        whole = {start for start in range(earliest, latest + 1, minute) if _covered(mine, start, start + minute)}

        def volume(start: int, traded: dict[int, _Window] = traded) -> Decimal:
            window = traded.get(start)
            with localcontext(prec=60, rounding=ROUND_HALF_EVEN):
                return Decimal(0) if window is None else window.notional.quantize(Decimal("1e-6"))

        for start in range(earliest, latest + 1, minute):
            end, closed = start + minute, start + minute <= mark
            if start not in whole and (closed or start not in traded or not _begun(mine, start)):
                continue
            baseline = [volume(s) for s in range(start - 60 * minute, start, minute) if s in whole]
            n = len(baseline)
            if n < minimum_windows:
                continue
            with localcontext(prec=80):
                mean = sum(baseline) / n
                deviation = (sum((x - mean) ** 2 for x in baseline) / n).sqrt()
                if deviation < Decimal("1e-30"):
                    continue
                z = (volume(start) - mean) / deviation
            if not (z > Decimal("2.5") or (z < Decimal("-2.5") and closed)):
                continue
            window = traded.get(start, _Window(0, Decimal("0E-8"), Decimal(0), 0, 0))
            size = abs(z)
            alerts.append(
                _alert(
                    module="MOD-001",
                    kind="volume_spike" if z > 0 else "volume_drop",
                    exchange=exchange,
                    symbol=symbol,
                    key={"window_start": _iso(start)},
                    severity="critical" if size > 6 else "high" if size > 4 else "medium",
                    detected_at=end,
                    closed=closed,
                    details={
                        "window_start": _iso(start),
                        "window_end": _iso(end),
                        "volume": f"{window.notional:.8f}",
                        "trades": window.trades,
                        "first_trade_id": window.first if window.trades else None,
                        "last_trade_id": window.last if window.trades else None,
                        "baseline_windows": n,
                        "baseline_mean": round(float(mean), 6),
                        "baseline_deviation": round(float(deviation), 6),
                        "z_score": round(float(z), 6),
                        "z_threshold": 2.5,
                    },
                )
            )
    return alerts


def _spread_alerts(
    windows: dict[Instrument, dict[int, _Window]], stretches: dict[Instrument, list[tuple[int, int]]], mark: int
) -> list[dict[str, Any]]:
    half = 30 * SECOND
    spot = [
        (exchange, symbol)
        for exchange, symbol in sorted(windows)
        if not symbol.endswith("-PERP") and symbol.split("-")[1] in DOLLARS
    ]
    alerts = []
    for a in spot:
        for b in spot:
            if a[0] >= b[0] or a[1].split("-")[0] != b[1].split("-")[0]:
                continue
            for start in sorted(windows[a].keys() & windows[b].keys()):
                end, closed = start + half, start + half <= mark
                legs = [(windows[k][start], stretches[k]) for k in (a, b)]
                if any(w.quantity <= 0 for w, _ in legs):
                    continue
                whole = all(_covered(s, start, end) for _, s in legs)
                if not whole and (closed or not all(_begun(s, start) for _, s in legs)):
                    continue
                with localcontext(prec=60):
                    vwaps = [w.notional / w.quantity for w, _ in legs]
                    spread = (vwaps[0] - vwaps[1]) / vwaps[1] * 100
                size = abs(spread)
                if size <= Decimal("0.5"):
                    continue
                leg_a, leg_b = ":".join(a), ":".join(b)
                alerts.append(
                    _alert(
                        module="MOD-003",
                        kind="spread_divergence",
                        exchange=None,
                        symbol=f"{a[1].split('-')[0]}-USD",
                        key={"leg_a": leg_a, "leg_b": leg_b, "window_start": _iso(start)},
                        severity="critical" if size > 2 else "high" if size > 1 else "medium",
                        detected_at=end,
                        closed=closed,
                        details={
                            "window_start": _iso(start),
                            "window_end": _iso(end),
                            "leg_a": leg_a,
                            "leg_b": leg_b,
                            "vwap_a": float(vwaps[0]),
                            "vwap_b": float(vwaps[1]),
                            "trades_a": legs[0][0].trades,
                            "trades_b": legs[1][0].trades,
                            "spread_pct": round(float(spread), 6),
                            "threshold_pct": 0.5,
                        },
                    )
                )
    return alerts


def _orders(landed: Sequence[Landed]) -> list[list[Landed]]:
    """The fills of each taker order."""
    orders: list[list[Landed]] = []
    ordered = sorted(landed, key=lambda t: (t.exchange, t.symbol, t.first))
    for trade in ordered:
        last = orders[-1][-1] if orders else None
        if (
            last is not None
            and (last.exchange, last.symbol, last.side, last.timestamp)
            == (trade.exchange, trade.symbol, trade.side, trade.timestamp)
            and last.last + 1 == trade.first
        ):
            orders[-1].append(trade)
        else:
            orders.append([trade])
    return orders


def _whale_alerts(landed: Sequence[Landed], mark: int) -> list[dict[str, Any]]:
    alerts = []
    for fills in _orders(landed):
        first, last = fills[0], fills[-1]
        notional = sum((f.notional for f in fills), Decimal(0))
        if first.symbol.removesuffix("-PERP").split("-")[1] not in DOLLARS or notional <= 100_000:
            continue
        with localcontext(prec=60, rounding=ROUND_HALF_EVEN):
            quantity = sum((f.quantity.quantize(_EIGHT) for f in fills), Decimal(0))
        alerts.append(
            _alert(
                module="MOD-002",
                kind="whale_trade",
                exchange=first.exchange,
                symbol=first.symbol,
                key={"trade_id": first.first},
                severity="critical" if notional > 10**6 else "high" if notional > 5 * 10**5 else "medium",
                detected_at=first.timestamp,
                closed=first.timestamp <= mark,
                details={
                    "first_trade_id": first.first,
                    "last_trade_id": last.last,
                    "timestamp": _iso(first.timestamp),
                    "side": first.side,
                    "fills": len(fills),
                    "quantity": f"{quantity:.8f}",
                    "notional": f"{notional:.8f}",
                    "first_price": float(first.price),
                    "last_price": float(last.price),
                    "threshold": 100_000,
                    "dollar_parity": "exact" if first.symbol.removesuffix("-PERP").endswith("-USD") else "assumed",
                },
            )
        )
    return alerts


def _alert(
    *,
    module: str,
    kind: str,
    exchange: str | None,
    symbol: str,
    key: dict[str, Any],
    severity: str,
    detected_at: int,
    closed: bool,
    details: dict[str, Any],
) -> dict[str, Any]:
    natural = {"module": module, "type": kind, "exchange": exchange, "symbol": symbol, "preset": "classic", **key}
    text = json.dumps(natural, sort_keys=True, separators=(",", ":"))
    return {
        "alert_id": hashlib.blake2b(text.encode(), digest_size=16).hexdigest(),
        "alert_type": kind,
        "module_id": module,
        "symbol": symbol,
        "exchange": exchange,
        "severity": severity,
        "detected_at": detected_at,
        "status": "final" if closed else "provisional",
        "details": details,
    }


def _iso(micros: int) -> str:
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    return when.isoformat().replace("+00:00", "Z")
