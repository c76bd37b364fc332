"""A chart drawn by us: no JavaScript, sharp on paper, as wide as its column, in the page's own colours.

The plot is an inner SVG that is stretched; texts and marks stand in the outer one, at percentages, in their shape.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from coattail.charts.chart import Bar, Candle, Chart, Lane, Line, Mark, points_of, thinned
from coattail.markup import Markup, join, tag

Share = Callable[[float], float]
"""Of a time or a value: how far along the axis it lies, 0 to 1."""

TINTS = 6
_WIDE, _HIGH = 2000, 1000
_BELOW = 20
"""Pixels for the values of x."""
_NAMED, _ABOVE = 15, 15
"""Pixels for the name of x, where it is not time, and for those of levels above lanes."""
_LANE_HIGH = 28
"""Pixels of a lane: its name, and its strip below."""
_STRIPS = {"gap": (13, 28), "live": (16, 26), "fetched": (21, 26), "unobserved": (24, 26)} | {
    f"c{tint}": (16, 26) for tint in range(TINTS)
}
"""Between which pixels of a lane it is drawn: they are told apart without colour too."""
_KINDS = {"critical", "high", "medium", "low", "buy", "sell"}

SYMBOLS = tag(
    "svg",
    tag(
        "defs",
        tag("path", id="critical", d="M0-7L6 0L0 7L-6 0Z"),
        tag("path", id="high", d="M0-6L6 5L-6 5Z"),
        tag("circle", id="medium", r=4),
        tag("circle", id="low", r=3),
        tag("path", id="buy", d="M0-5L5 4L-5 4Z"),
        tag("path", id="sell", d="M0 5L5-4L-5-4Z"),
        tag("circle", id="traded", r=4),
    ),
    class_="defs",
    width=0,
    height=0,
    aria_hidden="true",
)
"""The marks, once per page."""


def still(chart: Chart, *, points: int, titles: bool = True) -> Markup:
    """The chart as SVG, with its text alternative."""
    low, high = chart.limits()
    across = [] if chart.lanes else chart.y.ticks(low, high)
    upright = chart.x.ticks(chart.since, chart.until, 7)
    plot_height = chart.height - _BELOW - (_NAMED if _named(chart) else 0)
    above = _ABOVE if chart.levels and chart.lanes else 0

    def x_share(x: float) -> float:
        return chart.x.share(x, chart.since, chart.until)

    def y_share(y: float) -> float:
        if chart.lanes:
            return (above + _LANE_HIGH * y + 21) / plot_height
        return 1 - chart.y.share(y, low, high)

    inner = [
        *(
            tag("rect", x=_x(x_share(s.since)), y=0, width=max(_x(x_share(s.until)) - _x(x_share(s.since)), 2),
                height=_HIGH, class_=f"shade {s.kind}", vector_effect="non-scaling-stroke")
            for s in chart.shades
        ),
        *(_rule(y_share(y), "grid") for y, _ in across),
        *(_upright(x_share(x), "grid") for x, _ in upright if chart.x.kind != "time"),
        _rule(y_share(chart.baseline), "baseline") if chart.baseline is not None else None,
        *(_upright(x_share(level.at), "baseline") for level in chart.levels),
        *(_bar(bar, chart.bar_ms, x_share, y_share) for bar in chart.bars),
        *(_candle(candle, chart.bar_ms, x_share, y_share) for candle in chart.candles),
        *(_line(line, points, x_share, y_share) for line in chart.lines),
        *(_lane(lane, above + _LANE_HIGH * n, plot_height, x_share) for n, lane in enumerate(chart.lanes)),
        *(_whisker(m, x_share, y_share, lanes=bool(chart.lanes)) for m in chart.marks if m.interval is not None),
    ]  # fmt: skip
    marks = [
        tag(
            "use",
            tag("title", mark.label) if titles else None,
            href=f"#{mark.kind if mark.kind in _KINDS else 'traded'}",
            x=f"{100 * x_share(mark.x):.2f}%",
            y=f"{plot_height * y_share(mark.y):.1f}",
            class_=f"mark {mark.kind if mark.kind in _KINDS or mark.kind in _STRIPS else 'traded'}",
        )
        for mark in chart.marks
    ]
    return tag(
        "svg",
        tag("svg", inner, width="100%", height=plot_height, viewBox=f"0 0 {_WIDE} {_HIGH}", preserveAspectRatio="none"),
        [tag("text", text, x=-6, y=f"{plot_height * y_share(y) + 3.5:.1f}", class_="y") for y, text in across],
        [
            tag("text", lane.name, x=0, y=above + _LANE_HIGH * n + 11, class_="start")
            for n, lane in enumerate(chart.lanes)
        ],
        [
            _below(x_share(x), text, plot_height + _BELOW - 5, wide=place % 2 == 1)
            for place, (x, text) in enumerate(upright)
        ],
        tag("text", chart.x.name, x="100%", y=chart.height - 3, class_="x end") if _named(chart) else None,
        [_beside(chart, place, x_share(level.at)) for place, level in enumerate(chart.levels)],
        marks,
        class_="still",
        role="img",
        aria_label=chart.alt,
        width="100%",
        height=chart.height,
    )  # fmt: skip


def drawing_style() -> str:
    """The style of drawings; the colours are CSS variables that the page, or the sheet, defines."""
    return (Path(__file__).parent / "drawing.css").read_text(encoding="utf-8")


def _x(share: float) -> int:
    return round(share * _WIDE)


def _y(share: float) -> int:
    return round(share * _HIGH)


def _rule(share: float, kind: str) -> Markup:
    return tag("path", d=f"M0 {_y(share)}H{_WIDE}", class_=kind, vector_effect="non-scaling-stroke")


def _upright(share: float, kind: str) -> Markup:
    return tag("path", d=f"M{_x(share)} 0V{_HIGH}", class_=kind, vector_effect="non-scaling-stroke")


def _named(chart: Chart) -> bool:
    """Whether x is named: every page says that times are UTC."""
    return chart.x.kind != "time" and bool(chart.x.name)


def _below(share: float, text: str, y: float, *, wide: bool) -> Markup:
    """A value of x below the plot; on a phone only every second is shown."""
    anchor = "start" if share < 0.03 else "end" if share > 0.97 else "middle"
    return tag("text", text, x=f"{100 * share:.2f}%", y=y, class_=f"x {anchor}{' wide' if wide else ''}")


def _beside(chart: Chart, place: int, share: float) -> Markup:
    """The name of a level, at its top."""
    left, y = chart.leftward(place), 10 if chart.lanes else 10 + 12 * place
    kind = "end" if left else "start"
    return tag("text", chart.levels[place].label, x=f"{100 * share:.2f}%", dx=-4 if left else 4, y=y, class_=kind)


def _whisker(mark: Mark, x_share: Share, y_share: Share, *, lanes: bool) -> Markup:
    low, high = mark.interval or (0.0, 0.0)
    x, y = _x(x_share(mark.x)), _y(y_share(mark.y))
    d = f"M{_x(x_share(low))} {y}H{_x(x_share(high))}" if lanes else f"M{x} {_y(y_share(low))}V{_y(y_share(high))}"
    tint = mark.kind.removeprefix("c") if mark.kind in _STRIPS else "2"
    return tag("path", d=d, class_=f"line whisker l{tint}", vector_effect="non-scaling-stroke")


def _bar(bar: Bar, length: int, x_share: Share, y_share: Share) -> Markup:
    left, right = _x(max(x_share(bar.x), 0)), _x(min(x_share(bar.x + length), 1))
    top, bottom = sorted((_y(y_share(bar.y)), _y(y_share(0))))
    size = {"x": left, "y": top, "width": max(right - left - 4, 1), "height": bottom - top}
    return tag("rect", class_=f"bar b{bar.tint % TINTS}", **size)


def _candle(candle: Candle, length: int, x_share: Share, y_share: Share) -> Markup:
    """Wick and body; one that rose is hollow, so that it is known without colour."""
    left, right = _x(x_share(candle.x)), _x(x_share(candle.x + length))
    top, bottom = sorted((_y(y_share(candle.open)), _y(y_share(candle.close))))
    kind = "candle up" if candle.close >= candle.open else "candle down"
    wick = f"M{(left + right) // 2} {_y(y_share(candle.high))}V{_y(y_share(candle.low))}"
    size = {"x": left, "y": top, "width": max(right - left - 2, 1), "height": max(bottom - top, 2)}
    return join(
        [
            tag("path", d=wick, class_=kind, vector_effect="non-scaling-stroke"),
            tag("rect", class_=f"{kind} body", vector_effect="non-scaling-stroke", **size),
        ]
    )


def _line(line: Line, points: int, x_share: Share, y_share: Share) -> Markup:
    shown = thinned(points_of(line), points)
    runs: list[list[tuple[int, int]]] = [[]]
    for x, y in shown.iter_rows():
        if y is None:
            runs.append([])
        else:
            runs[-1].append((_x(x_share(x)), _y(y_share(y))))
    drawn = [_run(run, filled=line.filled) for run in runs if run]
    tint = f"{line.tint % TINTS}"
    kind = f"area a{tint}" if line.filled else f"line l{tint}{' faint' if line.faint else ''}"
    return tag("path", d="".join(drawn), class_=kind, vector_effect="non-scaling-stroke")


def height_of(lanes: int, *, named: bool = False, levels: bool = False) -> int:
    """Pixels of a chart with this number of lanes; `named`: x has a name, `levels`: there are some."""
    return _LANE_HIGH * lanes + _BELOW + _NAMED * named + _ABOVE * levels


def _lane(lane: Lane, top: int, plot_height: int, x_share: Share) -> Markup:
    """Its stretches, gaps last so that they are on top."""
    drawn: dict[str, list[str]] = {kind: [] for kind in reversed(_STRIPS)}
    for since, until, kind in lane.stretches:
        upper, lower = (_y((top + edge) / plot_height) for edge in _STRIPS[kind])
        left, right = _x(x_share(since)), _x(x_share(until))
        drawn[kind].append(f"M{left} {upper}H{max(right, left + 1)}V{lower}H{left}Z")
    return join(
        [
            tag("path", d="".join(d), class_=f"strip {k}", vector_effect="non-scaling-stroke")
            for k, d in drawn.items()
            if d
        ]
    )


def _run(run: list[tuple[int, int]], *, filled: bool) -> str:
    first, *others = run
    relative = []
    x, y = first
    for to_x, to_y in others:
        relative.append(f"{to_x - x} {to_y - y}")
        x, y = to_x, to_y
    body = ("l" + " ".join(relative).replace(" -", "-")) if relative else "h2"
    if filled:
        return f"M{first[0]} {_HIGH}V{first[1]}{body}V{_HIGH}Z"
    return f"M{first[0]} {first[1]}{body}"
