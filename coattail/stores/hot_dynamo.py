"""The hot store on DynamoDB: one table, where an alert is an item, and so are facts and what is claimed.

Items: an alert by its id and time; `fact` and its name; `claim` and `claim`, and by ten minutes of writing the latest
alert written then (`written:…`); `day` and each day that has alerts. A write is there for `alert`, `fact`, `facts` and
`complete` when the call returns; pages come from indices, which show it a moment later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from coattail.alerts import RETRACTED, Alert
from coattail.records import micros, when
from coattail.stores.dynamo import DynamoTable, Item, ItemRefused
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

log = logging.getLogger(__name__)

_FACT, _CLAIM, _DAY, _WRITTEN = "fact", "claim", "day", "written:"
_FIELDS = (
    "revision", "alert_type", "module_id", "symbol", "exchange", "severity", "status", "message", "details", "preset",
    "evidence",
)  # fmt: skip
_TOGETHER = timedelta(minutes=10)
"""Of alerts that were written in the same ten minutes it is known together which the latest was."""
_LARGEST = 380_000
"""Bytes of an item: the service takes 400 kB, names included."""
_MOST_REVISIONS = 50
"""Of an alert, told back: the newest; one revised with every batch for an hour has more."""
_HOUR = timedelta(hours=1)
_LAST = "~"
"""Behind every place."""
_IN_TIME = "#key = :key AND place BETWEEN :low AND :high"


def moment_text(moment: datetime) -> str:
    """A time whose text sorts as it does: ISO 8601 in UTC with microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def place_of(moment: datetime, alert_id: str) -> str:
    """What sorts alerts by time, those of one moment against the order of their ids: read backwards, newest first and
    by id."""
    return f"{moment_text(moment)}#{bytes(255 - b for b in alert_id.encode()).hex()}g"


