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
from coattail.charts.chart import Chart, Line, Mark, Shade
from coattail.charts.colours import NAMED, TINTS

_SYMBOLS = {"critical": "diamond", "high": "triangle-up", "buy": "triangle-up", "sell": "triangle-down"}
_STRIPS = {"live": TINTS[0], "fetched": TINTS[4], "gap": NAMED["gap"], "unobserved": NAMED["unobserved"]} | {
    f"c{n}": tint for n, tint in enumerate(TINTS)
}
_TINTED = {f"c{n}" for n in range(len(TINTS))}
_UNDER = 44
"""Pixels for the times below a chart that others follow."""
_TITLE, _FOOT = 34, 66
"""Pixels above each chart, and below the last."""
_FONT = {"family": "system-ui, sans-serif", "size": 12, "color": NAMED["ink"]}


def figure_of(charts: Sequence[Chart]) -> dict[str, Any]:
    """One figure, {"data": …, "layout": …}: the charts below each other. Those over time share an axis, which zooms
    them all; each other one has its own."""
    heights = [c.height + (16 if c.lanes else 40) + _foot(charts, place) for place, c in enumerate(charts)]
    whole = sum(heights) + _TITLE * len(charts)
    data: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    notes = [{**_note(DISCLAIMER, 1, -(_FOOT - 6) / whole, size=9), "xanchor": "right"}]
    axes: dict[str, Any] = {}
    top = whole
    for place, (chart, height) in enumerate(zip(charts, heights, strict=True)):
        top -= _TITLE
        domain = [(top - height + _foot(charts, place)) / whole, top / whole]
        y = "y" if place == 0 else f"y{place + 1}"
        x = "x" + y[1:] if chart.x.kind != "time" else _shared(charts)
        axes[y.replace("y", "yaxis")] = {**_values(chart, domain), "anchor": x}
        axes[x.replace("x", "xaxis")] = {**_along(chart, charts), "anchor": y}
        data += [{**trace, "xaxis": x, "yaxis": y} for trace in _traces(chart)]
        shapes += [_shade(shade, x, y) for shade in chart.shades]
        shapes += [_rule(at=_at(chart, level.at), x=x, y=f"{y} domain", upright=True) for level in chart.levels]
        shapes += [] if chart.baseline is None else [_rule(at=chart.baseline, x=f"{x} domain", y=y)]
        notes += [_beside(chart, place, x, y) for place in range(len(chart.levels))]
        notes += [_above(lane.name, n, x, y) for n, lane in enumerate(chart.lanes)]
        unit = f", {_plain(chart.unit)}" if chart.unit else ""
        notes.append(_note(f"<b>{_plain(chart.title)}</b>{unit}", 0, domain[1] + 8 / whole, size=12))
        top -= height
    layout = {
        **axes, "shapes": shapes, "annotations": notes, "height": whole + _FOOT,
        "margin": {"l": 64, "r": 12, "t": 4, "b": _FOOT}, "paper_bgcolor": "rgba(0,0,0,0)", "font": _FONT,
        "plot_bgcolor": "rgba(0,0,0,0)", "hovermode": "closest", "dragmode": "zoom", "showlegend": _keyed(charts),
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"}, "barmode": "overlay",
    }  # fmt: skip
    return {"data": data, "layout": layout}


def _foot(charts: Sequence[Chart], place: int) -> int:
    """Pixels below a chart for its own values of x: those of the last one stand in the foot."""
    below = charts[place + 1 :]
    if charts[place].x.kind == "time":
        return _UNDER if below and not any(chart.x.kind == "time" for chart in below) else 0
    return 24


def _shared(charts: Sequence[Chart]) -> str:
    """The axis of time: that of the first chart over time."""
    first = next(place for place, chart in enumerate(charts) if chart.x.kind == "time")
    return "x" if first == 0 else f"x{first + 1}"


def _along(chart: Chart, charts: Sequence[Chart]) -> dict[str, Any]:
    """The axis of x."""
    axis = {
        "gridcolor": _thin(),
        "linecolor": _thin(),
        "title": {"text": _plain(chart.x.name), "standoff": 4, "font": {"size": 11}},
    }
    if chart.x.kind == "time":
        over_time = [c for c in charts if c.x.kind == "time"]
        ends = min(c.since for c in over_time), max(c.until for c in over_time)
        return {
            **axis,
            "type": "date",
            "rangeslider": {"visible": False},
            "nticks": 6,
            "tickangle": 0,
            "range": [_iso(end) for end in ends],
        }
    ends = chart.x.place(chart.since), chart.x.place(chart.until)
    ticks = chart.x.ticks(chart.since, chart.until, 7)
    return {
        **axis, "type": "log" if chart.x.kind == "log" else "linear", "range": list(ends), "zeroline": False,
        "fixedrange": True, "tickvals": [at for at, _ in ticks], "ticktext": [text for _, text in ticks],
        "tickangle": 0,
    }  # fmt: skip


def _at(chart: Chart, x: float) -> str | float:
    """A value of x as Plotly takes it."""
    return _iso(x) if chart.x.kind == "time" else x


def _keyed(charts: Sequence[Chart]) -> bool:
    return any(len(chart.lines) > 1 for chart in charts)


