"""The hot store: current alerts with their evidence, facts for serving, the engine's heartbeat. Small and fast."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from coattail.alerts import Alert

LASTING = ("engine", "maintenance", "catalog")
"""Facts about the home itself: they are replaced, and never swept."""


@dataclass(frozen=True, slots=True)
class Swept:
    """How much was removed because its time was over."""

    alerts: int
    facts: int


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert as the hot store holds it."""

    alert: Alert
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What one revision of an alert said."""

    revision: int
    severity: str
    status: str
    message: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which alerts a page shows; None means any."""

    alert_type: str | None = None
    symbol: str | None = None
    exchange: str | None = None
    severities: Sequence[str] | None = None
    """One of these."""
    statuses: Sequence[str] | None = None
    """One of these."""
    since: datetime | None = None
    """detected_at is this or later."""
    until: datetime | None = None
    """detected_at is before it."""
    after: tuple[datetime, str] | None = None
    """Detected_at and id of the last alert of the page before: this page goes on behind it."""


@dataclass(frozen=True, slots=True)
class AlertCount:
    """How many current alerts there are of one symbol, type and severity, and when the newest was detected."""

    symbol: str
    alert_type: str
    severity: str
    count: int
    newest: datetime


@dataclass(frozen=True, slots=True)
class Complete:
    """Which alerts the store holds all of: those with detected_at > `after`, while the table is at `snapshot`."""

    snapshot: int | None
    """The newest snapshot of `anomaly_alerts` that wrote rows; None if none ever did."""
    after: datetime | None
    """None: every alert there has been, because none was removed yet."""


@dataclass(frozen=True, slots=True, order=True)
class Written:
    """That an alert was written: its newest revision, and when."""

    recorded_at: datetime
    alert_id: str
    revision: int


class RefusedAlert(NamedTuple):
    """An alert that a hot store cannot hold, however often it is put."""

    alert: Alert
    error: str
    """What the store said."""


class HotStore(ABC):
    """Delivery: a write is there when the call returns; an older revision never replaces a newer one.

    A reader that stays open sees what is written later, also by a store that was made, or made anew, after it.
    """

    @abstractmethod
    def put_alerts(self, alerts: Sequence[Alert], *, now: datetime) -> list[RefusedAlert]:
        """Store each alert unless its revision is not newer than the stored one; each lives `ttl` from now on.

        One whose time is over counts as not stored: it never keeps out another revision, whatever its number.
        Returns those that the store cannot hold, which it has logged: no revision of them is here any more, and the
        claim does not cover them, so that readers look for them in the table.
        """

    @abstractmethod
    def alerts(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        written_after: datetime | None = None,
        now: datetime,
    ) -> list[StoredAlert]:
        """Alerts of any status with since <= detected_at < until, newest first; expired ones are left out."""

    @abstractmethod
    def page(self, wanted: Wanted, *, limit: int, now: datetime) -> list[StoredAlert]:
        """The first `limit` alerts that are wanted: newest first across types, those of one moment by id.

        Pages that follow each other by `Wanted.after` hold each alert once, whatever is written meanwhile: its
        `detected_at` never changes. Time taken does not grow with the alerts that are stored, unless few fit.
        """

    @abstractmethod
    def alert(self, alert_id: str, *, now: datetime) -> StoredAlert | None:
        """The newest revision of an alert, of any status; None if there is none, or its time is over."""

    def ids(self, beginning: str, *, limit: int, now: datetime) -> list[str]:
        """The first `limit` ids of alerts that begin so, in order."""
        found = sorted(stored.alert.alert_id for stored in self.alerts(now=now))
        return [identity for identity in found if identity.startswith(beginning)][:limit]

    def written(self, after: tuple[datetime, str], *, limit: int, now: datetime) -> list[Written]:
        """The first `limit` alerts whose time of writing and id come after these two, in that order."""
        found = self.alerts(written_after=after[0] - timedelta(microseconds=1), now=now)
        said = sorted(Written(s.recorded_at, s.alert.alert_id, s.alert.revision) for s in found)
        return [one for one in said if (one.recorded_at, one.alert_id) > after][:limit]

    @abstractmethod
    def revisions(self, alert_id: str) -> list[Revision]:
        """What the revisions of an alert said that were put here, oldest first; none of one that was removed."""

    @abstractmethod
    def tally(self, *, since: datetime | None = None, now: datetime) -> list[AlertCount]:
        """Counts of the alerts with detected_at >= since that are not retracted, by symbol, type and severity."""

    @abstractmethod
    def claim(self, complete: Complete) -> None:
        """Note which alerts the store holds all of. Whatever removes one, or its time to live, narrows the claim.

        Only an engine can know: it puts every alert here before it commits it to the table.
        """

    @abstractmethod
    def carry(self, snapshot: int | None) -> None:
        """Let the claim hold for a newer snapshot of `anomaly_alerts`, all of whose alerts were put here before.

        Nothing happens where nothing was claimed.
        """

    @abstractmethod
    def complete(self, *, now: datetime) -> Complete | None:
        """Which alerts the store holds all of; None if nobody knows.

        A reader asks before and after it reads the alerts, and lastly looks at the table: if all three name the same
        snapshot, its alerts later than the last `after` are all there are.
        """

    def put_fact(self, name: str, value: Mapping[str, Any], *, now: datetime) -> None:
        """Remember something small under a name: metrics of a symbol, the engine's heartbeat."""
        self.put_facts({name: value}, now=now)

    @abstractmethod
    def put_facts(self, facts: Mapping[str, Any], *, now: datetime) -> None:
        """The same of several, whose values are anything msgspec writes as a JSON object."""

    @abstractmethod
    def fact(self, name: str) -> tuple[dict[str, Any], datetime] | None:
        """The value last put under the name and when, or None."""

    @abstractmethod
    def facts(self, prefix: str) -> dict[str, tuple[bytes, datetime]]:
        """Of every name that begins with `prefix`, by name: the JSON of the value last put there, and when."""

    def version(self) -> Hashable | None:
        """What is another one after somebody else has written here; None where that cannot be told."""
        return None

    @abstractmethod
    def sweep(self, *, now: datetime) -> Swept:
        """Remove alerts past their time to live, and facts written longer ago than that, but for `LASTING` ones."""

    @abstractmethod
    def close(self) -> None:
        """Close the store."""
