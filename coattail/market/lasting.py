"""What begins and ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True)
class Lasting:
    """An event from `start` for `length`."""

    start: datetime
    length: timedelta

    @property
    def end(self) -> datetime:
        """First moment after it."""
        return self.start + self.length