def _traces(chart: Chart) -> Iterator[dict[str, Any]]:
    for line in chart.lines:
        yield _line(chart, line)
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
        yield _marks(chart, kind, [mark for mark in chart.marks if mark.kind == kind])
    for kind, colour in _STRIPS.items():
        cells = [(n, lane, *one) for n, lane in enumerate(chart.lanes) for one in lane.stretches if one[2] == kind]
        if cells:
            said = "" if kind in _TINTED else f": {kind}"
            yield {
                "type": "bar", "orientation": "h", "y": [n for n, *_ in cells], "name": kind, "offset": 0.05,
                "base": [_at(chart, since) for _, _, since, *_ in cells], "width": 0.4, "showlegend": False,
                "x": [until - since for _, _, since, until, _ in cells], "marker": {"color": colour},
                "text": [f"{_plain(lane.name)}{said}" for _, lane, *_ in cells], "textposition": "none",
                "hovertemplate": "%{text}<extra></extra>",
            }  # fmt: skip


def _marks(chart: Chart, kind: str, marks: Sequence[Mark]) -> dict[str, Any]:
    colour = _STRIPS[kind] if kind in _TINTED else NAMED.get(kind, NAMED["traded"])
    values = [mark.x if chart.lanes else mark.y for mark in marks]
    ends = [mark.interval or (at, at) for mark, at in zip(marks, values, strict=True)]
    whiskers = {
        "type": "data", "symmetric": False, "color": colour, "thickness": 2.5, "width": 0,
        "array": [high - at for at, (_, high) in zip(values, ends, strict=True)],
        "arrayminus": [at - low for at, (low, _) in zip(values, ends, strict=True)],
    }  # fmt: skip
    return {
        "type": "scatter", "mode": "markers", "x": [_at(chart, mark.x) for mark in marks],
        "y": [mark.y + (0.25 if chart.lanes else 0) for mark in marks], "showlegend": False,
        "text": ["<br>".join(wrap(_plain(mark.label), 60)) for mark in marks],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"symbol": _SYMBOLS.get(kind, "circle"), "size": 10, "color": colour,
                   "line": {"color": "#fff", "width": 1}},
        "cliponaxis": chart.x.kind == "time",
        **({"error_x" if chart.lanes else "error_y": whiskers} if any(mark.interval for mark in marks) else {}),
    }  # fmt: skip


def _line(chart: Chart, line: Line) -> dict[str, Any]:
    colour = TINTS[line.tint % len(TINTS)]
    return {
        "type": "scatter", "mode": "lines", "name": _plain(line.name), "y": line.y, "showlegend": bool(line.name),
        "x": [_at(chart, x) for x in line.x],
        "connectgaps": False, "fill": "tozeroy" if line.filled else "none",
        "line": {"color": colour, "width": 1 if line.filled else 1.5, "dash": "dot" if line.faint else "solid"},
        "hovertemplate": f"%{{y:,.6~g}}<extra>{_plain(line.name)}</extra>",
    }  # fmt: skip


def _values(chart: Chart, domain: list[float]) -> dict[str, Any]:
    axis = {"domain": domain, "gridcolor": _thin(), "zerolinecolor": _thin(), "fixedrange": True, "automargin": True}
    if chart.lanes:
        ends = [len(chart.lanes) - 0.4, -0.9 if chart.levels else -0.6]
        return {**axis, "range": ends, "showticklabels": False, "showgrid": False, "zeroline": False}
    low, high = chart.limits()
    kind: dict[str, Any] = {"nticks": 5, "tickformat": ",.6~r"}
    if chart.y.kind == "log":
        ticks = chart.y.ticks(low, high)
        kind = {"type": "log", "tickvals": [at for at, _ in ticks], "ticktext": [text for _, text in ticks]}
    return {**axis, **kind, "range": [chart.y.place(low), chart.y.place(high)]}


def _shade(shade: Shade, x: str, y: str) -> dict[str, Any]:
    colour = NAMED[shade.kind]
    return {
        "type": "rect", "xref": x, "yref": f"{y} domain", "x0": _iso(shade.since), "x1": _iso(shade.until),
        "y0": 0, "y1": 1, "layer": "below", "fillcolor": colour, "opacity": 0.3, "line": {"color": colour, "width": 1},
    }  # fmt: skip


def _rule(*, at: float | str, x: str, y: str, upright: bool = False) -> dict[str, Any]:
    """A dotted line across, or upright."""
    ends = {"x0": at, "x1": at, "y0": 0, "y1": 1} if upright else {"x0": 0, "x1": 1, "y0": at, "y1": at}
    line = {"color": NAMED["soft"], "width": 1, "dash": "dot"}
    return {"type": "line", "xref": x, "yref": y, **ends, "line": line}


def _beside(chart: Chart, place: int, x: str, y: str) -> dict[str, Any]:
    """The name of a level, at its top."""
    level, left = chart.levels[place], chart.leftward(place)
    at = _at(chart, chart.x.place(level.at)) if chart.x.kind == "log" else _at(chart, level.at)
    ends = {"xref": x, "yref": f"{y} domain", "xanchor": "right" if left else "left", "yanchor": "top"}
    down = 0 if chart.lanes else -12 * place
    return {**_note(_plain(level.label), 0, 1, size=11), **ends, "x": at, "yshift": down}


def _above(name: str, lane: int, x: str, y: str) -> dict[str, Any]:
    """The name of a lane, above its strip."""
    return {**_note(_plain(name), 0, lane, size=11), "xref": f"{x} domain", "yref": y}


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


def _iso(ms: float) -> str:
    """The time as short as Plotly reads it: a notebook holds thousands of them."""
    text = datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return text.removesuffix(".000").removesuffix(":00")
