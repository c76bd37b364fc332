"""Facts for serving: what an engine says of the market in the hot store, small enough to be read with every request.

Names: `symbol:BTC-USDT` (`SymbolFact`), `asset:BTC` (`AssetFact`), and `market` (`MarketFact`). Series are columns of
equal length, by time, so that two venues of a symbol are about 6 kB. Prices and volumes are in quote units.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec

if TYPE_CHECKING:
    from coattail.stores.hot import HotStore

T = TypeVar("T")

SYMBOL, ASSET, MARKET = "symbol:", "asset:", "market"
WINDOWS, SPREADS, ORDERS, GAPS = 60, 120, 20, 20
"""At most so many windows of a minute and venue, half minutes of a pair, large orders of a symbol, gaps of it."""
PAIRS = 4
"""At most so many pairs of venues of an asset: the widest apart."""

Seconds = Annotated[int, msgspec.Meta(description="since 1970 UTC")]


class VenueFact(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol at one venue."""

    exchange: str
    price: float
    """Of its newest trade."""
    at: datetime
    """When that was."""
    change_1h_pct: float | None
    """Against the last price that is an hour older; None where nothing is known of then."""
    volume_1h: float
    """Quote units, in the last hour of the venue's own time."""
    trades_1h: int
    coverage_pct: float | None
    """Of its trade ids since the first that landed, rounded down to a thousandth; None where ids are only unique."""
    missing: int
    """Trade ids."""


class WindowsFact(msgspec.Struct, frozen=True, kw_only=True):
    """The last hour of a symbol at one venue, minute by minute; the last one may still be open."""

    exchange: str
    start: list[Seconds]
    volume: list[float]
    close: list[float | None]
    """Price of the last trade; None in a minute without one."""
    measured: list[float | None]
    """What is judged: see `measure`. None where it was not, or not yet."""
    usual: list[float | None]
    rarity: list[float | None]
    """See `scale`."""
    state: list[str]
    """judged, open, or why it was not judged: partial (ids missing), short_history, flat_history, idle, stalled."""
    measure: str
    """orders or volume."""
    scale: str
    """return_days: once in so many days; or z_score: standard deviations."""
    threshold: float | None
    """Of `rarity`, from which it is an alert; None where no detector says so."""


class OrderFact(msgspec.Struct, frozen=True, kw_only=True):
    """A large order: fills of one taker."""

    exchange: str
    at: datetime
    side: str
    fills: int
    notional: float
    """Quote units."""
    dollars: float | None
    """None where no rate is known."""
    price: float
    """Of its last fill."""
    impact_bps: float | None
    """How far it moved the price, in its direction, in hundredths of a percent."""


class GapFact(msgspec.Struct, frozen=True, kw_only=True):
    """A hole in the trade ids: something is missing between two trades."""

    exchange: str
    since: datetime | None
    """Time of the trade before it."""
    until: datetime | None
    """Time of the trade behind it."""
    trades: int
    """How many are missing."""
    cause: str | None


class SymbolFact(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a symbol now."""

    symbol: str
    base: str
    venues: list[VenueFact]
    windows: list[WindowsFact]
    """Those with most volume first."""
    orders: list[OrderFact]
    """The newest first."""
    gaps: list[GapFact]
    """Those of the last day, the newest first."""


class PairFact(msgspec.Struct, frozen=True, kw_only=True):
    """Two venues of an asset, half minute by half minute; percent, a against b."""

    exchange_a: str
    symbol_a: str
    exchange_b: str
    symbol_b: str
    start: list[Seconds]
    raw: list[float | None]
    net: list[float | None]
    """Less what stablecoins and a future's basis account for; None by the preset `classic`."""
    fees: list[float | None]
    """What trading it would cost at both venues."""
    state: list[str]


class AssetFact(msgspec.Struct, frozen=True, kw_only=True):
    """The spreads of an asset between venues."""

    base: str
    pairs: list[PairFact]
    """The widest apart first."""


class FreshnessFact(msgspec.Struct, frozen=True, kw_only=True):
    """How far a venue has come."""

    exchange: str
    newest: datetime
    symbols: int
    trades_1h: int
    missing: int


class MarketFact(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of all that lands here."""

    newest: datetime | None
    """Time of the newest trade; None before the first."""
    venues: list[FreshnessFact]
    symbols: int
    quality_score: float | None
    """Landed of landed and rejected, percent; None before the first trade."""
    coverage_pct: float | None
    """Of all trade ids, rounded down to a thousandth."""
    open_gaps: int
    missing: int
    simulated: bool
    """Whether the trades come from a simulated market."""
    preset: str
    version: str
    """Of coattail."""


def said(hot: HotStore, name: str, kind: type[T]) -> tuple[T, datetime] | None:
    """The fact of that name and when it was written; None if no engine has said it."""
    found = hot.facts(name).get(name)
    return None if found is None else (msgspec.json.decode(found[0], type=kind), found[1])
