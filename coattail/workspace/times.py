"""Times as people give them: `2h`, `2024-08-08T12:00:00Z`, a datetime, a timedelta."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from coattail.errors import UsageError
from coattail.values import parse_duration

Moment = str | datetime | timedelta
"""A duration counts back from the clock, whatever time the market of a home is at; what names no zone is UTC."""


def parse_when(given: Moment, option: str = "--since", *, now: datetime | None = None) -> datetime:
    """The UTC time that is meant: a duration before `now`, or a time (text: ISO 8601), in UTC if it names no zone.

    option: What the time was given for, for the message.
    now: None means the clock.
    Raises: UsageError: If it is neither.
    """
    if isinstance(given, datetime):
        return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    try:
        ago = given if isinstance(given, timedelta) else parse_duration(given)
        return (now or datetime.now(UTC)) - ago
    except ValueError:
        pass
    except OverflowError:
        raise UsageError(f"{option} {given} lies before the year 1", next_step="give a shorter time") from None
    try:
        return parse_when(datetime.fromisoformat(str(given).strip()))
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option} {given!r} is not a time", next_step="write it like 2h, 3d, 2024-08-08 or 2024-08-08T12:00:00Z"
        ) from None


def maybe_when(given: Moment | None, option: str = "--since", *, now: datetime | None = None) -> datetime | None:
    """`parse_when`, or None for None."""
    return None if given is None else parse_when(given, option, now=now)
