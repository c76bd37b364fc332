"""A chart drawn on a canvas, from the same data as on a page and in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from coattail.charts.chart import Candle, Chart, Line, Shade, points_of, thinned
from coattail.charts.colours import NAMED, TINTS
from coattail.charts.mark import CORNERS, SIDE
from coattail.share.ink import FAINT, PAPER, SOFT, At, Canvas, mixed, shortened, width_of

_MOST_NAMES = 4
_SHADES = {"gap": "missing trades", "unobserved": "nobody listened", "rejected": "rejected"}


@dataclass(frozen=True, kw_only=True)
class ChartBox:
    """Where a chart lies on a canvas, and how large its texts are; all in points."""

    left: float
    top: float
    right: float
    bottom: float
    text: float
    most_points: int = 500


@dataclass(frozen=True)
class _Plot:
    chart: Chart
    left: float
    top: float
    right: float
    bottom: float

    def x(self, value: float) -> float:
        share = self.chart.x.share(value, self.chart.since, self.chart.until)
        return self.left + min(max(share, 0.0), 1.0) * (self.right - self.left)

    def y(self, value: float) -> float:
        share = self.chart.y.share(value, *self.chart.limits())
        return self.bottom - min(max(share, 0.0), 1.0) * (self.bottom - self.top)


def draw_chart(canvas: Canvas, chart: Chart, frame: ChartBox) -> None:
    """Draw the chart with its title, its key and both axes inside the frame. It has lines, candles, marks or shades."""
    size = frame.text
    across = chart.y.ticks(*chart.limits())
    room = max((width_of(text, size) for _, text in across), default=0.0) + size * 0.6
    plot = _Plot(chart, frame.left + room, _head(canvas, chart, frame), frame.right, frame.bottom - size * 1.6)
    for shade in chart.shades:
        _shade(canvas, shade, plot)
    for value, text in across:
        y = plot.y(value)
        canvas.line([(plot.left, y), (plot.right, y)], FAINT, 1)
        canvas.text((plot.left - size * 0.6, y + size * 0.35), text, size, fill=SOFT, anchor="rs")
    free = frame.left
    for value, text in chart.x.ticks(chart.since, chart.until):
        half = width_of(text, size) / 2
        middle = min(max(plot.x(value), plot.left + half), plot.right - half)
        if middle - half > free:
            canvas.text((middle, frame.bottom), text, size, fill=SOFT, anchor="ms")
            free = middle + half + size
    if chart.baseline is not None:
        canvas.line([(plot.left, plot.y(chart.baseline)), (plot.right, plot.y(chart.baseline))], SOFT, 1)
    for candle in chart.candles:
        _candle(canvas, candle, plot)
    for line in reversed(chart.lines):  # the first one on top
        _line(canvas, line, plot, frame.most_points)
    for mark in reversed(chart.marks):  # the most important one on top
        draw_mark(canvas, mark.kind, (plot.x(mark.x), plot.y(mark.y)), size * 0.5)


def draw_mark(canvas: Canvas, kind: str, at: At, radius: float) -> None:
    """Draw the mark of an alert: a diamond is critical, a triangle high, a circle below that."""
    (x, y), r = at, radius
    colour = NAMED.get(kind, NAMED["traded"])
    if kind == "critical":
        canvas.polygon(
            [(x, y - r * 1.25), (x + r * 1.1, y), (x, y + r * 1.25), (x - r * 1.1, y)], colour, outline=PAPER
        )
    elif kind in ("high", "buy"):
        canvas.polygon([(x, y - r * 1.1), (x + r, y + r * 0.8), (x - r, y + r * 0.8)], colour, outline=PAPER)
    elif kind == "sell":
        canvas.polygon([(x, y + r * 1.1), (x + r, y - r * 0.8), (x - r, y - r * 0.8)], colour, outline=PAPER)
    else:
        canvas.circle(at, r * (0.75 if kind == "medium" else 0.6), colour, outline=PAPER)


def _head(canvas: Canvas, chart: Chart, frame: ChartBox) -> float:
    """The title, and what lines, marks and shades are: beside it where there is room, else below. Returns its end."""
    size, baseline, wide = frame.text, frame.top + frame.text, frame.right - frame.left
    title = shortened(f"{chart.title}{f', {chart.unit}' if chart.unit else ''}", size * 1.1, wide)
    canvas.text((frame.left, baseline), title, size * 1.1, bold=True)
    keys = [(shortened(name, size, wide * 0.45), key) for name, key in _keys(chart)]
    widths = [size * 1.5 + width_of(name, size) for name, _ in keys]
    between, x = size * 1.1, frame.right - sum(widths) - size * 1.1 * (len(keys) - 1)
    below = x < frame.left + width_of(title, size * 1.1) + size * 1.5
    if below and keys:
        x, baseline = frame.left, baseline + size * 1.6
    for (name, key), width in zip(keys, widths, strict=True):
        if below and x > frame.left and x + width > frame.right:
            x, baseline = frame.left, baseline + size * 1.5
        key(canvas, (x + size * 0.5, baseline - size * 0.35), size)
        canvas.text((x + size * 1.5, baseline), name, size, fill=SOFT)
        x += width + between
    return baseline + size


def _keys(chart: Chart) -> list[tuple[str, _Key]]:
    found: list[tuple[str, _Key]] = [
        (line.name, _Key(TINTS[line.tint % len(TINTS)], "line")) for line in chart.lines[:_MOST_NAMES]
    ]
    found += [(kind, _Key(kind, "mark")) for kind, _ in groupby(mark.kind for mark in chart.marks)]
    kinds = {shade.kind for shade in chart.shades}
    return found + [(said, _Key(NAMED[kind], "shade")) for kind, said in _SHADES.items() if kind in kinds]


@dataclass(frozen=True)
class _Key:
    what: str
    kind: str

    def __call__(self, canvas: Canvas, at: At, size: float) -> None:
        x, y = at
        if self.kind == "line":
            canvas.line([(x - size * 0.5, y), (x + size * 0.5, y)], self.what, size / 6)
        elif self.kind == "mark":
            draw_mark(canvas, self.what, at, size * 0.5)
        else:
            half = size * 0.5
            canvas.box((x - half, y - half), (x + half, y + half), mixed(self.what, 0.3))


def _shade(canvas: Canvas, shade: Shade, plot: _Plot) -> None:
    left, right = plot.x(shade.since), plot.x(shade.until)
    if right - left < 2:
        left, right = left - 1, left + 1
    colour = NAMED.get(shade.kind, NAMED["unobserved"])
    canvas.box((left, plot.top), (right, plot.bottom), mixed(colour, 0.25))
    for edge in (left, right):
        canvas.line([(edge, plot.top), (edge, plot.bottom)], mixed(colour, 0.7), 1)


def _line(canvas: Canvas, line: Line, plot: _Plot, most: int) -> None:
    colour = TINTS[line.tint % len(TINTS)]
    runs: list[list[At]] = [[]]
    for x, y in thinned(points_of(line), most).iter_rows():
        if y is None:
            runs.append([])
        else:
            runs[-1].append((plot.x(x), plot.y(y)))
    for run in filter(None, runs):
        if line.filled:
            ground = [(run[-1][0], plot.bottom), (run[0][0], plot.bottom)]
            canvas.polygon([*run, *ground], mixed(colour, 0.35))
        if len(run) == 1:
            canvas.circle(run[0], 2.5, colour)  # what traded once, between two holes
        canvas.line(run, mixed(colour, 0.6) if line.faint else colour, 1 if line.faint or line.filled else 2)


def _candle(canvas: Canvas, candle: Candle, plot: _Plot) -> None:
    """Wick and body; one that rose is pale, so that it is known without colour."""
    left, right = plot.x(candle.x), plot.x(candle.x + plot.chart.bar_ms)
    rose = candle.close >= candle.open
    colour, middle = NAMED["up" if rose else "down"], (left + right) / 2
    top, bottom = sorted((plot.y(candle.open), plot.y(candle.close)))
    canvas.line([(middle, plot.y(candle.high)), (middle, plot.y(candle.low))], colour, 1)
    body = (left + 0.5, top), (max(right - 0.5, left + 1), max(bottom, top + 1))
    canvas.box(*body, mixed(colour, 0.3) if rose else colour)


def draw_logo(canvas: Canvas, at: At, side: float, colour: str) -> None:
    """Draw the project's mark, its upper left corner at a point."""
    canvas.polygon([(at[0] + x * side / SIDE, at[1] + y * side / SIDE) for x, y in CORNERS], colour)
