"""The project's mark: a coat seen from the back, its two tails apart. One shape, in the accent colour."""

from __future__ import annotations

from coattail.markup import Markup, tag

SIDE = 24
"""The mark's corners lie on a square of this side."""

CORNERS = ((3, 2), (12, 6), (21, 2), (21, 12), (18, 22), (12, 11), (6, 22), (3, 12))
"""Of the one polygon, from the upper left shoulder on, y downward."""


def mark(size: int) -> Markup:
    """The mark as SVG, `size` pixels wide and high, in the colour of the text around it; a reader is told nothing."""
    corners = " ".join(f"{x},{y}" for x, y in CORNERS)
    shape = tag("polygon", points=corners, fill="currentColor")
    return tag("svg", shape, viewBox=f"0 0 {SIDE} {SIDE}", width=size, height=size, class_="logo", aria_hidden="true")
