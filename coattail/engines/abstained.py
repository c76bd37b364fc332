"""Where detectors have judged nothing for most of a time, and why: a silence that people must not take for peace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from coattail.detectors import BaseDetector
from coattail.engines.lately import Lately

SPAN = timedelta(hours=1)
MOST = 0.5
"""Share of an hour's windows from which on it is said."""
_JUDGED = "judged"
IN_WORDS = {
    "partial": "trade ids are missing",
    "short_history": "too little was seen before to say what is usual",
    "flat_history": "what was seen before hardly differs",
    "idle": "it trades too rarely to say what is rare",
    "stalled": "its venue stood still",
    "thin": "too few trades say what its price is",
    "no_rate": "its stablecoin had no rate",
    "outlier": "single prints stood apart from the rest",
    "noisy": "its prices scattered too much",
}
"""What the states of the modules' tables mean that are no verdict."""


def abstained(rows: pl.DataFrame, detector: BaseDetector | type[BaseDetector]) -> list[dict[str, Any]]:
    """Where a detector abstained in more than half of these rows, those of an hour or of a day: a dict per series.

    `module`, `about` (the values of the detector's series, as one text), `share` of the windows, `reason` (the state of
    most of them), `windows`. Columns in: its series, and `state`.
    """
    series, silent = list(detector.series), pl.col("state") != _JUDGED
    found = (
        rows.group_by(series)
        .agg(
            pl.len().alias("windows"),
            silent.mean().alias("share"),
            pl.col("state").filter(silent).mode().sort().first().alias("reason"),
        )
        .filter(pl.col("share") > MOST)
        .sort(series)
    )
    return [
        {
            "module": detector.name,
            "about": " ".join(str(row[name]) for name in series if row[name] is not None),
            "share": round(row["share"], 3),
            "reason": row["reason"],
            "windows": row["windows"],
        }
        for row in found.iter_rows(named=True)
    ]


class Abstentions:
    """The newest hour of every module's rows, as they are written."""

    def __init__(self, detectors: Sequence[BaseDetector]) -> None:
        stated = [d for d in detectors if "state" in d.table.schema]
        self._lately = {d.name: (d, Lately(d.table, SPAN, [*d.series, "state"])) for d in stated}

    def add(self, scored: Mapping[str, pl.DataFrame]) -> None:
        """Take the rows that a commit writes, by module; a window that is judged again counts as it is judged now."""
        for name, (_, lately) in self._lately.items():
            if name in scored:
                lately.add(scored[name])

    def found(self) -> list[dict[str, Any]]:
        """As `abstained`, of all modules."""
        return [row for detector, lately in self._lately.values() for row in abstained(lately.rows(), detector)]
