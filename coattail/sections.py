"""The sections of the settings: what each key is, and of which type. `config` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from coattail.values import Fraction, NotNegative, Positive, RestHost, Size, Symbol, WebSocketHost


@dataclass(frozen=True, kw_only=True)
class TimeSettings:
    """When a window closes."""

    lateness: NotNegative[timedelta]
    idle_limit: Positive[timedelta]


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """The rhythm of an engine."""

    trigger: NotNegative[timedelta]
    batch_bytes: Positive[Size]
    derived_commit_every: NotNegative[timedelta]
    keep_snapshots: Positive[int]


@dataclass(frozen=True, kw_only=True)
class SparkSettings:
    """The Spark engine."""

    cores: Positive[int] | None
    """None: all of this machine's."""
    driver_memory: Positive[Size]
    batch_bytes: Positive[Size]


@dataclass(frozen=True, kw_only=True)
class QualitySettings:
    """What a valid and a timely trade is."""

    late_after: NotNegative[timedelta]
    quote_volume_tolerance: Fraction
    symbols: tuple[Symbol, ...] | None
    """None: any canonical symbol."""
    earliest: datetime
    future_tolerance: NotNegative[timedelta]


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """Where packs wait between producers and engines."""

    url: str | None
    """None: the local stream of the home."""
    retention: NotNegative[timedelta]


@dataclass(frozen=True, kw_only=True)
class JobsSettings:
    """Who runs jobs that are submitted."""

    url: str | None
    """None: processes of this machine."""


@dataclass(frozen=True, kw_only=True)
class DlqSettings:
    """Rejected rows."""

    url: str | None
    """None: a folder of the home; else s3://BUCKET/FOLDER?region=eu-central-1."""
    retention: NotNegative[timedelta]


@dataclass(frozen=True, kw_only=True)
class HotSettings:
    """The hot store."""

    url: str | None
    """None: a file of the home; else a table of DynamoDB: dynamodb://TABLE?region=eu-central-1."""
    ttl: Positive[timedelta]


@dataclass(frozen=True, kw_only=True)
class LeaseSettings:
    """That one engine alone runs."""

    url: str | None
    """None: the table of `hot.url`, if that is one, else a lock of the home; or dynamodb://TABLE?region=eu-central-1."""
    expires: Positive[timedelta]


@dataclass(frozen=True, kw_only=True)
class MetricsSettings:
    """Where an engine counts aloud, besides the table `quality_metrics`."""

    url: str | None
    """None: nowhere; or cloudwatch://NAMESPACE?region=eu-central-1."""


@dataclass(frozen=True, kw_only=True)
class SqlSettings:
    """Who answers SQL."""

    url: str | None
    """None: DuckDB on this machine; or athena://WORKGROUP?region=eu-central-1."""


@dataclass(frozen=True, kw_only=True)
class MaintenanceSettings:
    """Maintenance beside a live engine."""

    every: Positive[timedelta] | None
    """None: never."""


@dataclass(frozen=True, kw_only=True)
class ExchangeSettings:
    """What is heard of an exchange, and where it is reached."""

    symbols: tuple[Symbol, ...] = ()
    """Instruments that `run` and `produce` listen to; none: they leave the exchange out."""
    channel: str = ""
    """Which of its feeds of trades is listened to: `trade` or `aggTrade` of Binance, `matches` or `market_trades` of
    Coinbase; empty: the first."""
    rest_host: RestHost | None = None
    """None: the exchange's own."""
    websocket_host: WebSocketHost | None = None
    """None: the exchange's own."""


@dataclass(frozen=True, kw_only=True)
class NotifySettings:
    """Alerts that reach people."""

    max_age: Positive[timedelta]
    """What was written longer ago than this is not sent any more."""
    sinks: Mapping[str, Mapping[str, object]] = field(default_factory=dict, repr=False)
    """Name -> where it goes, as it is written, which may be secret; `coattail.notify.sinks_of` reads them."""


@dataclass(frozen=True, kw_only=True)
class LiveSettings:
    """Listening to exchanges."""

    resume_within: NotNegative[timedelta]
    """A run fetches what was missed since the one before, if that ended at most this long ago."""
    least_free: Size
    """Disk that is left free: with less it stops."""
