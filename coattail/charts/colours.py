"""Colours of charts that know nothing of the page around them: at least 3 to 1 against white and against #111.

A test computes the contrast (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio). The first six are told apart with every
common kind of colour blindness by their lightness or hue; marks and strips also differ in shape.
"""

TINTS = ("#3b82d6", "#c2701c", "#7f868e", "#a06ad6", "#1f9470", "#cf5488")
"""Of lines, areas and bars, in their order."""

NAMED = {
    "ink": "#7b828a",
    "soft": "#7b828a",
    "line": "#8b929a",
    "paper": "none",
    "critical": "#e0484f",
    "high": "#c2701c",
    "medium": "#a08310",
    "low": "#7f868e",
    "buy": "#1f9470",
    "sell": "#e0484f",
    "up": "#3b82d6",
    "down": "#c2701c",
    "traded": "#7f868e",
    "gap": "#e0484f",
    "unobserved": "#7f868e",
    "rejected": "#c2701c",
}
"""By what they stand for: the CSS variables of drawing.css."""

ACCENT, ACCENT_ON_DARK = "#0b62c4", "#6cb2ff"
"""The project's one colour of its own, on white and on `PAPER_DARK`: its mark, links, the first line of a page."""

PAPER_DARK = "#12161b"
"""The ground of pages and cards that are dark."""
