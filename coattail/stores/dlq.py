"""The dead letter queue: every rejected record with all its reasons and its payload."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from coattail.landing.decode import Undecodable
    from coattail.stores.hot import RefusedAlert

FOLDERS = ("malformed", "incomplete", "invalid", "stream")
"""Why a record was rejected; `stream` holds entries of the stream that were not records at all."""
ALERT = "alert"
"""Where alerts are that the hot store cannot hold. They are no records: nothing that counts records counts them."""


class DeadLetters(ABC):
    """Rejected records, keyed by (stream's identity, lane, offset, index).

    Delivery: rows are stored when `write` returns. A crash may write a row again: readers get one per key. A row of a
    version that did not write down the stream is the same as one that did if position and payload are equal.
    """

    @abstractmethod
    def write(self, rejected: pl.DataFrame, undecodable: Iterable[Undecodable], *, stream: str, now: datetime) -> None:
        """Add the rejected records (`REJECTED_SCHEMA`) and undecodable entries of one batch of the stream."""

    @abstractmethod
    def write_alerts(self, refused: Sequence[RefusedAlert], *, now: datetime) -> None:
        """Add alerts that the hot store cannot hold, each revision of one under a key of its own."""

    @abstractmethod
    def rows(
        self, *, folder: str | None = None, since: datetime | None = None, stored_since: datetime | None = None
    ) -> Iterator[dict[str, Any]]:
        """Rejected records, newest first, one per key; those of one of `FOLDERS` if it is named, or of `ALERT`.

        since: Leaves out days before the one of this time, by the `now` of the writer; None: all that are kept.
        stored_since: Leaves out what was stored before, by the clock of the store; None: all that are kept.
        """

    @abstractmethod
    def summary(self) -> dict[str, dict[str, int]]:
        """Rows by folder and reason name, those of `ALERT` too.

        Asked again of the same object, it reads only what has been added since."""

    @abstractmethod
    def write_summary(self, *, now: datetime) -> None:
        """Refresh the summary that people find beside the rows."""

    @abstractmethod
    def purge(self, *, keep: timedelta, now: datetime, dry_run: bool = False) -> int:
        """Remove whole days that were written more than `keep` ago; returns how many folders of a day went.

        Time counts by the clock from when we wrote, so that rejected rows of a replayed old day stay as long as others.
        Others may read, write and purge meanwhile. `dry_run` counts only.
        """
