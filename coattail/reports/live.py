"""Charts that can be zoomed: the data that report.js hands to plotly.js, and plotly.js itself, inside the page.

The whole library is 4.8 MB; compressed and as base64 it is 2.0 MB. The browser inflates it beside the page that shows
our own drawings already, and where it cannot, those stay. The page's Content-Security-Policy has its hash.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import zlib
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from coattail.charts.chart import Chart
from coattail.charts.svg import drawing_style
from coattail.errors import CoattailError

_BESIDE = Path(__file__).parent


class NoPlotly(CoattailError):
    """Plotly is not installed."""


@dataclass(frozen=True)
class Bundle:
    """plotly.js, compressed (raw deflate) and in base64, and the hash of its text for a Content-Security-Policy."""

    base64: str
    hash: str


@cache
def bundle() -> Bundle:
    """The plotly.js that the package plotly brings; the package itself is not imported.

    Raises: NoPlotly: If it is not installed.
    """
    found = importlib.util.find_spec("plotly")
    path = None if found is None or found.origin is None else Path(found.origin).parent / "package_data/plotly.min.js"
    if path is None or not path.exists():
        raise NoPlotly(
            "charts that can be zoomed need plotly, which is not installed",
            next_step="pip install 'plotly>=7,<8', or leave them out with --light",
        )
    text = path.read_bytes().decode().replace("\r\n", "\n").encode()
    return Bundle(packed(text), hash_of(text))


def packed(text: bytes) -> str:
    """The text compressed (raw deflate), in base64: nothing in it can end a script element."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(compressor.compress(text) + compressor.flush()).decode()


def script() -> str:
    """The page's own JavaScript."""
    return (_BESIDE / "report.js").read_text(encoding="utf-8")


def style() -> str:
    """The page's style sheet, with that of its drawings."""
    return (_BESIDE / "report.css").read_text(encoding="utf-8") + drawing_style()


def hash_of(text: bytes) -> str:
    """The hash by which a Content-Security-Policy names a script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"


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
