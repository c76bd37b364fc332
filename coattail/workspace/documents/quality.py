"""How much of what came in was good."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from coattail.errors import UsageError
from coattail.workspace.shown import Tabular
from coattail.workspace.text import bar, clock, percent, table

if TYPE_CHECKING:
    import polars as pl

    from coattail.charts.chart import Panels


class QualityCounts(msgspec.Struct, frozen=True, kw_only=True):
    """processed = passed + failed + duplicate; late ones have passed."""

    score: float | None
    """passed / (passed + failed) in percent, rounded down to six digits; None without either."""
    processed: int
    passed: int
    failed: int
    late: int
    duplicate: int


class ExchangeQuality(QualityCounts, frozen=True, kw_only=True):
    """The counts of one exchange."""

    exchange: str


class QualitySpan(QualityCounts, frozen=True, kw_only=True):
    """The counts of all commits in a time, whole and by exchange."""

    since: datetime | None
    """None, like `until`, where there is no commit."""
    until: datetime | None
    exchanges: list[ExchangeQuality]


class FailureDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How many records in the DLQ have a reason; a record may have several."""

    folder: str
    reason: str
    rows: int


class QualityStretch(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of all commits of a stretch of time; passed and failed are both 0 where there is none."""

    since: datetime
    until: datetime
    passed: int
    failed: int


class QualityDocument(Tabular, msgspec.Struct, frozen=True, kw_only=True):
    """The quality of a home's trades, and why records were rejected."""

    all_time: QualitySpan
    last_24h: QualitySpan
    """Back from the newest commit."""
    over_time: list[QualityStretch]
    """The last 24 hours from the first commit to the newest, in at most 48 stretches of equal, round length."""
    failures: list[FailureDocument]
    target: int
    """Percent: above it is the aim."""
    alarm: int
    """Percent: below it for five minutes is an alarm."""

    def chart(self) -> Panels:
        """The score of each exchange, records rejected by reason, and what passed and failed over time.

        Raises: UsageError: If there are no records yet.
        """
        from coattail.charts.chart import Panels, ms
        from coattail.charts.quality import Passed, Scored, failures_chart, gauge_chart, passed_charts

        day = self.last_24h
        if day.score is None or not self.over_time:
            raise UsageError("no records yet: nothing to draw", next_step="land trades first")
        named = [("all", day), *((one.exchange, one) for one in day.exchanges)]
        scores = [Scored(name, one.passed, one.failed, one.score) for name, one in named if one.score is not None]
        reasons = {f"{one.folder}: {one.reason}": one.rows for one in self.failures}
        stretches = [Passed(ms(one.since), one.passed, one.failed) for one in self.over_time]
        length = ms(self.over_time[0].until) - ms(self.over_time[0].since)
        return Panels(
            (
                gauge_chart(scores, target=self.target, alarm=self.alarm),
                *([failures_chart(reasons)] if reasons else []),
                *passed_charts(stretches, length),
            )
        )

    def to_polars(self) -> pl.DataFrame:
        """The counts of the last 24 hours: a row for each exchange, and `all`; columns of `QualityCounts`."""
        import polars as pl

        rows = [{**msgspec.structs.asdict(one)} for one in self.last_24h.exchanges]
        whole = {name: getattr(self.last_24h, name) for name in QualityCounts.__struct_fields__}
        return pl.DataFrame([*rows, {**whole, "exchange": "all"}]).select("exchange", *whole)

    def words(self, *, terminal: bool = False) -> str:
        """The quality as `coattail quality` prints it. `terminal`: see `table`."""
        return "\n".join(self.said(terminal=terminal))

    def said(self, *, terminal: bool = False) -> list[str]:
        """The score, the counts of each exchange, and why records were rejected: lines and tables."""
        day, whole = self.last_24h, self.all_time
        if whole.score is None or day.score is None:
            return ["no records yet: nothing to judge"]
        judged = day.passed + day.failed
        verdict = "good" if day.score > self.target else "below the aim" if day.score >= self.alarm else "ALARM"
        columns = ["exchange", "", "score", "processed", "passed", "failed", "late", "duplicates"]
        rows = [_row(e.exchange, e) for e in day.exchanges] + [_row("all", day)]
        if whole.processed != day.processed:
            rows.append(_row("since the beginning", whole))
        said = [
            f"quality    {bar(day.passed / judged, 40)}  {percent(day.passed, judged)}  {verdict}",
            f"           aim above {self.target} %, alarm below {self.alarm} %; the 24 hours to {clock(day.until)}",
            "",
            table(columns, rows, right=columns[2:], terminal=terminal),
        ]
        if self.failures:
            failures = [(f.folder, f.reason, f"{f.rows:,}") for f in self.failures]
            shown = table(["rejected as", "reason", "records"], failures, right=["records"], terminal=terminal)
            said += ["", shown, "`coattail dlq list` shows them; a record may have several reasons"]
        return said


def _row(name: str, counts: QualityCounts) -> tuple[str, ...]:
    judged = counts.passed + counts.failed
    share = counts.passed / judged if judged else 0
    numbers = (counts.processed, counts.passed, counts.failed, counts.late, counts.duplicate)
    return (name, bar(share, 10), percent(counts.passed, judged), *(f"{number:,}" for number in numbers))
