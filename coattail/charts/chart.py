"""A chart as data: what both renderers draw. Times are ms since 1970, so that JavaScript reads them as they are.

Names lie along lanes: a bar is then a stretch from zero, and a figure with its interval a mark.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import polars as pl

from coattail.charts.axis import NUMBER, TIME, Axis

MINUTE_MS = 60_000
MOST_POINTS = 1500
"""Points of a line: as many as a wide screen shows."""
_STORED_POINTS = 600
"""Of a line that a notebook keeps: with five charts an executed one stays below 500 kB."""


@dataclass(frozen=True, kw_only=True)
class Detail:
    """How much of each chart a page can hold."""

    points: int
    """Points of a line that can be zoomed."""
    still_points: int
    """Points of a line as a drawing."""
    marks: int
    titles: bool
    """Whether marks of a drawing have tooltips."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line; a y that is None interrupts it."""

    name: str
    tint: int
    """Which of the page's colours: 0, 1, 2 …"""
    x: list[float]
    """Rising."""
    y: list[float | None]
    faint: bool = False
    filled: bool = False
    """Drawn down to zero, as volumes are."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar from zero: of a share, or of dollars."""

    x: int
    y: float
    tint: int


@dataclass(frozen=True, kw_only=True)
class Candle:
    """The prices of a stretch of time."""

    x: int
    """Its beginning."""
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True, kw_only=True)
class Shade:
    """A stretch of time in which something is unknown."""

    since: int
    until: int
    kind: str
    """gap, unobserved or rejected."""
    label: str
    instrument: tuple[str, str]
    """(exchange, symbol) whose trades they are."""


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A strip of its own below those before it: what was the case when, or how much of something there is."""

    name: str
    stretches: list[tuple[float, float, str]]
    """(since, until, what), one after the other; what: live, fetched, gap, unobserved, or a colour: c0, c1 …"""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Something that happened, or a figure."""

    x: float
    y: float
    """On a chart with lanes: the number of the lane."""
    kind: str
    """A severity; buy or sell; or a colour: c0, c1 …"""
    label: str
    interval: tuple[float, float] | None = None
    """What its value lies between: y, on a chart with lanes x."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """A value of x to compare with, drawn upright."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One axis from `since` to `until`, of time unless `x` says otherwise, and what lies on it."""

    title: str
    alt: str
    """The text for a person who cannot see it."""
    unit: str
    """Of y."""
    since: float
    until: float
    x: Axis = TIME
    y: Axis = NUMBER
    lines: list[Line] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    candles: list[Candle] = field(default_factory=list)
    bar_ms: int = 0
    """How long each bar or candle is."""
    shades: list[Shade] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    """The most important first: where there are too many to draw, the first ones stay."""
    lanes: list[Lane] = field(default_factory=list)
    """Instead of values: there is then no axis of them."""
    from_zero: bool = False
    baseline: float | None = None
    """A value of y to compare with, drawn across."""
    levels: list[Level] = field(default_factory=list)
    height: int = 150
    first_marks: str = "most severe"
    """What the first marks are."""

    def limits(self) -> tuple[float, float]:
        """The lowest and highest value, a little widened; (0, 1) where there is none."""
        values = [y for line in self.lines for y in line.y if y is not None]
        values += [bar.y for bar in self.bars] + [mark.y for mark in self.marks]
        values += [y for mark in self.marks for y in mark.interval or ()]
        values += [y for candle in self.candles for y in (candle.low, candle.high)]
        values += [0.0] if self.from_zero or self.bars else []
        values += [self.baseline] if self.baseline is not None else []
        if not values:
            return (0.1, 1.0) if self.y.kind == "log" else (0.0, 1.0)
        low, high = self.y.around(min(values), max(values))
        zero = self.from_zero or bool(self.bars)
        return (0.0 if zero and min(values) == 0 else low), high

    def leftward(self, place: int) -> bool:
        """Whether the name of that level stands to its left, where there is more room."""
        share = self.x.share(self.levels[place].at, self.since, self.until)
        return share > (0.5 if place == len(self.levels) - 1 else 0.3)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see."""
        drawn = self.bars or self.candles or self.marks or self.lanes
        return not (drawn or any(y is not None for line in self.lines for y in line.y))

    def figure(self) -> dict[str, Any]:
        """The figure for Plotly: `plotly.graph_objects.Figure(chart.figure())`."""
        return Panels((self,)).figure()

    def svg(self) -> str:
        """The drawing, as a file of its own."""
        return Panels((self,)).svg()

    def _repr_mimebundle_(self, **asked: object) -> dict[str, Any]:
        return Panels((self,))._repr_mimebundle_()


@dataclass(frozen=True)
class Panels:
    """Charts below each other; those over time on one axis, which zooms them all."""

    charts: tuple[Chart, ...]

    @property
    def alt(self) -> str:
        """The text for a person who cannot see them."""
        return " ".join(chart.alt for chart in self.charts)

    def figure(self) -> dict[str, Any]:
        """The figure for Plotly: `plotly.graph_objects.Figure(panels.figure())`."""
        from coattail.charts.figure import figure_of

        return figure_of(self.charts)

    def svg(self) -> str:
        """The drawing, as a file of its own."""
        from coattail.charts.sheet import sheet_of

        return sheet_of(self.charts)

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, **asked: object) -> dict[str, Any]:
        """A live chart for JupyterLab, a drawing for what shows no JavaScript, as GitHub does, and a text."""
        live = Panels(tuple(replace(c, lines=[_shorter(line) for line in c.lines]) for c in self.charts)).figure()
        return {"application/vnd.plotly.v1+json": live, "image/svg+xml": self.svg(), "text/plain": self.alt}


def cut(chart: Chart, detail: Detail) -> Chart:
    """The chart with no more points and marks than the detail allows."""
    lines = [
        replace(line, x=shown["x"].to_list(), y=shown["y"].to_list())
        for line in chart.lines
        for shown in (thinned(points_of(line), detail.points),)
    ]
    return replace(chart, lines=lines, marks=chart.marks[: detail.marks])


def _shorter(line: Line) -> Line:
    shown = thinned(points_of(line), _STORED_POINTS)
    return replace(line, x=shown["x"].to_list(), y=shown["y"].to_list())


def points_of(line: Line) -> pl.DataFrame:
    """The line as a frame: x, y."""
    whole = all(isinstance(x, int) for x in line.x)
    return pl.DataFrame({"x": line.x, "y": line.y}, schema={"x": pl.Int64 if whole else pl.Float64, "y": pl.Float64})


def ms(when: datetime) -> int:
    """Milliseconds since 1970."""
    return int(when.timestamp() * 1000)


def thinned(points: pl.DataFrame, most: int = MOST_POINTS) -> pl.DataFrame:
    """At most `most` rows: the one with the lowest and the one with the highest y of each stretch, at their own times.

    Columns in and out: x (rising), y. Rows without y interrupt the line, and stay as far as there is room.
    """
    if points.height <= most:
        return points
    stretches = most // 3
    numbered = points.with_row_index("row").with_columns(
        (pl.col("row").cast(pl.Int64) * stretches // points.height).alias("stretch"), pl.col("y").cast(pl.Float64)
    )
    kept = numbered.group_by("stretch").agg(
        pl.col("row").sort_by("y", nulls_last=True).first().alias("low"),
        pl.col("row").filter(pl.col("y").is_not_null()).sort_by(pl.col("y").drop_nulls()).last().alias("high"),
        pl.col("row").filter(pl.col("y").is_null()).first().alias("hole"),
    )
    rows = pl.concat([kept[name].drop_nulls() for name in ("low", "high", "hole")]).unique()
    return numbered.filter(pl.col("row").is_in(rows.implode())).select("x", "y")


def line_of(
    points: pl.DataFrame, name: str, tint: int, *, faint: bool = False, filled: bool = False, most: int = MOST_POINTS
) -> Line:
    """The line through points with x (ms) and y, no denser than a screen; y keeps six digits."""
    shown = thinned(points.sort("x"), most).with_columns(pl.col("y").round_sig_figs(6))
    return Line(name=name, tint=tint, x=shown["x"].to_list(), y=shown["y"].to_list(), faint=faint, filled=filled)


def interrupted(points: pl.DataFrame, shades: list[Shade], step: int, *, apart: int = 5) -> pl.DataFrame:
    """The points with a hole inside each shade that is longer than a step, and wherever more than `apart` are missing.

    Columns in and out: x (ms), y.
    """
    jumps = (
        points.sort("x")
        .select(pl.col("x").shift(1).alias("before"), "x")
        .filter(pl.col("x") - pl.col("before") > apart * step)
    )
    holes = ((jumps["x"] + jumps["before"]) // 2).to_list()
    long = [s for s in shades if s.until - s.since > step and s.kind != "rejected"]
    if long:
        inside = pl.any_horizontal(pl.col("x").is_between(s.since, s.until - step) for s in long)
        points = points.filter(~inside)
        holes += [(s.since + s.until) // 2 for s in long]
    if not holes:
        return points.sort("x")
    return pl.concat([points, pl.DataFrame({"x": holes, "y": None}, schema=points.schema)]).sort("x")
