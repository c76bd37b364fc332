"""Second implementations of the ports, in memory: nothing above a port knows which one it has."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import polars as pl

from coattail.alerts import RETRACTED, Alert
from coattail.landing.decode import Undecodable
from coattail.stores.dlq import ALERT, FOLDERS, DeadLetters
from coattail.stores.dlq_files import refused_rows
from coattail.stores.hot import (
    LASTING,
    AlertCount,
    Complete,
    HotStore,
    RefusedAlert,
    Revision,
    StoredAlert,
    Swept,
    Wanted,
)


@dataclass
class MemoryHotStore(HotStore):
    """Alerts and facts in two dictionaries, which all objects of one store share."""

    ttl: timedelta
    stored: dict[str, tuple[StoredAlert, datetime]] = field(default_factory=dict)
    """Alert id -> the alert, and until when it lives."""
    noted: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)
    said: dict[str, dict[int, Revision]] = field(default_factory=dict)
    claims: list[Complete] = field(default_factory=list)
    """The one claim, if there is one."""

    def put_alerts(self, alerts: Sequence[Alert], *, now: datetime) -> list[RefusedAlert]:
        if any(getattr(a, name) is None for a in alerts for name in ("details", "message")):
            raise TypeError("an alert without details or message")
        for alert in alerts:
            known = self.stored.get(alert.alert_id)
            if known is None or known[1] < now or known[0].alert.revision < alert.revision:
                self.stored[alert.alert_id] = StoredAlert(alert, now), now + self.ttl
            if known is not None and known[1] < now:
                self.said.pop(alert.alert_id, None)
            said = {name: getattr(alert, name) for name in ("revision", "severity", "status", "message")}
            of = self.said.setdefault(alert.alert_id, {})
            of.setdefault(alert.revision, Revision(**said, recorded_at=now))
        return []

    def alerts(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        written_after: datetime | None = None,
        now: datetime,
    ) -> list[StoredAlert]:
        found = [
            s
            for s, until_when in self.stored.values()
            if until_when >= now
            and (since is None or s.alert.detected_at >= since)
            and (until is None or s.alert.detected_at < until)
            and (written_after is None or s.recorded_at > written_after)
        ]
        return sorted(sorted(found, key=lambda s: s.alert.alert_id), key=lambda s: s.alert.detected_at, reverse=True)

    def page(self, wanted: Wanted, *, limit: int, now: datetime) -> list[StoredAlert]:
        same = (("alert_type", wanted.alert_type), ("symbol", wanted.symbol), ("exchange", wanted.exchange))
        of = (("severity", wanted.severities), ("status", wanted.statuses))
        found = [
            s
            for s in self.alerts(since=wanted.since, until=wanted.until, now=now)
            if all(value in (None, getattr(s.alert, name)) for name, value in same)
            and all(these is None or getattr(s.alert, name) in these for name, these in of)
            and (
                wanted.after is None
                or s.alert.detected_at < wanted.after[0]
                or (s.alert.detected_at == wanted.after[0] and s.alert.alert_id > wanted.after[1])
            )
        ]
        return found[:limit]

    def alert(self, alert_id: str, *, now: datetime) -> StoredAlert | None:
        return next((s for s in self.alerts(now=now) if s.alert.alert_id == alert_id), None)

    def revisions(self, alert_id: str) -> list[Revision]:
        return [revision for _, revision in sorted(self.said.get(alert_id, {}).items())]

    def tally(self, *, since: datetime | None = None, now: datetime) -> list[AlertCount]:
        times: dict[tuple[str, str, str], list[datetime]] = {}
        for alert in (s.alert for s in self.alerts(since=since, now=now) if s.alert.status != RETRACTED):
            times.setdefault((alert.symbol, alert.alert_type, alert.severity), []).append(alert.detected_at)
        return [AlertCount(*key, len(those), max(those)) for key, those in sorted(times.items())]

    def claim(self, complete: Complete) -> None:
        self.claims[:] = [complete]

    def carry(self, snapshot: int | None) -> None:
        self.claims[:] = [Complete(snapshot, c.after) for c in self.claims]

    def complete(self, *, now: datetime) -> Complete | None:
        over = [s.alert.detected_at for s, until in self.stored.values() if until < now]
        for claim in self.claims:
            return Complete(claim.snapshot, max([*over, claim.after or over[0]]) if over else claim.after)
        return None

    def put_facts(self, facts: Mapping[str, Any], *, now: datetime) -> None:
        self.noted |= {name: (msgspec.json.encode(value), now) for name, value in facts.items()}

    def fact(self, name: str) -> tuple[dict[str, Any], datetime] | None:
        found = self.noted.get(name)
        return None if found is None else (json.loads(found[0]), found[1])

    def facts(self, prefix: str) -> dict[str, tuple[bytes, datetime]]:
        return {name: found for name, found in sorted(self.noted.items()) if name.startswith(prefix)}

    def sweep(self, *, now: datetime) -> Swept:
        alerts = [i for i, (_, until) in self.stored.items() if until < now]
        facts = [n for n, (_, at) in self.noted.items() if n not in LASTING and at < now - self.ttl]
        if self.claims and (gone := [self.stored[i][0].alert.detected_at for i in alerts]):
            self.claims[:] = [Complete(c.snapshot, max([*gone, c.after or gone[0]])) for c in self.claims]
        for identity in alerts:
            del self.stored[identity]
            del self.said[identity]
        for name in facts:
            del self.noted[name]
        return Swept(len(alerts), len(facts))

    def close(self) -> None:
        pass


@dataclass
class MemoryDeadLetters(DeadLetters):
    """Rows in one list, which all objects of one store share."""

    kept: list[tuple[datetime, datetime, dict[str, Any]]] = field(default_factory=list)
    """When the writer says it was, when it was, and the row."""

    def write(self, rejected: pl.DataFrame, undecodable: Iterable[Undecodable], *, stream: str, now: datetime) -> None:
        entries = [
            {
                "stream_lane": u.lane, "stream_offset": u.offset, "stream_index": u.index, "reason": "stream",
                "reasons": ["undecodable"], "error": u.error, "payload_base64": base64.b64encode(u.data).decode(),
            }
            for u in undecodable
        ]  # fmt: skip
        for row in [*rejected.to_dicts(), *entries]:
            self.kept.append((now, datetime.now(UTC), {"stream_id": stream, **row}))

    def write_alerts(self, refused: Sequence[RefusedAlert], *, now: datetime) -> None:
        for row in refused_rows(refused):
            self.kept.append((now, datetime.now(UTC), row))

    def rows(
        self, *, folder: str | None = None, since: datetime | None = None, stored_since: datetime | None = None
    ) -> Iterator[dict[str, Any]]:
        seen = set()
        for now, stored, row in sorted(self.kept, key=lambda k: k[0], reverse=True):
            key = tuple(row[name] for name in ("stream_id", "stream_lane", "stream_offset", "stream_index"))
            if (
                key not in seen
                and row["reason"] in ([folder] if folder else FOLDERS)
                and (since is None or _day(now) >= _day(since))
                and (stored_since is None or stored >= stored_since)
            ):
                seen.add(key)
                yield row

    def summary(self) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = {}
        for row in [*self.rows(), *self.rows(folder=ALERT)]:
            for reason in row["reasons"]:
                by_reason = counts.setdefault(row["reason"], {})
                by_reason[reason] = by_reason.get(reason, 0) + 1
        return counts

    def write_summary(self, *, now: datetime) -> None:
        pass

    def purge(self, *, keep: timedelta, now: datetime, dry_run: bool = False) -> int:
        expired = [k for k in self.kept if _day(k[0]) < _day(now - keep)]
        if not dry_run:
            self.kept[:] = [k for k in self.kept if k not in expired]
        return len({(_day(now), row["reason"]) for now, _, row in expired})


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
