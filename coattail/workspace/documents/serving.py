"""What the API answers with, besides alerts themselves.

Times are the market's: "24 hours" and "an hour" count back from the newest trade. Prices and volumes are in quote
units. What is not known is null.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from coattail.alerts import DISCLAIMER
from coattail.workspace.documents.alerts import AlertDocument, AlertsDocument
from coattail.workspace.documents.explained import EvidenceDocument, RevisionDocument

# -- alerts ------------------------------------------------------------------------------------------------------


class ServedAlertsDocument(AlertsDocument, frozen=True, kw_only=True):
    """A page of alerts, as the hot store holds them."""

    newest_recorded_at: datetime | None
    """When the newest of these was written; None on an empty page."""
    known: bool
    """Whether anybody knows which alerts the hot store holds all of; no engine has said so where not."""
    complete_after: datetime | None
    """Alerts that were detected later than this are all here, older ones may be in the tables only; None: all are."""


class SaidRevisionDocument(RevisionDocument, frozen=True, kw_only=True):
    """One revision of an alert, with what it said."""

    message: str


class WhyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is an alert, and how to check it."""

    sentences: list[str]
    """How often it fired, what was measured, and what it was computed from; as far as the hot store knows."""
    command: str
    """Says what the numbers mean, and computes it again from the tables, where these are."""


class AlertDetailDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One alert with what it was computed from, and what it said before."""

    alert: AlertDocument
    evidence: EvidenceDocument | None
    """None where none was kept with it."""
    revisions: list[SaidRevisionDocument]
    """Those that the hot store has seen, oldest first."""
    explain: WhyDocument
    disclaimer: str = DISCLAIMER


# -- a symbol ----------------------------------------------------------------------------------------------------


class PriceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The newest trade of a symbol at one venue."""

    price: float
    at: datetime
    change_1h_pct: float | None
    """Against the last price that is an hour older."""


class WhaleDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A large order: fills of one taker."""

    at: datetime
    exchange: str
    side: str
    """The taker's: buy or sell."""
    notional: float
    """Quote units."""
    dollars: float | None
    """None where no rate is known."""
    price: float
    """Of its last fill."""
    impact_bp: float | None
    """How far it moved the price, in its direction, in hundredths of a percent."""
    fills: int
    alert_id: str | None
    """The alert about it; None where there is none."""


class WindowDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One minute."""

    start: datetime
    volume: float
    close: float | None
    """Price of its last trade; None without one."""
    measured: float | None
    """What is judged, see `measure`; None where it was not."""
    usual: float | None
    """The same, as it usually is."""
    rarity: float | None
    """See `scale`."""
    state: str
    """judged, open, or why it was not judged: partial (ids missing), short_history, flat_history, idle, stalled."""
    alert_id: str | None
    """An alert about volume that was detected in it, at its end included; None where there is none."""


class VenueWindowsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The last hour at one venue, minute by minute."""

    exchange: str
    measure: str
    """orders or volume."""
    scale: str
    """return_days: once in so many days; or z_score: standard deviations."""
    threshold: float | None
    """Of `rarity`, from which it is an alert; None where no detector says so."""
    rows: list[WindowDocument]
    """At most 60, oldest first."""


class SpreadDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Half a minute of two venues, a against b; percent."""

    start: datetime
    raw_pct: float | None
    net_pct: float | None
    """Less what stablecoins and a future's basis account for."""
    fees_pct: float | None
    """What trading it would cost at both venues."""
    state: str


class PairDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The spread between two venues of an asset."""

    exchange_a: str
    symbol_a: str
    exchange_b: str
    symbol_b: str
    rows: list[SpreadDocument]
    """At most 120, oldest first."""


class HoleDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Trades that are missing between two that are here."""

    exchange: str
    since: datetime | None
    """Time of the trade before."""
    until: datetime | None
    """Time of the trade after."""
    trades: int
    """How many are missing."""
    cause: str | None


class MetricsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol now, by venue, and its last hour."""

    symbol: str
    base: str
    price: dict[str, PriceDocument]
    """Exchange -> its newest trade."""
    change_1h_pct: float | None
    """At the venue with most volume."""
    spread_pct: float | None
    """The newest spread of the asset that was measured, between the venues that are widest apart."""
    net_spread_pct: float | None
    """The same, less what stablecoins and a future's basis account for."""
    volume_1h: dict[str, float]
    """Exchange -> volume."""
    anomaly_count_24h: int
    """Alerts of the symbol that stand."""
    last_whale: WhaleDocument | None
    whales: list[WhaleDocument]
    """At most 20, newest first."""
    windows: list[VenueWindowsDocument]
    """The venue with most volume first."""
    spreads: list[PairDocument]
    """Of the asset; those widest apart first."""
    gaps: list[HoleDocument]
    """Those of the last day, at most 20, newest first."""
    coverage_pct: dict[str, float | None]
    """Exchange -> share of its trade ids that are here; None where ids do not say."""
    missing: dict[str, int]
    """Exchange -> trade ids that are missing."""
    updated_at: datetime
    """When an engine last wrote this."""
    disclaimer: str = DISCLAIMER


class SymbolDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol that has trades here."""

    symbol: str
    base: str
    exchanges: list[str]
    last_trade_at: datetime | None
    price: float | None
    """Of its newest trade."""
    volume_1h: float
    """Of all venues."""
    alerts_24h: int
    """Those that stand."""


class SymbolsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The symbols that have trades here."""

    symbols: list[SymbolDocument]
    """Those with most alerts first, then by name."""
    count: int
    disclaimer: str = DISCLAIMER


# -- health ------------------------------------------------------------------------------------------------------


Status = Literal["live", "stale", "stopped", "empty"]


class BeatDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The engine, as it reported last."""

    state: Literal["running", "stopped", "never"]
    command: str | None
    kind: str | None
    """local or spark."""
    commit: int | None
    """The newest of raw_trades."""
    heartbeat_at: datetime | None


class ConservedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What became of every record that was received, since the home was made."""

    received: int
    landed: int
    rejected: int
    duplicates: int
    late: int
    """Of the landed ones."""
    holds: bool
    """Whether received = landed + rejected + duplicates."""


class VenueHealthDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How far a venue has come."""

    exchange: str
    newest: datetime
    behind_seconds: float
    """From its newest trade to the newest of all venues."""
    symbols: int
    trades_1h: int
    missing: int
    """Trade ids."""


class SeverityCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of the last 24 hours that stand."""

    low: int = 0
    medium: int = 0
    high: int = 0
    critical: int = 0


class TrackRecordDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How well a detector found what was planted in simulated markets."""

    module: str
    preset: str
    figures: dict[str, str]
    """Name -> value with its interval, as the scorecard says it."""


class ServingHealthDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How the system is."""

    status: Status
    """live: an engine runs and trades come; stale: it runs, and none came of late; stopped: none runs; empty: nothing
    has landed."""
    engine: BeatDocument
    newest_trade: datetime | None
    watermark: datetime | None
    """Verdicts are final up to here."""
    lag_seconds: float | None
    """From the newest trade to the engine's last report; None for a simulated market, whose time is its own."""
    backlog_bytes: int | None
    """What waits in the stream, compressed."""
    totals: ConservedDocument | None
    quality_score: float | None
    """Landed of landed and rejected, percent."""
    coverage_pct: float | None
    """Share of all trade ids that are here."""
    open_gaps: int
    missing: int
    """Trade ids in gaps."""
    symbols: int
    venues: list[VenueHealthDocument]
    alerts_24h: SeverityCounts
    simulated: bool
    preset: str | None
    track_record: list[TrackRecordDocument]
    """Of the detectors of this preset; empty where it was not measured."""
    version: str
    """Of coattail: the one that answers."""
    disclaimer: str = DISCLAIMER


# -- errors ------------------------------------------------------------------------------------------------------


class ErrorDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no other answer."""

    error: str
    """For programs: bad_request, unknown_symbol, not_found, expired, too_many_requests, unavailable, …"""
    message: str
    next_step: str
    field: str | None = None
    """The parameter that is wrong; None where it is none."""
