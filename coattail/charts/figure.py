"""Charts as a figure for Plotly, a dict that it takes as it is; the package plotly is not needed to make one.

Every text that comes from data is escaped: Plotly makes links and tags of what looks like them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from textwrap import wrap
from typing import Any

from coattail.alerts import DISCLAIMER
from coattail.charts.chart import Chart, Line, Shade
from coattail.charts.colours import NAMED, TINTS

_SYMBOLS = {"critical": "diamond", "high": "triangle-up", "buy": "triangle-up", "sell": "triangle-down"}
_STRIPS = {"live": TINTS[0], "fetched": TINTS[4], "gap": NAMED["gap"], "unobserved": NAMED["unobserved"]}
_TITLE, _FOOT = 34, 66
"""Pixels above each chart, and below the last."""
_FONT = {"family": "system-ui, sans-serif", "size": 12, "color": NAMED["ink"]}


def figure_of(charts: Sequence[Chart]) -> dict[str, Any]:
    """One figure, {"data": …, "layout": …}: the charts below each other, on one axis of time that zooms them all."""
    heights = [chart.height + 40 for chart in charts]
    whole = sum(heights) + _TITLE * len(charts)
    data: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    notes = [{**_note(DISCLAIMER, 1, -(_FOOT - 8) / whole, size=10), "xanchor": "right"}]
    axes: dict[str, Any] = {}
    top = whole
    for place, (chart, height) in enumerate(zip(charts, heights, strict=True)):
        top -= _TITLE
        domain = [(top - height) / whole, top / whole]
        name = "y" if place == 0 else f"y{place + 1}"
        axes[name.replace("y", "yaxis")] = _values(chart, domain)
        data += [{**trace, "yaxis": name} for trace in _traces(chart)]
        shapes += [_shade(shade, name) for shade in chart.shades]
        shapes += [] if chart.baseline is None else [_level(chart.baseline, name)]
        unit = f", {escape(chart.unit, quote=False)}" if chart.unit else ""
        notes.append(_note(f"<b>{escape(chart.title, quote=False)}</b>{unit}", 0, domain[1] + 8 / whole, size=12))
        top -= height
    last = "y" if len(charts) == 1 else f"y{len(charts)}"
    times = {
        "type": "date", "anchor": last, "rangeslider": {"visible": False}, "gridcolor": _thin(), "linecolor": _thin(),
        "range": [_iso(min(c.since for c in charts)), _iso(max(c.until for c in charts))],
        "title": {"text": "UTC", "standoff": 4},
    }  # fmt: skip
    layout = {
        "xaxis": times, **axes, "shapes": shapes, "annotations": notes, "height": whole + _FOOT,
        "margin": {"l": 64, "r": 12, "t": 4, "b": _FOOT}, "paper_bgcolor": "rgba(0,0,0,0)", "font": _FONT,
        "plot_bgcolor": "rgba(0,0,0,0)", "hovermode": "closest", "dragmode": "zoom", "showlegend": _keyed(charts),
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"}, "barmode": "overlay",
    }  # fmt: skip
    return {"data": data, "layout": layout}


def _keyed(charts: Sequence[Chart]) -> bool:
    return any(len(chart.lines) > 1 for chart in charts)


def _traces(chart: Chart) -> Iterator[dict[str, Any]]:
    for line in chart.lines:
        yield _line(line)
    if chart.bars:
        yield {
            "type": "bar", "x": [_iso(bar.x + chart.bar_ms // 2) for bar in chart.bars],
            "y": [bar.y for bar in chart.bars], "width": chart.bar_ms * 0.96, "showlegend": False,
            "marker": {"color": [TINTS[bar.tint % len(TINTS)] for bar in chart.bars]},
            "hovertemplate": f"%{{y:,.6~g}} {_plain(chart.unit)}<extra></extra>",
        }  # fmt: skip
    if chart.candles:
        columns = ("open", "high", "low", "close")
        yield {
            "type": "candlestick", "x": [_iso(candle.x + chart.bar_ms // 2) for candle in chart.candles],
            **{name: [getattr(candle, name) for candle in chart.candles] for name in columns},
            "increasing": {"line": {"color": NAMED["up"], "width": 1}}, "showlegend": False, "name": "",
            "decreasing": {"line": {"color": NAMED["down"], "width": 1}, "fillcolor": NAMED["down"]},
        }  # fmt: skip
    for kind in dict.fromkeys(mark.kind for mark in chart.marks):
        marks = [mark for mark in chart.marks if mark.kind == kind]
        yield {
            "type": "scatter", "mode": "markers", "x": [_iso(mark.x) for mark in marks], "y": [m.y for m in marks],
            "text": ["<br>".join(wrap(_plain(mark.label), 60)) for mark in marks], "showlegend": False,
            "hovertemplate": "%{text}<extra></extra>",
            "marker": {"symbol": _SYMBOLS.get(kind, "circle"), "size": 10, "color": NAMED.get(kind, NAMED["traded"]),
                       "line": {"color": "#fff", "width": 1}},
        }  # fmt: skip
    for kind, colour in _STRIPS.items():
        cells = [(lane.name, *one) for lane in chart.lanes for one in lane.stretches if one[2] == kind]
        if cells:
            yield {
                "type": "bar", "orientation": "h", "y": [_plain(name) for name, *_ in cells], "name": kind,
                "base": [_iso(since) for _, since, _, _ in cells], "x": [until - since for _, since, until, _ in cells],
                "marker": {"color": colour}, "hovertemplate": f"%{{y}}: {kind}<extra></extra>", "showlegend": False,
            }  # fmt: skip


def _line(line: Line) -> dict[str, Any]:
    colour = TINTS[line.tint % len(TINTS)]
    return {
        "type": "scatter", "mode": "lines", "name": _plain(line.name), "x": [_iso(x) for x in line.x], "y": line.y,
        "connectgaps": False, "fill": "tozeroy" if line.filled else "none",
        "line": {"color": colour, "width": 1 if line.filled else 1.5, "dash": "dot" if line.faint else "solid"},
        "hovertemplate": f"%{{y:,.6~g}}<extra>{_plain(line.name)}</extra>",
    }  # fmt: skip


def _values(chart: Chart, domain: list[float]) -> dict[str, Any]:
    axis = {"domain": domain, "gridcolor": _thin(), "zerolinecolor": _thin(), "fixedrange": True}
    if chart.lanes:
        return {**axis, "type": "category", "autorange": "reversed", "automargin": True}
    return {**axis, "range": list(chart.limits()), "nticks": 5, "tickformat": ",.6~r"}


def _shade(shade: Shade, axis: str) -> dict[str, Any]:
    colour = NAMED[shade.kind]
    return {
        "type": "rect", "xref": "x", "yref": f"{axis} domain", "x0": _iso(shade.since), "x1": _iso(shade.until),
        "y0": 0, "y1": 1, "layer": "below", "fillcolor": colour, "opacity": 0.3, "line": {"color": colour, "width": 1},
    }  # fmt: skip


def _level(value: float, axis: str) -> dict[str, Any]:
    line = {"color": NAMED["soft"], "width": 1, "dash": "dot"}
    return {"type": "line", "xref": "paper", "yref": axis, "x0": 0, "x1": 1, "y0": value, "y1": value, "line": line}


def _note(text: str, x: float, y: float, *, size: int) -> dict[str, Any]:
    return {
        "text": text, "showarrow": False, "xref": "paper", "yref": "paper", "x": x, "y": y, "xanchor": "left",
        "yanchor": "bottom", "font": {"size": size}, "align": "left",
    }  # fmt: skip


def _thin() -> str:
    return "rgba(127,134,142,0.3)"


def _plain(text: str) -> str:
    """The text as Plotly shows it unchanged: no tags, and no `%{…}` of a hover text."""
    return escape(text, quote=False).replace("%{", "%&#123;")


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
