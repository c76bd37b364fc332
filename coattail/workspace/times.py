"""Times as people write them: `2h`, `2024-08-08T12:00:00Z`."""

from __future__ import annotations

from datetime import UTC, datetime

from coattail.errors import UsageError
from coattail.values import parse_duration


def parse_when(text: str, option: str = "--since", *, now: datetime | None = None) -> datetime:
    """The UTC time that a text means: an age before `now`, or an ISO 8601 time, which is UTC if it names no zone.

    option: What the text was given for, for the message.
    now: None means the clock.
    Raises: UsageError: If it is neither.
    """
    try:
        return (now or datetime.now(UTC)) - parse_duration(text)
    except ValueError:
        pass
    except OverflowError:
        raise UsageError(f"{option} {text} lies before the year 1", next_step="give a shorter time") from None
    try:
        when = datetime.fromisoformat(text.strip())
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option} {text!r} is not a time", next_step="write it like 2h, 3d, 2024-08-08 or 2024-08-08T12:00:00Z"
        ) from None
