"""Charts that can be zoomed: the figures that report.js hands to plotly.js, inside the page.

The browser inflates both beside the page that shows drawings already, and where it cannot, those stay. A figure has
fixed colours; those of ours become the page's own, which follow the reader's light or dark.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from coattail.charts.chart import Chart
from coattail.charts.colours import NAMED, TINTS
from coattail.charts.svg import drawing_style
from coattail.reports.bundles import Bundle, packed

_BESIDE = Path(__file__).parent
_EPOCH = datetime(1970, 1, 1)
_LEAST_TIMES = 8
_TAG = re.compile(r"<(?!/?(?:b|i|em|sub|sup|extra)>|br ?/?>)")

COLOURS: Mapping[str, str] = {
    **{value: name for name, value in reversed(NAMED.items()) if value.startswith("#")},
    **{tint: f"c{place}" for place, tint in enumerate(TINTS)},
    NAMED["ink"]: "soft",
    "rgba(127,134,142,0.3)": "line",
    "#fff": "paper",
}
"""Colour in a figure of ours -> the page's CSS variable."""


@dataclass(frozen=True)
class LiveFigure:
    """A figure for Plotly, {"data", "layout"}, and its words."""

    figure: Mapping[str, Any]
    alt: str

    @property
    def kinds(self) -> set[str]:
        """Types of its traces."""
        return {str(trace.get("type", "scatter")) for trace in self.figure.get("data", ())}


@dataclass(frozen=True)
class LiveCharts:
    """What makes the charts of a page live."""

    figures: Sequence[LiveFigure]
    """In the order of the page's `data-chart`."""
    bundle: Bundle

    @property
    def data(self) -> str:
        """The figures for report.js, packed."""
        return packed_figures(self.figures)


def packed_figures(figures: Sequence[LiveFigure]) -> str:
    """The figures and the names of their colours as packed JSON."""
    each = [{"alt": one.alt, "figure": _harmless(_short(one.figure))} for one in figures]
    return packed(msgspec.json.encode({"colours": COLOURS, "charts": each}))


def figure_in_page(chart: Chart) -> LiveFigure:
    """The chart as a figure whose title, unit and key stand beside it, in the page."""
    figure = chart.figure()
    layout, height = figure["layout"], chart.height + 24
    for name, axis in layout.items():
        if name.startswith("yaxis"):
            axis["domain"] = [0, 1]
        elif name.startswith("xaxis"):
            axis.pop("title", None)
    layout |= {"annotations": [], "height": height, "margin": {"l": 54, "r": 4, "t": 4, "b": 38}, "showlegend": False}
    return LiveFigure(figure, chart.alt)


def _short(figure: Mapping[str, Any]) -> dict[str, Any]:
    """The figure with its times as steps: most of them are alike."""
    data = [dict(trace) for trace in figure.get("data", ())]
    for trace in data:
        x = trace.get("x")
        if isinstance(x, list) and len(x) >= _LEAST_TIMES and all(isinstance(one, str) and "T" in one for one in x):
            try:
                times = [round((datetime.fromisoformat(one) - _EPOCH).total_seconds() * 1000) for one in x]
            except (ValueError, TypeError):  # not ours: as it stands
                continue
            trace["x"] = {"steps": _steps(times)}
    return {"data": data, "layout": figure.get("layout", {})}


def _steps(x: list[int]) -> list[int]:
    """The first time in ms, then [step, repetitions, step, repetitions …]."""
    runs: list[int] = [x[0]]
    for before, after in pairwise(x):
        if len(runs) > 1 and runs[-2] == after - before:
            runs[-1] += 1
        else:
            runs += [after - before, 1]
    return runs


def _harmless(value: Any) -> Any:
    """The value without links and without pictures from elsewhere: Plotly makes them of what stands in its texts."""
    if isinstance(value, str):
        return _TAG.sub("&lt;", value)
    if isinstance(value, Mapping):
        return {
            str(key): _harmless(one) for key, one in value.items() if not (key == "source" and not _own_picture(one))
        }
    if isinstance(value, list | tuple):
        return [_harmless(one) for one in value]
    return value


def _own_picture(source: object) -> bool:
    return isinstance(source, str) and source.startswith(("data:image/png;", "data:image/jpeg;"))


def script() -> str:
    """The page's own JavaScript."""
    return (_BESIDE / "report.js").read_text(encoding="utf-8")


def style() -> str:
    """The page's style sheet: what it shares with the live page, its own, and that of its drawings."""
    own = [(_BESIDE / name).read_text(encoding="utf-8") for name in ("look.css", "report.css")]
    return "".join([*own, drawing_style()])
