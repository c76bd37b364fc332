"""What a commit of trades counts in CloudWatch, by exchange and of all together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from coattail.records import micros
from coattail.stores.cloudwatch import Measurements, Statistic
from coattail.stores.totals import quality_score

_COUNTS = {"RecordsProcessed": "received", "RecordsPassed": "landed", "RecordsFailed": "rejected",
           "RecordsLate": "late", "RecordsDuplicate": "duplicates"}  # fmt: skip


def counted(counts: Iterable[Mapping[str, Any]], newest: Mapping[str, int], at: datetime) -> Measurements:
    """Values of `coattail.emf.UNITS`, from the rows of `COUNTS_SCHEMA` of a commit that was made at `at`.

    newest: The newest trade's time by exchange (µs). Scores and rates have as many samples as records were judged, so
    that the average of any stretch, and of several exchanges, is the score of that stretch; the lag has one of each
    exchange that landed something.
    """
    found: dict[tuple[str, str | None], Statistic] = {}
    rows = [dict(row) for row in counts]
    total = {column: sum(row[column] for row in rows) for column in _COUNTS.values()}
    for exchange, row in [*((_ascii(row["exchange"]), row) for row in rows), (None, total)]:
        for name, column in _COUNTS.items():
            found[name, exchange] = Statistic.of(row[column])
        judged = row["landed"] + row["rejected"]
        if (score := quality_score(row["landed"], row["rejected"])) is not None:
            found["QualityScore", exchange] = Statistic(judged, 100 * row["landed"], score, score)
        if row["received"]:
            rate = 100 * row["rejected"] / row["received"]
            found["FailureRate", exchange] = Statistic(row["received"], 100 * row["rejected"], rate, rate)
    lags = {
        row["exchange"]: max(0.0, (micros(at) - newest[row["exchange"]]) / 1e6)
        for row in rows
        if row["landed"] and row["exchange"] in newest
    }
    for exchange, lag in lags.items():
        found["EventLag", _ascii(exchange)] = of_it = Statistic.of(lag)
        found["EventLag", None] = found["EventLag", None].plus(of_it) if ("EventLag", None) in found else of_it
    return found


def _ascii(exchange: str | None) -> str:
    """A value of a dimension; bytes that were no record are of no exchange."""
    return (exchange or "").encode("ascii", "backslashreplace").decode().strip() or "unknown"
