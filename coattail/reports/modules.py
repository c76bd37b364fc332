"""What modules measure that no section of the report was written for: a chart of each series, with its alerts."""

from __future__ import annotations

import polars as pl

from coattail.amounts import count
from coattail.charts.chart import Chart, line_of, ms
from coattail.detectors import REGISTERED, BaseDetector
from coattail.markup import Content, Markup, tag
from coattail.reports.blocks import Figures, paragraph, section
from coattail.reports.facts import ReportFacts
from coattail.reports.judged import marks_about

_MOST_SERIES = 12


def modules_section(facts: ReportFacts, figures: Figures) -> Markup | None:
    """The charts of every such module; None where there are none."""
    content: list[Content] = []
    for detector in REGISTERED:
        rows = facts.others.get(detector.table.name)
        own = None if rows is None else rows.filter(pl.col("preset").is_in(detector.presets))
        if own is None or own.is_empty() or detector.measures is None:
            continue
        charts = _charts(facts, detector, own, detector.measures.column)
        left = len(charts) - _MOST_SERIES
        content += [
            paragraph(f"{detector.name}: {detector.measures.title}. Marks are alerts.", note=True),
            tag("div", [figures.add(chart) for chart in charts[:_MOST_SERIES]], class_="charts"),
            paragraph(f"And {count(left, 'series', 'series')} more.") if left > 0 else None,
        ]
    return section("modules", "Other modules", *content) if content else None


def _charts(facts: ReportFacts, detector: type[BaseDetector], rows: pl.DataFrame, column: str) -> list[Chart]:
    """One chart per series, the largest values first."""
    time, measure = pl.col(str(detector.table.day_of)), detector.measures
    unit = measure.unit if measure is not None else ""
    known = rows.filter(pl.col(column).is_not_null()).with_columns(pl.col(column).cast(pl.Float64))
    found = []
    for key, own in known.group_by(detector.series, maintain_order=True):
        series, name = dict(zip(detector.series, key, strict=True)), " ".join(map(str, key))
        line = line_of(own.select(time.dt.epoch("ms").alias("x"), pl.col(column).alias("y")), name, 0)
        marks = marks_about(facts, series, line, window_ms=0)
        alt = f"{detector.name}, {name}: {count(own.height, 'value')}. {count(len(marks), 'alert')} marked."
        chart = Chart(
            title=name, alt=alt, unit=unit, since=ms(facts.drawn.since), until=ms(facts.drawn.until), lines=[line],
            marks=marks,
        )  # fmt: skip
        found.append((float(own[column].abs().max() or 0.0), chart))  # type: ignore[arg-type]
    return [chart for _, chart in sorted(found, key=lambda pair: -pair[0])]
