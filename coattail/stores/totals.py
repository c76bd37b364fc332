"""What went in and where it went: the counts that every commit of raw_trades writes down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Totals:
    """Everything ever read from the stream: `received = landed + rejected + duplicates`."""

    received: int = 0
    landed: int = 0
    rejected: int = 0
    duplicates: int = 0
    late: int = 0

    def plus(self, counts: pl.DataFrame) -> Totals:
        """The totals after a batch with these counts (`COUNTS_SCHEMA`)."""
        return Totals(**{name: getattr(self, name) + int(counts[name].sum()) for name in self.__dataclass_fields__})

    def minus(self, before: Totals) -> Totals:
        """What was counted since these."""
        return Totals(**{name: getattr(self, name) - getattr(before, name) for name in self.__dataclass_fields__})


def quality_score(passed: int, failed: int) -> float | None:
    """passed / (passed + failed) in percent, rounded down to six digits: 100 means that none failed.

    Duplicates do not count. None where nothing was judged.
    """
    judged = passed + failed
    return passed * 10**8 // judged / 10**6 if judged else None
