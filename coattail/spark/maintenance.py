"""Iceberg's own maintenance procedures, in a Spark session that has the lakehouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from coattail.errors import SparkError
from coattail.stores.catalog import NAMESPACE

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LEAST_ORPHAN_AGE = timedelta(hours=24)
"""Iceberg's procedure refuses to remove younger files."""


@dataclass(frozen=True)
class Rewritten:
    """Files and bytes that `rewrite_data_files` replaced."""

    files_before: int
    files_after: int
    bytes_before: int


def rewrite_data_files(session: SparkSession, name: str, *, sorted_by: Sequence[str], target_bytes: int) -> Rewritten:
    """Rewrite small files, sorted; the snapshot it makes says `replace` and carries no property of coattail."""
    options = f"map('target-file-size-bytes', '{target_bytes}', 'min-input-files', '2')"
    order = f", strategy => 'sort', sort_order => '{', '.join(sorted_by)}'" if sorted_by else ""
    (row,) = _call(session, "rewrite_data_files", f"table => '{_full(name)}'{order}, options => {options}")
    return Rewritten(row["rewritten_data_files_count"], row["added_data_files_count"], row["rewritten_bytes_count"])


def rewrite_manifests(session: SparkSession, name: str) -> None:
    """Make few manifests of many."""
    _call(session, "rewrite_manifests", f"table => '{_full(name)}', use_caching => false")


def expire_snapshots(session: SparkSession, name: str, *, keep: int, now: datetime) -> int:
    """Forget all but the newest `keep` snapshots and those that tags and branches hold, and delete what only the
    forgotten ones named; returns how many data files that were."""
    older_than = f"older_than => TIMESTAMP '{_time(now)}', retain_last => {keep}"
    (row,) = _call(session, "expire_snapshots", f"table => '{_full(name)}', {older_than}")
    return int(row["deleted_data_files_count"])


def remove_orphan_files(session: SparkSession, name: str, *, older_than: timedelta, now: datetime) -> list[str]:
    """Delete files of the table's folder that nothing names; returns their paths. `older_than` is 24 h at least."""
    before = f"older_than => TIMESTAMP '{_time(now - older_than)}'"
    rows = _call(session, "remove_orphan_files", f"table => '{_full(name)}', {before}")
    return sorted(row["orphan_file_location"] for row in rows)


def _call(session: SparkSession, procedure: str, arguments: str) -> list[Any]:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        return list(session.sql(f"CALL {NAMESPACE}.system.{procedure}({arguments})").collect())
    except (PySparkException, Py4JError) as error:
        first = str(error).splitlines() or [type(error).__name__]
        reason = next((line for line in first if "Exception" in line), first[0])
        raise SparkError(
            f"Iceberg's procedure {procedure} failed ({reason.strip()[:300]})",
            next_step="what was committed before it is kept; logs/spark.log in the home has the rest",
        ) from error


def _full(name: str) -> str:
    """Catalog and namespace have one name, so a table's needs both to be understood."""
    return f"{NAMESPACE}.{NAMESPACE}.{name}"


def _time(when: datetime) -> str:
    """As SQL writes it, in the session's time zone, UTC."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
