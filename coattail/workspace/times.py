"""Times as people give them: `2h`, `2024-08-08T12:00:00Z`, a datetime, a date, a timedelta."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta

from coattail.errors import UsageError
from coattail.values import parse_duration
from coattail.workspace.text import clock

Moment = str | datetime | date | timedelta
"""A duration counts back from the clock, whatever time the market of a home is at; what names no zone is UTC; a date is
its first moment."""
_FORMS = "write it like 2h, 3d, 2024-08-08 or 2024-08-08T12:00:00Z"


def parse_when(given: Moment, option: str = "--since", *, now: datetime | None = None) -> datetime:
    """The UTC time that is meant: a duration before `now`, or a time (text: ISO 8601), in UTC if it names no zone.

    option: What the time was given for, for the message.
    now: None means the clock.
    Raises: UsageError: If it is neither.
    """
    if isinstance(given, str):
        given = _read(given, option)
    try:
        match given:
            case datetime():
                return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
            case date():
                return datetime.combine(given, time(), UTC)
            case timedelta():
                return (now or datetime.now(UTC)) - given
    except OverflowError:
        raise UsageError(f"{option} {given} lies outside of the years 1 to 9999", next_step=_FORMS) from None
    raise UsageError(f"{option} {given!r} is not a time", next_step=_FORMS)


def _read(text: str, option: str) -> datetime | timedelta:
    for read in (parse_duration, datetime.fromisoformat):
        with suppress(ValueError):
            return read(text.strip())
    raise UsageError(f"{option} {text!r} is not a time", next_step=_FORMS)


def maybe_when(given: Moment | None, option: str = "--since", *, now: datetime | None = None) -> datetime | None:
    """`parse_when`, or None for None."""
    return None if given is None else parse_when(given, option, now=now)


def between(since: Moment | None, until: Moment | None) -> tuple[datetime | None, datetime | None]:
    """Both ends of a stretch of time, by one reading of the clock; None for None."""
    now = datetime.now(UTC)
    return maybe_when(since, "since", now=now), maybe_when(until, "until", now=now)


def refuse_backwards(since: datetime | None, until: datetime | None) -> None:
    """Refuse a stretch of time that has no moment.

    Raises: UsageError: If it ends where it begins, or before.
    """
    if since is not None and until is not None and since >= until:
        step = "exchange the two" if since > until else "leave some time between them"
        raise UsageError(f"since {clock(since)} is not before until {clock(until)}", next_step=step)
