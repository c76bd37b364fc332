"""Charts of scorecards as SVG: two panels or ten, in the dark and in the light, each with its words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from coattail.alerts import DISCLAIMER

_STYLE = """
svg { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; }
.back { fill: #ffffff; } text { fill: #1f2933; } .soft { fill: #5b6672; } .grid { stroke: #d8dee4; }
.s0 { stroke: #b4500f; fill: #b4500f; } .s1 { stroke: #0b6bcb; fill: #0b6bcb; } .s2 { stroke: #6b7280; fill: #6b7280; }
.line { fill: none; stroke-width: 2; } .own { stroke-width: 2.5; } .cell { fill: #0b6bcb; } .on { fill: #ffffff; }
.name { font-weight: 600; } .head { font-size: 16px; font-weight: 600; }
@media (prefers-color-scheme: dark) {
.back { fill: #10161d; } text { fill: #e6edf3; } .soft { fill: #9aa7b4; } .grid { stroke: #2b3540; }
.s0 { stroke: #f0883e; fill: #f0883e; } .s1 { stroke: #58a6ff; fill: #58a6ff; } .s2 { stroke: #9aa7b4; fill: #9aa7b4; }
.cell { fill: #3f8ee8; } .on { fill: #ffffff; } }
"""
_PANEL_W, _PANEL_H, _LEFT, _TOP, _GAP = 330, 230, 58, 84, 64
_ROW_H, _CELL_W = 34, 62
_DARK = 0.65
"""From this share on a cell is dark enough for white words."""
_SOME = 0.5
"""A curve that has no more false alarms than so many is no curve, and is left to the tables."""


class Curve(NamedTuple):
    """A line through (x, recall) of rising x; `own` is where the preset itself stands."""

    name: str
    points: Sequence[tuple[float, float]]
    own: tuple[float, float] | None


class Panel(NamedTuple):
    """Curves of one kind of event."""

    title: str
    curves: Sequence[Curve]
    top: float | None = None
    """The highest y; None where y are shares."""


class Heat(NamedTuple):
    """Recall by size (rows) and duration (columns); a cell without events is None."""

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Mapping[tuple[str, str], tuple[float, int]]
    """(row, column) -> recall, events."""


def curves_chart(title: str, panels: Sequence[Panel], *, x_name: str, alt: str) -> str:
    """Curves over an x from 0, on a square-root axis so that few false alarms have room."""
    across = min(len(panels), 2)
    down = -(-len(panels) // across)
    width = across * (_PANEL_W + _LEFT) + _GAP // 2
    height = _TOP + down * (_PANEL_H + _GAP) + 24
    most = max((x for p in panels for c in p.curves for x, _ in c.points), default=1.0) or 1.0
    names = list(dict.fromkeys(c.name for p in panels for c in p.curves))
    body = [_legend(names)]
    for number, panel in enumerate(panels):
        left = _LEFT + (number % across) * (_PANEL_W + _LEFT)
        top = _TOP + (number // across) * (_PANEL_H + _GAP)
        body.append(f'<g transform="translate({left} {top})">{_curves(panel, names, most, x_name)}</g>')
    return _document(title, alt, width, height, body)


def heat_chart(title: str, tables: Sequence[Heat], *, alt: str) -> str:
    """Recall as tables, darker where it is higher; each cell says its share and its number of events."""
    across = min(len(tables), 2)
    side = max((96 + _cell_width(t) * len(t.columns) for t in tables), default=200) + 28
    tall = max((60 + _ROW_H * len(t.rows) for t in tables), default=100)
    down = -(-len(tables) // across)
    body = []
    for number, table in enumerate(tables):
        left, top = 20 + (number % across) * side, 58 + (number // across) * tall
        body.append(f'<g transform="translate({left} {top})">{_heat(table)}</g>')
    return _document(title, alt, max(20 + across * side, 460), 64 + down * tall + 24, body)


def _document(title: str, alt: str, width: int, height: int, body: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-labelledby="title alt"><title id="title">{escape(title)}</title>'
        f'<desc id="alt">{escape(alt)}</desc><style>{_STYLE}</style>'
        f'<rect class="back" width="{width}" height="{height}"/>'
        f'<text class="head" x="20" y="28">{escape(title)}</text>{"".join(body)}'
        f'<text class="soft" x="20" y="{height - 10}">{escape(DISCLAIMER)}</text></svg>\n'
    )


def _legend(names: Sequence[str]) -> str:
    parts, x = [], 20
    for number, name in enumerate(names):
        parts.append(
            f'<path class="line s{number % 3}" d="M{x} 48h22"/><text x="{x + 28}" y="52">{escape(name)}</text>'
        )
        x += 44 + 8 * len(name)
    return "".join(parts) + f'<text class="soft" x="{x}" y="52">ring: as it comes</text>'


def _curves(panel: Panel, names: Sequence[str], most: float, x_name: str) -> str:
    def x_of(x: float) -> float:
        return math.sqrt(max(x, 0.0) / most) * _PANEL_W

    def y_of(y: float) -> float:
        return (1 - y / (panel.top or 1.0)) * _PANEL_H

    parts = [f'<text class="name" x="0" y="-8">{escape(panel.title)}</text>']
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = (1 - share) * _PANEL_H
        said = f"{share:.0%}" if panel.top is None else f"{share * panel.top:.3g}"
        parts.append(f'<path class="grid" d="M0 {y:.1f}H{_PANEL_W}"/>')
        parts.append(f'<text class="soft" x="-8" y="{y + 4:.1f}" text-anchor="end">{said}</text>')
    for tick in _ticks(most):
        x = x_of(tick)
        parts.append(f'<path class="grid" d="M{x:.1f} 0V{_PANEL_H}"/>')
        parts.append(f'<text class="soft" x="{x:.1f}" y="{_PANEL_H + 16}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text class="soft" x="0" y="{_PANEL_H + 34}">{escape(x_name)}</text>')
    for curve in panel.curves:
        tint = f"s{names.index(curve.name) % 3}"
        places = [(x_of(x), y_of(y)) for x, y in curve.points]
        line = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f'<path class="line {tint}" d="M{line}"/>')
        parts += [f'<circle class="{tint}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places]
        if curve.own is not None:
            x, y = x_of(curve.own[0]), y_of(curve.own[1])
            parts.append(f'<circle class="line own {tint}" cx="{x:.1f}" cy="{y:.1f}" r="7"/>')
    return "".join(parts)


def _ticks(most: float) -> list[float]:
    steps = [0.0, *(s * 10.0**p for p in range(-3, 5) for s in (1, 2.5, 5))]
    kept: list[float] = []
    for step in steps:
        if step <= most and (not kept or math.sqrt(step / most) - math.sqrt(kept[-1] / most) > 0.11):
            kept.append(step)
    return kept


def _cell_width(table: Heat) -> int:
    """Wide enough for the longest duration."""
    return max([_CELL_W, *(14 + 7 * len(column) for column in table.columns)])


def _heat(table: Heat) -> str:
    wide = _cell_width(table)
    parts = [f'<text class="name" x="0" y="0">{escape(table.title)}</text>']
    for c, column in enumerate(table.columns):
        parts.append(
            f'<text class="soft" x="{96 + (c + 0.5) * wide}" y="20" text-anchor="middle">{escape(column)}</text>'
        )
    for r, row in enumerate(table.rows):
        y = 28 + r * _ROW_H
        parts.append(f'<text class="soft" x="90" y="{y + 20}" text-anchor="end">{escape(row)}</text>')
        for c, column in enumerate(table.columns):
            x = 96 + c * wide
            cell = table.cells.get((row, column))
            if cell is None:
                parts.append(f'<text class="soft" x="{x + wide / 2}" y="{y + 20}" text-anchor="middle">-</text>')
                continue
            share, events = cell
            parts.append(
                f'<rect class="cell" x="{x + 1}" y="{y + 1}" width="{wide - 2}" height="{_ROW_H - 2}" rx="3" '
                f'fill-opacity="{0.06 + 0.94 * share:.2f}"><title>{escape(f"{row}, {column}: {share:.0%} of {events}")}'
                f'</title></rect><text {"class=on " if share > _DARK else ""}x="{x + wide / 2}" y="{y + 20}" '
                f'text-anchor="middle">{share:.0%}</text>'.replace("class=on", 'class="on"')
            )
    return "".join(parts)


def panels_of(curves: Mapping[str, Any], own: Mapping[str, Mapping[str, tuple[float, float]]]) -> list[Panel]:
    """A panel per kind whose false alarms vary; `own`: kind -> preset -> (false per market and day, recall)."""
    found = []
    for kind, presets in curves.items():
        lines = [
            Curve(
                preset,
                sorted((p["false_per_market_day"], p["recall"]) for p in points),
                own.get(kind, {}).get(preset),
            )
            for preset, points in presets.items()
            if any(p["recall"] for p in points)
        ]
        if any(x >= _SOME for line in lines for x, _ in line.points) and len(lines[0].points) > 1:
            found.append(Panel(f"{kind}s found", lines))
    return found


def heat_of(title: str, card: Mapping[str, Any]) -> Heat:
    """A card's recall by size and duration."""
    cells = {(b["size"], b["length"]): (b["value"], b["events"]) for b in card["by_size"]}
    rows = list(dict.fromkeys(b["size"] for b in card["by_size"]))
    return Heat(title, rows, list(dict.fromkeys(b["length"] for b in card["by_size"])), cells)


def curves_of(found: Mapping[str, Any]) -> str:
    """Recall against false alarms of a scorecard with `curves`, each preset's own place marked."""
    own: dict[str, dict[str, tuple[float, float]]] = {}
    for preset, modules in found["presets"].items():
        for kinds in modules.values():
            for kind, card in kinds.items():
                if card["recall"]["value"] is not None:
                    own.setdefault(kind, {})[preset] = (card["per_market_day"]["value"], card["recall"]["value"])
    return curves_chart(
        "Recall against false alarms",
        panels_of(found["curves"], own),
        x_name="false alarms per market and day (root scale)",
        alt="For each kind of event a curve per preset: the share of planted events found against false alarms per "
        "market and day, as the detector's threshold moves.",
    )
