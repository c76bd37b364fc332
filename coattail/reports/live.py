"""Charts that can be zoomed: the data that report.js hands to plotly.js, inside the page.

The browser inflates both beside the page that shows our own drawings already, and where it cannot, those stay.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from coattail.charts.chart import Chart
from coattail.charts.svg import drawing_style
from coattail.reports.bundles import packed

_BESIDE = Path(__file__).parent


def script() -> str:
    """The page's own JavaScript."""
    return (_BESIDE / "report.js").read_text(encoding="utf-8")


def style() -> str:
    """The page's style sheet, with that of its drawings."""
    return (_BESIDE / "report.css").read_text(encoding="utf-8") + drawing_style()


def packed_data(charts: list[Chart]) -> str:
    """The charts for report.js: a packed JSON list."""
    return packed(msgspec.json.encode([data_of(chart) for chart in charts]))


def data_of(chart: Chart) -> dict[str, Any]:
    """The chart for report.js."""
    low, high = chart.limits()
    return {
        "since": chart.since,
        "until": chart.until,
        "low": low,
        "high": high,
        "unit": chart.unit,
        "alt": chart.alt,
        "height": chart.height,
        "baseline": chart.baseline,
        "bar": chart.bar_ms,
        "lines": [
            {"name": n.name, "tint": n.tint, "faint": n.faint, "filled": n.filled, "x": _steps(n.x), "y": n.y}
            for n in chart.lines
        ],
        "bars": [[b.x, b.y, b.tint] for b in chart.bars],
        "candles": [[c.x, c.open, c.high, c.low, c.close] for c in chart.candles],
        "shades": [[s.since, s.until, s.kind, s.label] for s in chart.shades],
        "marks": [[m.x, m.y, m.kind, m.label] for m in chart.marks],
    }


def _steps(x: list[float]) -> list[float]:
    """The first time in ms, then [step, repetitions, step, repetitions …]: most steps are the same."""
    if not x:
        return []
    runs: list[float] = [x[0]]
    for before, after in pairwise(x):
        if len(runs) > 1 and runs[-2] == after - before:
            runs[-1] += 1
        else:
            runs += [after - before, 1]
    return runs
