"""Charts as an SVG file of its own, readable on white and on black: what GitHub shows of a notebook."""

from __future__ import annotations

from collections.abc import Sequence

from coattail.alerts import DISCLAIMER
from coattail.charts.chart import Chart
from coattail.charts.colours import NAMED, TINTS
from coattail.charts.svg import SYMBOLS, drawing_style, still
from coattail.markup import Content, Markup, tag

_WIDTH, _LEFT, _RIGHT = 860, 66, 14
_TITLE, _GAP, _FOOT = 22, 14, 20
_POINTS = 400
_CHARACTER = 6.4
"""Pixels of a character of 11 pixels, about: nothing here measures text."""


def sheet_of(charts: Sequence[Chart]) -> str:
    """The charts below each other, with their titles and keys, 860 pixels wide."""
    drawn: list[Markup] = []
    top = 0
    for chart in charts:
        drawn.append(_head(chart, top + 14))
        plot = still(chart, points=_POINTS)
        width = _WIDTH - _LEFT - _RIGHT
        drawn.append(tag("svg", plot, class_="still", x=_LEFT, y=top + _TITLE, width=width, height=chart.height))
        top += _TITLE + chart.height + _GAP
    height = top + _FOOT
    colours = "".join(f"--{name}:{value};" for name, value in NAMED.items())
    colours += "".join(f"--c{place}:{value};" for place, value in enumerate(TINTS))
    own = ".grid{stroke-opacity:.3}.head{font:12px system-ui,sans-serif}.title{font-weight:600}"
    own += "@media(max-width:520px){.still text,.head{font-size:18px}.still .start{font-size:15px}"
    own += ".wide,.key{display:none}}"
    return tag(
        "svg",
        tag("title", " ".join(chart.alt for chart in charts)),
        tag("style", Markup(f"svg{{{colours}}}{drawing_style()}{own}")),
        SYMBOLS,
        drawn,
        tag("text", DISCLAIMER, x=_LEFT, y=height - 6, font_size=10, fill=NAMED["soft"],
            font_family="system-ui, sans-serif"),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH} {height}",
        width=_WIDTH,
        height=height,
        role="img",
    )  # fmt: skip


def _head(chart: Chart, baseline: int) -> Markup:
    """The title in bold, the unit, and a key for each line where there are several."""
    title = f"{chart.title}{f', {chart.unit}' if chart.unit else ''}"
    content: list[Content] = [tag("text", title, x=_LEFT, y=baseline, class_="head title", fill=NAMED["ink"])]
    x = _LEFT + len(title) * _CHARACTER * 1.15 + 18
    for line in [line for line in chart.lines if line.name] if len(chart.lines) > 1 else []:
        colour = TINTS[line.tint % len(TINTS)]
        content.append(tag("rect", x=f"{x:.0f}", y=baseline - 6, width=12, height=3, fill=colour, class_="key"))
        content.append(tag("text", line.name, x=f"{x + 17:.0f}", y=baseline, class_="head key", fill=NAMED["soft"]))
        x += len(line.name) * _CHARACTER + 40
    return tag("g", content)
