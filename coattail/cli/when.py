"""Times on the command line: `--since 2h`, `--until 2024-08-08T12:00:00Z`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from coattail.errors import UsageError
from coattail.values import parse_duration

SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="From this time on: 2h, 3d, or ISO 8601 (UTC).")
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Up to this time: 2h, 3d, or ISO 8601 (UTC).")
]


def parse_when(text: str, option: str = "--since", *, now: datetime | None = None) -> datetime:
    """The UTC time that `text` means: so long before `now` (default: the clock), or an ISO 8601 time.

    A time without a zone is UTC.
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
            f"{option} {text!r} is no time", next_step="write it like 2h, 3d, 2024-08-08 or 2024-08-08T12:00:00Z"
        ) from None