class DynamoHotStore(HotStore):
    """`HotStore` on the table `name`, which must exist (`dynamo.definition`).

    region: None means as the AWS configuration says. endpoint: None means AWS' own.
    """

    def __init__(
        self, name: str, *, region: str | None = None, endpoint: str | None = None,
        ttl: timedelta = timedelta(hours=24),
    ) -> None:  # fmt: skip
        self._table = DynamoTable(name, region=region, endpoint=endpoint)
        self._ttl = ttl
        self._noted: dict[str, datetime] = {}

    # -- alerts ----------------------------------------------------------------------------------------------

    def put_alerts(self, alerts: Sequence[Alert], *, now: datetime) -> list[RefusedAlert]:
        """As promised. One that is too large is put without its evidence, which `anomaly_alerts` has."""
        if not alerts:
            return []
        items = [self._item(alert, now) for alert in alerts]
        self._note_days({item["day"] for item in items}, now)
        latest = max(alert.detected_at for alert in alerts)
        slot = now - timedelta(microseconds=micros(now) % (_TOGETHER // timedelta(microseconds=1)))
        # First what will narrow the claim: an alert that is there is never unknown to it.
        self._table.update(
            (_CLAIM, _WRITTEN + moment_text(slot)), "SET latest = :l", {":l": micros(latest)},
            condition="attribute_not_exists(latest) OR latest < :l",
        )  # fmt: skip
        put = [partial(self._held, alert, item, now) for alert, item in zip(alerts, items, strict=True)]
        return [refused for refused in self._table.together(put) if refused is not None]

    def _item(self, alert: Alert, now: datetime) -> Item:
        if not isinstance(alert.details, str) or not isinstance(alert.message, str):
            raise TypeError("an alert without details or message")
        item: Item = {name: getattr(alert, name) for name in _FIELDS}
        moment = moment_text(alert.detected_at)
        item |= {
            "place": place_of(alert.detected_at, alert.alert_id),
            "day": moment[:10],
            "written": f"{moment_text(now)}#{alert.alert_id}",
            "written_day": moment_text(now)[:10],
            "recorded_at": micros(now),
            "ttl_epoch": int((now + self._ttl).timestamp()),
        }
        if sum(len(str(value).encode()) for value in item.values()) > _LARGEST:
            item["evidence"] = None
        return item

    def _held(self, alert: Alert, item: Item, now: datetime) -> RefusedAlert | None:
        """Put an alert: if it is refused, without what older revisions said, and then without its evidence, too. What
        is refused even then is not here at all: an older revision would be taken for the alert."""
        shorter = {**item, "evidence": None}
        for given, anew in ((item, False), (item, True), (shorter, True)):
            try:
                self._put(alert, given, now, anew=anew)
            except ItemRefused as error:
                refusal = error.message
            else:
                return None
        self._narrow(micros(alert.detected_at))
        condition, values = "#r <= :r", {":r": alert.revision}
        self._table.delete(_key(alert), condition=condition, values=values, names={"#r": "revision"})
        log.error("the alert %s is not in the hot store, only in anomaly_alerts: %s", alert.alert_id, refusal)
        return RefusedAlert(alert, refusal)

    def _narrow(self, latest: int) -> None:
        """Claim no more than the alerts that were detected later (µs)."""
        self._table.update(
            (_CLAIM, _CLAIM), "SET #a = :l", {":l": latest, ":c": _CLAIM}, names={"#a": "after"},
            condition="alert_id = :c AND (attribute_not_exists(#a) OR #a < :l)",
        )  # fmt: skip

    def _put(self, alert: Alert, item: Item, now: datetime, *, anew: bool) -> None:
        """Put an alert over an older revision, and add what it says to what those said, or begin that anew; or over one
        that is over."""
        key = _key(alert)
        said = {name: item[name] for name in ("revision", "severity", "status", "message", "recorded_at")}
        names = {f"#{name}": name for name in item}
        given = {name: value for name, value in item.items() if value is not None}
        sets = ", ".join(f"#{name} = :{name}" for name in given)
        lacking = [f"#{name}" for name in item if name not in given]
        gone = f" REMOVE {', '.join(lacking)}" if lacking else ""
        values = {**{f":{name}": value for name, value in given.items()}, ":said": [said], ":now": int(now.timestamp())}
        newer = "attribute_not_exists(alert_id) OR (#revision < :revision AND #ttl_epoch >= :now)"
        first = f"SET {sets}, said = :said{gone}"
        if anew:
            done = self._table.update(key, first, values, condition=newer, names=names)
        else:
            added = f"SET {sets}, said = list_append(if_not_exists(said, :none), :said){gone}"
            done = self._table.update(key, added, {**values, ":none": []}, condition=newer, names=names)
        if not done:
            self._table.update(key, first, values, condition="#ttl_epoch < :now", names=names)

    def _note_days(self, days: set[str], now: datetime) -> None:
        """Have the days listed for longer than any alert of theirs lives; said again once an hour."""
        for day in sorted(days):
            if (noted := self._noted.get(day)) is None or now - noted > _HOUR:
                ends = int((now + self._ttl + 2 * _HOUR).timestamp())
                self._table.put({"alert_id": _DAY, "detected_at": day, "ttl_epoch": ends})
                self._noted[day] = now

    def alerts(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        written_after: datetime | None = None,
        now: datetime,
    ) -> list[StoredAlert]:
        wanted = Wanted(since=since, until=until)
        if written_after is None:
            return [_stored(item) for item in self._newest_first(wanted, now, page=0)]
        low, day = moment_text(written_after), written_after.astimezone(UTC).date()
        found: list[Item] = []
        while day <= now.astimezone(UTC).date() + timedelta(days=1):  # a clock may be ahead of this one
            condition = "written_day = :d AND written BETWEEN :low AND :high"
            values = {":d": day.isoformat(), ":low": f"{low}#{_LAST}", ":high": _LAST}
            found += self._table.query(condition, values, index="written-time-index")
            day += timedelta(days=1)
        stored = [_stored(item) for item in found if item["ttl_epoch"] >= int(now.timestamp())]
        inside = [
            s
            for s in stored
            if (since is None or s.alert.detected_at >= since) and (until is None or s.alert.detected_at < until)
        ]
        return sorted(inside, key=lambda s: place_of(s.alert.detected_at, s.alert.alert_id), reverse=True)

    def page(self, wanted: Wanted, *, limit: int, now: datetime) -> list[StoredAlert]:
        found: list[StoredAlert] = []
        for item in self._newest_first(wanted, now, page=max(limit, 25)):
            if len(found) == limit:
                break
            found.append(_stored(item))
        return found

    def _newest_first(self, wanted: Wanted, now: datetime, *, page: int, columns: Sequence[str] = ()) -> Iterator[Item]:
        """Items of the alerts that are wanted, from the index that has fewest others."""
        high = _LAST if wanted.until is None else moment_text(wanted.until)
        passed = None if wanted.after is None else place_of(*wanted.after)
        low, high = "0" if wanted.since is None else moment_text(wanted.since), min(high, passed or _LAST)
        if low > high:
            return
        where, values, names = _filter(wanted, now)
        values |= {":low": low, ":high": high}
        read = partial(self._table.query, where=where, descending=True, columns=columns, page=page)
        for index, column, value in (
            ("symbol-time-index", "symbol", wanted.symbol),
            ("type-time-index", "alert_type", wanted.alert_type),
        ):
            if value is not None:
                given = {**values, ":key": value}
                yield from _behind(read(_IN_TIME, given, index=index, names={**names, "#key": column}), passed)
                return
        for day in self._days(low[:10], high[:10]):
            given = {**values, ":key": day}
            yield from _behind(read(_IN_TIME, given, index="day-time-index", names={**names, "#key": "day"}), passed)

    def _days(self, low: str = "0", high: str = _LAST) -> list[str]:
        """The days that have had alerts of late, newest first."""
        condition, values = "alert_id = :d AND detected_at BETWEEN :low AND :high", {":low": low, ":high": high}
        days = self._table.query(condition, {":d": _DAY, **values}, descending=True)
        return [item["detected_at"] for item in days]

    def alert(self, alert_id: str, *, now: datetime) -> StoredAlert | None:
        item = self._of(alert_id)
        return None if item is None or item["ttl_epoch"] < int(now.timestamp()) else _stored(item)

    def revisions(self, alert_id: str) -> list[Revision]:
        item = self._of(alert_id)
        said = [] if item is None else item["said"][-_MOST_REVISIONS:]
        return [Revision(**{**each, "recorded_at": when(each["recorded_at"])}) for each in said]

    def _of(self, alert_id: str) -> Item | None:
        found = self._table.query("alert_id = :a", {":a": alert_id})
        return next((item for item in found if "place" in item), None)

    def tally(self, *, since: datetime | None = None, now: datetime) -> list[AlertCount]:
        columns = ("symbol", "alert_type", "severity", "status", "detected_at")
        counted: dict[tuple[str, str, str], list[datetime]] = {}
        for item in self._newest_first(Wanted(since=since), now, page=0, columns=columns):
            if item["status"] != RETRACTED:
                key = item["symbol"], item["alert_type"], item["severity"]
                counted.setdefault(key, []).append(_moment(item["detected_at"]))
        return [AlertCount(*key, len(those), max(those)) for key, those in sorted(counted.items())]

    # -- which alerts it holds all of --------------------------------------------------------------------------

    def claim(self, complete: Complete) -> None:
        after = None if complete.after is None else micros(complete.after)
        self._table.put({"alert_id": _CLAIM, "detected_at": _CLAIM, "snapshot": complete.snapshot, "after": after})

    def carry(self, snapshot: int | None) -> None:
        expression = "REMOVE #s" if snapshot is None else "SET #s = :s"
        values = {":c": _CLAIM} if snapshot is None else {":s": snapshot, ":c": _CLAIM}
        self._table.update((_CLAIM, _CLAIM), expression, values, condition="alert_id = :c", names={"#s": "snapshot"})

    def complete(self, *, now: datetime) -> Complete | None:
        """As promised. What was written in the same ten minutes is counted as over with the first of it."""
        found = list(self._table.query("alert_id = :c", {":c": _CLAIM}))
        claim = next((item for item in found if item["detected_at"] == _CLAIM), None)
        if claim is None:
            return None
        bounds = [item["latest"] for item in self._over(found, now)]
        bounds += [claim["after"]] if "after" in claim else []
        return Complete(claim.get("snapshot"), when(max(bounds)) if bounds else None)

    def _over(self, found: Sequence[Item], now: datetime) -> list[Item]:
        """The ten minutes of writing of which something may have gone."""
        edge = _WRITTEN + moment_text(now - self._ttl)
        return [item for item in found if _WRITTEN <= item["detected_at"] < edge]

    # -- facts -----------------------------------------------------------------------------------------------

    def put_facts(self, facts: Mapping[str, Any], *, now: datetime) -> None:
        def put(name: str, value: Any) -> None:
            text = msgspec.json.encode(value).decode()
            item = {"alert_id": _FACT, "detected_at": name, "value": text, "recorded_at": micros(now)}
            lasts = {} if name in LASTING else {"ttl_epoch": int((now + self._ttl).timestamp())}
            try:
                self._table.put({**item, **lasts})
            except ItemRefused as error:  # the one of before says what is no longer so
                log.error("the fact %s is not in the hot store: %s", name, error.message)
                self._table.delete((_FACT, name), condition="recorded_at <= :now", values={":now": micros(now)})

        work: list[Callable[[], object]] = [partial(put, name, value) for name, value in facts.items()]
        if work:
            self._table.together(work)

    def fact(self, name: str) -> tuple[dict[str, Any], datetime] | None:
        item = self._table.get(_FACT, name)
        return None if item is None else (msgspec.json.decode(item["value"]), when(item["recorded_at"]))

    def facts(self, prefix: str) -> dict[str, tuple[bytes, datetime]]:
        condition, values = "alert_id = :f", {":f": _FACT}
        if prefix:  # a key is never empty, nor is what it begins with
            condition, values = f"{condition} AND begins_with(detected_at, :p)", {**values, ":p": prefix}
        found = self._table.query(condition, values)
        return {item["detected_at"]: (item["value"].encode(), when(item["recorded_at"])) for item in found}

    # -- the end ---------------------------------------------------------------------------------------------

    def sweep(self, *, now: datetime) -> Swept:
        """As promised; the service removes most of it by itself, within two days, for nothing."""
        epoch = int(now.timestamp())
        over = "ttl_epoch < :now"
        found = list(self._table.query("alert_id = :c", {":c": _CLAIM}))
        gone = self._over(found, now)
        if gone:
            self._narrow(max(item["latest"] for item in gone))
        alerts = 0
        for day in self._days():
            items = self._table.query(
                "#key = :d", {":d": day, ":now": epoch}, index="day-time-index", where=over, names={"#key": "day"},
                columns=("alert_id", "detected_at"),
            )  # fmt: skip
            for item in items:
                key = item["alert_id"], item["detected_at"]
                alerts += self._table.delete(key, condition=over, values={":now": epoch})
        facts = 0
        for name, (_, at) in self.facts("").items():
            if name not in LASTING and at < now - self._ttl:
                condition, values = "recorded_at < :e", {":e": micros(now - self._ttl)}
                facts += self._table.delete((_FACT, name), condition=condition, values=values)
        for item in gone:
            self._table.delete((_CLAIM, item["detected_at"]), condition="alert_id = :c", values={":c": _CLAIM})
        return Swept(alerts, facts)

    def close(self) -> None:
        self._table.close()


def _filter(wanted: Wanted, now: datetime) -> tuple[str, Item, dict[str, str]]:
    """What items must fulfil besides their key, with its values and names."""
    conditions, names = ["ttl_epoch >= :now"], dict[str, str]()
    values: Item = {":now": int(now.timestamp())}
    same = {"exchange": wanted.exchange}
    if wanted.symbol is not None:
        same["alert_type"] = wanted.alert_type
    for column, value in same.items():
        if value is not None:
            conditions.append(f"#{column} = :{column}")
            values[f":{column}"], names[f"#{column}"] = value, column
    for column, these in (("severity", wanted.severities), ("status", wanted.statuses)):
        if these is not None:
            held = {f":{column}{n}": each for n, each in enumerate(these)} or {f":{column}": ""}
            conditions.append(f"#{column} IN ({', '.join(held)})")
            values |= held
            names[f"#{column}"] = column
    return " AND ".join(conditions), values, names


def _behind(items: Iterator[Item], passed: str | None) -> Iterator[Item]:
    """Those that are not the one the page before ended with."""
    return (item for item in items if item.get("place") != passed or passed is None)


def _key(alert: Alert) -> tuple[str, str]:
    return alert.alert_id, moment_text(alert.detected_at)


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def _stored(item: Item) -> StoredAlert:
    said: Item = {name: item.get(name) for name in _FIELDS}
    alert = Alert(alert_id=item["alert_id"], detected_at=_moment(item["detected_at"]), **said)
    return StoredAlert(alert, when(item["recorded_at"]))
