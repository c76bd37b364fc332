"""What went in and where it went, since the beginning of the home: commits know no day of the market."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import polars as pl

from coattail.engines.metrics import all_metrics
from coattail.stores.dlq import DeadLetters
from coattail.stores.lake import Lake
from coattail.stores.totals import quality_score

_COUNTS = ("processed", "passed", "failed", "late", "duplicate")
_MOST_LETTERS = 50_000
_SAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class Quality:
    """received = landed + rejected + duplicates; and why records were rejected."""

    received: int = 0
    landed: int = 0
    rejected: int = 0
    late: int = 0
    duplicates: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    """Reason -> records in the DLQ; a record may have several."""
    letters: int = 0
    """Records counted in `reasons`."""
    all_letters: bool = True
    """False where the DLQ holds more than were counted."""
    samples: tuple[dict[str, Any], ...] = ()
    """The newest rejected records."""

    @property
    def conserved(self) -> bool:
        """Whether every record received is accounted for."""
        return self.received == self.landed + self.rejected + self.duplicates

    @property
    def score(self) -> float | None:
        """landed / (landed + rejected) in percent, see `quality_score`."""
        return quality_score(self.landed, self.rejected)


def quality_of(lake: Lake, letters: DeadLetters) -> Quality:
    """The counts of all commits, and the reasons among the newest rejected records."""
    counts = (
        all_metrics(lake).select(pl.col(f"records_{name}").sum().alias(name) for name in _COUNTS).row(0, named=True)
    )
    reasons: Counter[str] = Counter()
    found = 0
    samples: list[dict[str, Any]] = []
    rows = letters.rows()
    for row in islice(rows, _MOST_LETTERS):
        found += 1
        reasons.update(row["reasons"])
        if len(samples) < _SAMPLES:
            samples.append(row)
    return Quality(
        received=counts["processed"],
        landed=counts["passed"],
        rejected=counts["failed"],
        late=counts["late"],
        duplicates=counts["duplicate"],
        reasons=dict(reasons.most_common()),
        letters=found,
        all_letters=found < _MOST_LETTERS or next(rows, None) is None,
        samples=tuple(samples),
    )
