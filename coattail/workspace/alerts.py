"""Which alerts there are: a question, its answer page by page, and what changes from now on.

The hot store alone answers where it provably holds all that was asked for (`HotStore.complete`); otherwise the
table's newest days are read, as many as the page needs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from coattail.alerts import FINAL, PROVISIONAL, RETRACTED, SEVERITIES, Alert
from coattail.errors import UsageError
from coattail.records import EPOCH, micros, when
from coattail.stores.hot import Complete, StoredAlert
from coattail.stores.replies import Marks
from coattail.workspace.documents.alerts import AlertDocument, ChangeDocument, alert_document
from coattail.workspace.opening import Stores, open_stores
from coattail.workspace.page import Page, PageRow, alert_line
from coattail.workspace.shown import html_of
from coattail.workspace.times import refuse_backwards

STATUSES = (PROVISIONAL, FINAL, RETRACTED)
TABLE = "anomaly_alerts"
_ELSEWHERE = 5
_EPOCH_DAY = EPOCH.date()
_MICROSECOND = timedelta(microseconds=1)
_OVERLAP = timedelta(minutes=1)
"""How far back each look goes: a revision may become visible a little after the time it carries."""


@dataclass(frozen=True, kw_only=True)
class AlertQuery:
    """Which alerts are asked for. None asks for any.

    Raises: UsageError: If a severity, status or cursor is unknown, the limit is below 1, or a value of another type.
    """

    type: str | None = None
    """For example volume_spike."""
    symbol: str | None = None
    """For example BTC-USDT, in any case."""
    exchange: str | None = None
    """For example binance, in any case."""
    severity: str | None = None
    """This or above: low, medium, high, critical; in any case."""
    status: str | None = None
    """provisional, final or retracted; None: the current ones, so no retracted ones."""
    since: datetime | None = None
    """Time of the market: `detected_at` of the alert is this or later."""
    until: datetime | None = None
    """Time of the market: `detected_at` of the alert is before it."""
    limit: int | None = 50
    """Alerts on a page; None: all. A screen holds about 50."""
    cursor: str | None = None
    """`next_cursor` of the page before; the page after it is the same whatever new alerts have come meanwhile."""

    def __post_init__(self) -> None:
        for name, known in (("severity", SEVERITIES), ("status", STATUSES)):
            if isinstance(value := getattr(self, name), str):
                object.__setattr__(self, name, value.lower())
            _known(getattr(self, name), known, name)
        for name in ("type", "symbol", "exchange", "cursor"):
            if not isinstance(value := getattr(self, name), str | None):
                raise UsageError(f"{name} {value!r} is not text", next_step="give one, or None for any")
        if not isinstance(self.limit, int | None):
            raise UsageError(f"limit {self.limit!r} is not a whole number", next_step="give 1 or more, or None for all")
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"limit {self.limit} shows nothing", next_step="give 1 or more, or None for all")
        refuse_backwards(self.since, self.until)
        self.place()

    def place(self) -> tuple[datetime, str] | None:
        """The `detected_at` and id of the last alert of the page before; None on the first page."""
        if self.cursor is None:
            return None
        us, _, identity = self.cursor.partition(".")
        try:
            moment = when(int(us))
            _ = moment + _MICROSECOND  # `end` goes so far
            return moment, identity
        except (ValueError, OverflowError):
            raise UsageError(
                f"cursor {self.cursor!r} is not one", next_step="give the next_cursor of the page before"
            ) from None

    def wants(self, row: PageRow) -> bool:
        """Whether the newest revision of an alert is asked for, and comes after the cursor."""
        status = row["status"] == self.status if self.status else row["status"] != RETRACTED
        return status and self._concerns(row) and self._comes_after(row)

    def wants_change(self, row: PageRow) -> bool:
        """Whether somebody who follows gets this revision; retractions of such alerts are included.

        It must have happened, or been written, at `since` or later: what is found late about earlier times is news.
        """
        status = self.status in (None, row["status"]) or row["status"] == RETRACTED
        since = self.since is None or max(row["detected_at"], row["recorded_at"]) >= self.since
        return status and since and self._concerns(row)

    def _concerns(self, row: PageRow) -> bool:
        return (
            self.type in (None, row["alert_type"])
            and (self.symbol is None or row["symbol"] == self.symbol.upper())
            and (self.exchange is None or row["exchange"] == self.exchange.lower())
            and (self.severity is None or SEVERITIES.index(row["severity"]) >= SEVERITIES.index(self.severity))
        )

    def _comes_after(self, row: PageRow) -> bool:
        place = self.place()
        return place is None or (place[0], row["alert_id"]) > (row["detected_at"], place[1])

    def end(self) -> datetime | None:
        """The upper bound of `detected_at`, by `until` and the cursor; None: no bound."""
        place = self.place()
        bounds = [self.until, None if place is None else place[0] + _MICROSECOND]
        return min((bound for bound in bounds if bound is not None), default=None)


def find(stores: Stores, query: AlertQuery, *, now: datetime | None = None) -> Page:
    """The alerts asked for, newest first across all types; those of one moment by id.

    Raises: UsageError: If the type is one that no detector has and no alert bears, or the symbol or the exchange has
    neither trades nor alerts.
    """
    now = now or datetime.now(UTC)
    page = page_of(rows(stores, query, now=now), query, stores.marks())
    if page.count or query.cursor:
        return page
    if query.type is not None:
        _check_type(stores, query.type, now)
    seen(stores, exchange=query.exchange, symbol=query.symbol)
    if query.since is None and query.until is None:
        return page
    elsewhere = replace(query, since=None, until=None, limit=_ELSEWHERE)
    return replace(page, elsewhere=find(stores, elsewhere, now=now).alerts)


def rows(stores: Stores, query: AlertQuery, *, now: datetime) -> list[PageRow]:
    """The rows of a page in order, and at least one more if there is one."""
    found = _in_hot_store(stores, query, now)
    return _in_lake(stores, query, now) if found is None else found


def page_of(found: Sequence[PageRow], query: AlertQuery, marks: Marks) -> Page:
    """The first `limit` of the rows, which are in order and may be more."""
    shown = found[: query.limit]
    more = len(found) > len(shown)
    cursor = f"{micros(shown[-1]['detected_at'])}.{shown[-1]['alert_id']}" if more else None
    return Page(found=shown, has_more=more, next_cursor=cursor, marks=marks)


def in_order(found: Iterable[PageRow]) -> list[PageRow]:
    """Newest first, those of one moment by id."""
    return sorted(sorted(found, key=lambda row: str(row["alert_id"])), key=lambda row: row["detected_at"], reverse=True)


def _in_hot_store(stores: Stores, query: AlertQuery, now: datetime) -> list[PageRow] | None:
    """The rows of a page and one more if there is one, if the hot store holds them all; else None."""
    before = stores.hot.complete(now=now)
    if before is None or (query.limit is None and not _later(query.since, before)):
        return None
    stored = stores.hot.alerts(since=query.since, until=query.end(), now=now)
    claim = stores.hot.complete(now=now)
    if claim is None or not before.snapshot == claim.snapshot == stores.outlines.of(TABLE).written:
        return None
    found = in_order(row for row in map(row_of, stored) if query.wants(row))
    if _later(query.since, claim):
        return found
    sure = [row for row in found if _later(row["detected_at"], claim)]
    return sure if query.limit is not None and len(sure) > query.limit else None


def _later(moment: datetime | None, claim: Complete) -> bool:
    """Whether the store holds every alert from that moment on (None: from the first one on)."""
    return claim.after is None or (moment is not None and moment > claim.after)


def _in_lake(stores: Stores, query: AlertQuery, now: datetime) -> list[PageRow]:
    """The rows of a page and one more if there is one: days are read from the newest on, until there are enough.

    All revisions of an alert are of one day, because its time never changes.
    """
    from coattail.stores.current import current_alerts

    found: list[PageRow] = []
    days, many = _days(stores, query, now), 1
    while days and (query.limit is None or len(found) <= query.limit):
        taken, days = (days, []) if query.limit is None else (days[:many], days[many:])
        many *= 2
        since, until = _day(taken[-1]), _day(taken[0]) + timedelta(days=1)
        since = since if query.since is None else max(since, query.since)
        until = min(until, query.end() or until)
        frame = current_alerts(stores.lake, stores.hot, now=now, since=since, until=until, retracted=True)
        found += in_order(row for row in frame.iter_rows(named=True) if query.wants(row))
    return found


def _days(stores: Stores, query: AlertQuery, now: datetime) -> list[date]:
    """The days that have alerts in the time asked for, newest first."""
    from coattail.stores.files import day_meets

    files = stores.lake.files(TABLE) if stores.lake.has(TABLE) else []
    numbers = {int(f.partition[0]) for f in files if day_meets(f, query.since, query.end())}
    days = {_EPOCH_DAY + timedelta(days=number) for number in numbers}
    stored = stores.hot.alerts(since=query.since, until=query.end(), now=now)
    return sorted(days | {s.alert.detected_at.astimezone(UTC).date() for s in stored}, reverse=True)


def _day(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _check_type(stores: Stores, asked: str, now: datetime) -> None:
    from coattail.detectors import ALERT_TYPES

    if asked in ALERT_TYPES:
        return
    borne = {str(row["alert_type"]) for row in _in_lake(stores, AlertQuery(limit=None), now)}
    _known(asked, sorted(ALERT_TYPES.keys() | borne), "type")


def seen(stores: Stores, *, exchange: str | None, symbol: str | None) -> tuple[str | None, str | None]:
    """The exchange and the symbol as they are written in tables, where they have trades or alerts.

    Raises: UsageError: If one has neither.
    """
    from coattail.engines.recovery import traded
    from coattail.symbols import refuse_unseen

    exchange, symbol = exchange and exchange.lower(), symbol and symbol.upper()
    for kind, name in (("exchange", exchange), ("symbol", symbol)):
        if name is not None:
            here = traded(stores.lake, kind)
            if name not in here and here:
                borne = {row[kind] for row in _in_lake(stores, AlertQuery(limit=None), datetime.now(UTC))}
                refuse_unseen(kind, name, here | (borne - {None}))
    return exchange, symbol


def _known(value: str | None, known: Iterable[str], name: str) -> None:
    if value is not None and value not in (names := list(known)):
        raise UsageError(f"{name} {value!r} is unknown", next_step=f"known: {', '.join(names)}")


def row_of(stored: StoredAlert) -> PageRow:
    """An alert of the hot store by the columns of `anomaly_alerts`."""
    alert = stored.alert
    return {**{f.name: getattr(alert, f.name) for f in fields(Alert)}, "recorded_at": stored.recorded_at}


# -- as they come ------------------------------------------------------------------------------------------------


class Change(NamedTuple):
    """A revision of an alert, and what it means to somebody who follows. Printing it shows a line."""

    alert: AlertDocument
    change: str
    """current, new, revised or retracted."""

    def __repr__(self) -> str:
        return alert_line(self.alert, self.change)

    def _repr_html_(self) -> str:
        return html_of([repr(self)])

    def document(self) -> ChangeDocument:
        """Both as one JSON document."""
        named = {name: getattr(self.alert, name) for name in self.alert.__struct_fields__}
        return ChangeDocument(change=self.change, **named)


def pause() -> None:
    """What comes between two looks at the hot store."""
    time.sleep(1)


def follow(
    stores: Stores, query: AlertQuery, *, wait: Callable[[], None] | None = None, now: datetime | None = None
) -> Iterator[Change]:
    """The newest alerts, oldest first, as `current`; then every change from now on, without end.

    `query.limit` says how many current ones come first. With `query.since`, these are the alerts that happened, or
    were written, since then: whoever gives the `recorded_at` of the last one that was shown goes on from there.
    `wait` (None: a second) comes before every look.
    Raises: UsageError: If the query has an end, or asks for retracted alerts, which are over.
    """
    if query.until is not None or query.status == RETRACTED:
        raise UsageError("following goes on with what comes: until and the status retracted make no sense there")
    return _changes(stores, query, wait or pause, now)


def _changes(stores: Stores, query: AlertQuery, wait: Callable[[], None], now: datetime | None) -> Iterator[Change]:
    written = _written(stores, EPOCH)  # before the current ones are read: what comes between is news
    newest = max((s.recorded_at for s in written), default=EPOCH)
    seen = {s.alert.alert_id: s.alert.revision for s in written}
    for change in _current(stores, query, written, now):
        seen[change.alert.alert_id] = max(change.alert.revision, seen.get(change.alert.alert_id, 0))
        yield change
    for row, what in _revisions(stores, newest, seen, wait):
        if query.wants_change(row):
            yield Change(alert_document(row, marks=stores.marks()), what)


def _current(stores: Stores, query: AlertQuery, written: Sequence[StoredAlert], now: datetime | None) -> list[Change]:
    """What is shown first, oldest first: the newest alerts, and what was written since the time asked for."""
    page = find(stores, query, now=now)
    found = {alert.alert_id: Change(alert, "current") for alert in page.alerts}
    if query.since is not None:
        late = [row for row in map(row_of, written) if row["recorded_at"] >= query.since and query.wants_change(row)]
        for row in late[: query.limit]:
            what = "retracted" if row["status"] == RETRACTED else "current"
            found.setdefault(row["alert_id"], Change(alert_document(row, marks=page.marks), what))
    return sorted(found.values(), key=lambda change: (change.alert.detected_at, change.alert.alert_id))


def _revisions(
    stores: Stores, newest: datetime, seen: dict[str, int], wait: Callable[[], None]
) -> Iterator[tuple[PageRow, str]]:
    """Revisions written since `newest`, oldest first; `seen`: alert_id -> the revision that was shown already."""
    while True:
        wait()
        found = _written(stores, min(newest, datetime.now(UTC)) - _OVERLAP)  # a clock may be set back
        newest = max([newest, *(s.recorded_at for s in found)])
        for stored in sorted(found, key=lambda s: (s.recorded_at, s.alert.detected_at)):
            alert, before = stored.alert, seen.get(stored.alert.alert_id)
            if before is None or alert.revision > before:
                seen[alert.alert_id] = alert.revision
                if alert.status != RETRACTED:
                    yield row_of(stored), "new" if before is None else "revised"
                elif before is not None:
                    yield row_of(stored), "retracted"


def _written(stores: Stores, after: datetime) -> list[StoredAlert]:
    """Alerts written after a time; the store is opened each time, because an engine may only just have made it."""
    with open_stores(stores.home, settings=lambda: stores.settings) as fresh:
        return fresh.hot.alerts(written_after=after, now=datetime.now(UTC))
