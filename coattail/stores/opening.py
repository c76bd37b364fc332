"""The stores of a home, each opened in one place: which implementation serves is decided here, and nowhere else."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coattail.config import Settings
    from coattail.home import Home
    from coattail.stores.cloudwatch import CloudWatch
    from coattail.stores.dlq import DeadLetters
    from coattail.stores.hot import HotStore
    from coattail.stores.lake import Lake
    from coattail.stores.lease import Lease
    from coattail.stores.outline import Outlines
    from coattail.stores.replies import Replies

PATIENCE = timedelta(seconds=30)


def open_lake(home: Home, settings: Settings, *, writable: bool = False) -> Lake:
    """The tables of a home. Nothing is read or made before it is asked for; `Lake.close` ends it.

    `writable`: whether tables may be made and rows committed; without it, a catalog that is missing is not made.
    """
    from coattail.stores.lake import Lake

    return Lake(lake_properties(home, settings), writable=writable)


def lake_properties(home: Home, settings: Settings) -> dict[str, str]:
    """What PyIceberg's `load_catalog` takes for the lake of a home: its own folder, or where its settings say."""
    from coattail.stores.catalog import embedded

    found = {**embedded(home.path), **settings.lake}
    if found["warehouse"].startswith("s3:"):
        found.setdefault("py-io-impl", "coattail.stores.one_put.OnePutFileIO")
    return found


def open_outlines(home: Home, settings: Settings) -> Outlines:
    """How the tables of a home stand, read without opening the lake."""
    from coattail.stores.outline import Outlines

    return Outlines(lake_properties(home, settings))


def open_hot(home: Home, settings: Settings, *, writable: bool = False, patience: timedelta = PATIENCE) -> HotStore:
    """The newest alerts, and what engine and maintenance say of themselves. `HotStore.close` ends it.

    `writable`: whether anything may be put there; without it, a store that is missing is empty, and is not made.
    `patience`: how long to wait for a store that somebody has locked for himself.
    Raises: ConfigError: If `hot.url` makes no sense, or what it needs is not installed.
    """
    if settings.hot.url is not None:
        return hot_at(settings.hot.url, ttl=settings.hot.ttl)
    from coattail.stores.hot_sqlite import SqliteHotStore

    return SqliteHotStore(home.hot_db, ttl=settings.hot.ttl, writable=writable, patience=patience)


def hot_at(url: str, *, ttl: timedelta = timedelta(hours=24)) -> HotStore:
    """The hot store at an address, dynamodb://TABLE; `ttl`: how long alerts live that are put there.

    Raises: ConfigError: If it makes no sense, or what it needs is not installed.
    """
    from coattail.service_url import service_url
    from coattail.stores.hot_dynamo import DynamoHotStore

    at = service_url("hot.url", url, scheme="dynamodb", what="table")
    return DynamoHotStore(at.name, region=at.region, endpoint=at.endpoint, ttl=ttl)


def no_hot() -> HotStore:
    """A hot store that is empty and stays so."""
    from coattail.stores.hot_sqlite import SqliteHotStore

    return SqliteHotStore(None, writable=False)


def open_lease(home: Home, settings: Settings) -> Lease:
    """Who may write to the place: one engine alone.

    Raises: ConfigError: If `lease.url` makes no sense, or what it needs is not installed.
    """
    setting, url = ("lease.url", settings.lease.url) if settings.lease.url else ("hot.url", settings.hot.url)
    if url is None:
        from coattail.stores.lease import HomeLease

        return HomeLease(home)
    from coattail.service_url import service_url
    from coattail.stores.dynamo import DynamoTable
    from coattail.stores.lease_dynamo import DynamoLease

    at = service_url(setting, url, scheme="dynamodb", what="table")
    table = DynamoTable(at.name, region=at.region, endpoint=at.endpoint, setting=setting)
    return DynamoLease(table, home, expires=settings.lease.expires)


def open_letters(home: Home, settings: Settings) -> DeadLetters:
    """The rejected records. Nothing is made before one is written.

    Raises: ConfigError: If `dlq.url` makes no sense, or what it needs is not installed.
    """
    if settings.dlq.url is not None:
        from coattail.service_url import bucket_url
        from coattail.stores.dlq_bucket import BucketDeadLetters

        return BucketDeadLetters(bucket_url("dlq.url", settings.dlq.url))
    from coattail.stores.dlq_folder import FolderDeadLetters

    return FolderDeadLetters(home.dlq)


def open_metrics(settings: Settings) -> CloudWatch | None:
    """Where an engine says what it counts, besides the table `quality_metrics`; None: nowhere.

    Raises: ConfigError: If `metrics.url` makes no sense, or what it needs is not installed.
    """
    if settings.metrics.url is None:
        return None
    from coattail.service_url import service_url
    from coattail.stores.cloudwatch import CloudWatch

    return CloudWatch(service_url("metrics.url", settings.metrics.url, scheme="cloudwatch", what="namespace"))


def open_replies(home: Home, *, writable: bool = False) -> Replies:
    """What people said of alerts. `Replies.close` ends it.

    `writable`: whether something may be said; without it, a file that is missing is empty, and is not made.
    """
    from coattail.stores.replies import Replies

    return Replies(home.notify_db, writable=writable)
