"""Charts of scorecards as SVG: two panels or ten, in the dark and in the light, each with its words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from coattail.alerts import DISCLAIMER
from coattail.markup import Content, Markup, join, tag

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
_SOME = 0.5
"""Curves that never reach this many false alarms a market and day are left to the tables."""


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
        body.append(moved(left, top, _curves(panel, names, most, x_name)))
    return document(title, alt, width, height, body)


def document(title: str, alt: str, width: int, height: int, body: Sequence[Markup]) -> str:
    """A whole SVG file: the body under its title, above the disclaimer, and described by `alt`."""
    drawn = tag(
        "svg",
        tag("title", title, id="title"),
        tag("desc", alt, id="alt"),
        tag("style", Markup(_STYLE)),
        tag("rect", class_="back", width=width, height=height),
        tag("text", title, class_="head", x=20, y=28),
        body,
        soft(DISCLAIMER, 20, height - 10),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_labelledby="title alt",
    )
    return f"{drawn}\n"


def moved(left: float, top: float, content: Content) -> Markup:
    """The content, moved there."""
    return tag("g", content, transform=f"translate({left} {top})")


def soft(text: str, x: float, y: float, anchor: str | None = None) -> Markup:
    """Text in the softer colour."""
    return tag("text", text, class_="soft", x=f"{x:g}", y=f"{y:g}", text_anchor=anchor)


def _legend(names: Sequence[str]) -> Markup:
    parts, x = [], 20
    for number, name in enumerate(names):
        parts += [tag("path", class_=f"line s{number % 3}", d=f"M{x} 48h22"), tag("text", name, x=x + 28, y=52)]
        x += 44 + 8 * len(name)
    return join([*parts, soft("ring: as it comes", x, 52)])


def _curves(panel: Panel, names: Sequence[str], most: float, x_name: str) -> Markup:
    def x_of(x: float) -> float:
        return math.sqrt(max(x, 0.0) / most) * _PANEL_W

    def y_of(y: float) -> float:
        return (1 - y / (panel.top or 1.0)) * _PANEL_H

    parts = [tag("text", panel.title, class_="name", x=0, y=-8)]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = (1 - share) * _PANEL_H
        shown = f"{share:.0%}" if panel.top is None else f"{share * panel.top:.3g}"
        parts += [tag("path", class_="grid", d=f"M0 {y:.1f}H{_PANEL_W}"), soft(shown, -8, y + 4, "end")]
    for tick in _ticks(most):
        x = x_of(tick)
        parts.append(tag("path", class_="grid", d=f"M{x:.1f} 0V{_PANEL_H}"))
        parts.append(soft(f"{tick:g}", round(x, 1), _PANEL_H + 16, "middle"))
    parts.append(soft(x_name, 0, _PANEL_H + 34))
    for curve in panel.curves:
        tint = f"s{names.index(curve.name) % 3}"
        places = [(x_of(x), y_of(y)) for x, y in curve.points]
        parts.append(tag("path", class_=f"line {tint}", d="M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)))
        parts += [_circle(tint, x, y, 3) for x, y in places]
        if curve.own is not None:
            parts.append(_circle(f"line own {tint}", x_of(curve.own[0]), y_of(curve.own[1]), 7))
    return join(parts)


def _circle(kind: str, x: float, y: float, radius: int) -> Markup:
    return tag("circle", class_=kind, cx=f"{x:.1f}", cy=f"{y:.1f}", r=radius)


def _ticks(most: float) -> list[float]:
    steps = [0.0, *(s * 10.0**p for p in range(-3, 5) for s in (1, 2.5, 5))]
    kept: list[float] = []
    for step in steps:
        if step <= most and (not kept or math.sqrt(step / most) - math.sqrt(kept[-1] / most) > 0.11):
            kept.append(step)
    return kept


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
