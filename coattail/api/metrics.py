"""Metrics of symbols out of the facts that an engine keeps in the hot store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from coattail.alerts import FINAL, PROVISIONAL
from coattail.api.refusal import Refusal
from coattail.api.source import HotSource
from coattail.api.symbols import meant
from coattail.records import micros
from coattail.stores.hot import HotStore, StoredAlert, Wanted
from coattail.stores.served import ASSET, SYMBOL, AssetFact, OrderFact, PairFact, SymbolFact, WindowsFact, said
from coattail.workspace.documents.serving import (
    HoleDocument,
    MetricsDocument,
    PairDocument,
    PriceDocument,
    SpreadDocument,
    SymbolDocument,
    SymbolsDocument,
    VenueWindowsDocument,
    WhaleDocument,
    WindowDocument,
)

_WHALE, _VOLUME = "MOD-002", "MOD-001"
_MOST_MARKS = 60
"""Alerts that are looked for in a symbol's windows and orders: the newest ones."""
_MINUTE = 60

Places = Mapping[tuple[str | None, int], str]
"""Exchange and moment -> the alert."""


def metrics(source: HotSource, hot: HotStore, given: str) -> MetricsDocument:
    """What is known of a symbol now.

    Raises: Refusal: 404, if it is unknown, or no engine has measured it.
    """
    symbol = meant(source, hot, given)
    stored = said(hot, SYMBOL + symbol, SymbolFact)
    if stored is None:
        raise Refusal(
            404, "not_measured", f"no engine has measured {symbol} here yet", field="symbol",
            next_step="start one: `coattail run`, or `coattail demo` for a simulated market",
        )  # fmt: skip
    fact, written = stored
    pairs = _pairs(hot, fact.base)
    starts = [windows.start[0] for windows in fact.windows if windows.start]
    moments = [order.at for order in fact.orders] + [_time(start) for start in starts]
    marks = _marks(source, hot, symbol, min(moments)) if moments else []
    whales = _whales(fact.orders, _of(_WHALE, marks))
    spikes = _of(_VOLUME, marks, minutes=True)
    spread = pairs[0] if pairs else None
    first = fact.windows[0].exchange if fact.windows else None
    return MetricsDocument(
        symbol=symbol,
        base=fact.base,
        price={v.exchange: PriceDocument(price=v.price, at=v.at, change_1h_pct=v.change_1h_pct) for v in fact.venues},
        change_1h_pct=next((venue.change_1h_pct for venue in fact.venues if venue.exchange == first), None),
        spread_pct=None if spread is None else _newest(spread.raw),
        net_spread_pct=None if spread is None else _newest(spread.net),
        volume_1h={venue.exchange: venue.volume_1h for venue in fact.venues},
        anomaly_count_24h=sum(count.count for count in source.tally(hot) if count.symbol == symbol),
        last_whale=whales[0] if whales else None,
        whales=whales,
        windows=[_windows(windows, spikes) for windows in fact.windows],
        spreads=[_pair(pair) for pair in pairs],
        gaps=[
            HoleDocument(exchange=g.exchange, since=g.since, until=g.until, trades=g.trades, cause=g.cause)
            for g in fact.gaps
        ],
        coverage_pct={venue.exchange: venue.coverage_pct for venue in fact.venues},
        missing={venue.exchange: venue.missing for venue in fact.venues},
        updated_at=written,
    )


def symbols(source: HotSource, hot: HotStore) -> SymbolsDocument:
    """The symbols that an engine has measured, and how many alerts each has."""
    alerts: dict[str, int] = {}
    for count in source.tally(hot):
        alerts[count.symbol] = alerts.get(count.symbol, 0) + count.count
    found = []
    for text, _ in hot.facts(SYMBOL).values():
        fact = msgspec.json.decode(text, type=_Outline)
        last = max(fact.venues, key=lambda venue: venue.at, default=None)
        found.append(
            SymbolDocument(
                symbol=fact.symbol,
                base=fact.base,
                exchanges=[venue.exchange for venue in fact.venues],
                last_trade_at=None if last is None else last.at,
                price=None if last is None else last.price,
                volume_1h=sum(venue.volume_1h for venue in fact.venues),
                alerts_24h=alerts.get(fact.symbol, 0),
            )
        )
    found.sort(key=lambda one: (-one.alerts_24h, one.symbol))
    return SymbolsDocument(symbols=found, count=len(found))


class _Venue(msgspec.Struct):
    exchange: str
    price: float
    at: datetime
    volume_1h: float


class _Outline(msgspec.Struct):
    """What a list shows of a `SymbolFact`; its series are passed over."""

    symbol: str
    base: str
    venues: list[_Venue]


def _pairs(hot: HotStore, base: str) -> Sequence[PairFact]:
    stored = said(hot, ASSET + base, AssetFact)
    return () if stored is None else stored[0].pairs


def _newest(series: Sequence[float | None]) -> float | None:
    return next((value for value in reversed(series) if value is not None), None)


def _marks(source: HotSource, hot: HotStore, symbol: str, since: datetime) -> list[StoredAlert]:
    wanted = Wanted(symbol=symbol, since=since, statuses=(PROVISIONAL, FINAL))
    return hot.page(wanted, limit=_MOST_MARKS, now=source.clock())


def _of(module: str, marks: Iterable[StoredAlert], *, minutes: bool = False) -> Places:
    """Where a module's alerts belong; of several, the newest."""
    found: dict[tuple[str | None, int], str] = {}
    for stored in marks:
        alert = stored.alert
        if alert.module_id == module:
            us = micros(alert.detected_at)
            found.setdefault(
                (alert.exchange, -(-us // 60_000_000) * _MINUTE - _MINUTE if minutes else us), alert.alert_id
            )
    return found


def _whales(orders: Iterable[OrderFact], alerts: Places) -> list[WhaleDocument]:
    return [
        WhaleDocument(
            at=order.at, exchange=order.exchange, side=order.side, notional=order.notional, dollars=order.dollars,
            price=order.price, impact_bp=order.impact_bps, fills=order.fills,
            alert_id=alerts.get((order.exchange, micros(order.at))),
        )
        for order in orders
    ]  # fmt: skip


def _windows(windows: WindowsFact, alerts: Places) -> VenueWindowsDocument:
    columns = zip(
        windows.start, windows.volume, windows.close, windows.measured, windows.usual, windows.rarity, windows.state,
        strict=True,
    )  # fmt: skip
    return VenueWindowsDocument(
        exchange=windows.exchange,
        measure=windows.measure,
        scale=windows.scale,
        threshold=windows.threshold,
        rows=[
            WindowDocument(
                start=_time(start), volume=volume, close=close, measured=measured, usual=usual, rarity=rarity,
                state=state, alert_id=alerts.get((windows.exchange, start)),
            )
            for start, volume, close, measured, usual, rarity, state in columns
        ],
    )  # fmt: skip


def _pair(pair: PairFact) -> PairDocument:
    columns = zip(pair.start, pair.raw, pair.net, pair.fees, pair.state, strict=True)
    return PairDocument(
        exchange_a=pair.exchange_a,
        symbol_a=pair.symbol_a,
        exchange_b=pair.exchange_b,
        symbol_b=pair.symbol_b,
        rows=[
            SpreadDocument(start=_time(start), raw_pct=raw, net_pct=net, fees_pct=fees, state=state)
            for start, raw, net, fees, state in columns
        ],
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
