"""Answers to questions about detectors as charts: what if, what would differ, how good, how rare. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from coattail.amounts import count
from coattail.charts.axis import NUMBER, Axis, axis_of
from coattail.charts.chart import Chart, Lane, Level, Line, Mark, Panels
from coattail.charts.colours import TINTS
from coattail.charts.svg import height_of

Between = tuple[float, float, float]
"""A figure, and what it lies between."""

_MOST_MARKS = 300
"""Of a lane: more are one stroke."""


class Tried(NamedTuple):
    """A parameter at one value."""

    name: str
    """The value as a person writes it."""
    x: float
    """Alarms a day, or the value."""
    y: Between
    """What it brings."""
    said: str


class Redone(NamedTuple):
    """An alert in both states."""

    verdict: str
    """same, appeared, vanished or changed."""
    at: int
    """ms."""
    severity: str
    said: str


class CardRow(NamedTuple):
    """A figure with its interval, of one row of a scorecard."""

    name: str
    group: str
    """Figures of a group have one colour."""
    value: Between
    said: str
    """The value in words, with its interval."""


class Claimed(NamedTuple):
    """Episodes that were said to come once in `days`, against how many came."""

    days: float
    episodes: int
    expected: float
    ratio: Between


def sweep_chart(
    title: str, curves: Mapping[str, Sequence[Tried]], *, x_name: str, unit: str, chosen: Mapping[str, float]
) -> Chart:
    """What a parameter brings at each value, as a curve for each kind of event or alert.

    curves: Kind -> its points. chosen: Name -> x of a value to point out, such as the one that is set.
    """
    xs = [one.x for points in curves.values() for one in points]
    x = axis_of(xs, x_name)
    low, high = x.around(min(xs), max(xs))
    lines, marks = [], []
    for tint, (kind, found) in enumerate(curves.items()):
        points = sorted(found, key=lambda one: (one.x, one.y[0]))
        lines.append(Line(name=kind, tint=tint, x=[one.x for one in points], y=[one.y[0] for one in points]))
        for one in points:
            ends = (one.y[1], one.y[2]) if one.y[1] < one.y[2] else None
            label = f"{kind}: {one.said}"
            marks.append(Mark(x=one.x, y=one.y[0], kind=f"c{tint % len(TINTS)}", label=label, interval=ends))
    said = " ".join(f"{kind}: {'; '.join(one.said for one in found)}." for kind, found in curves.items())
    return Chart(
        title=title, unit=unit, x=x, since=0.0 if x.kind == "number" and min(xs) >= 0 else low,
        alt=f"{title}, {unit}, against {x_name}. {said}",
        until=high, lines=lines, marks=marks, from_zero=True, height=240,
        levels=[Level(at=at, label=name) for name, at in chosen.items()],
    )  # fmt: skip


def comparison_chart(outcomes: Sequence[Redone], *, since: int, until: int) -> Chart:
    """Alerts over time by what became of them, in lanes: same, appeared, vanished, changed."""
    counted = Counter(one.verdict for one in outcomes)
    verdicts = ("same", "appeared", "vanished", "changed")
    lanes, marks = [], []
    for lane, verdict in enumerate(verdicts):
        here = [one for one in outcomes if one.verdict == verdict]
        many = len(here) > _MOST_MARKS
        stroke = [(min(one.at for one in here), max(one.at for one in here), "c2")] if many else []
        lanes.append(Lane(name=f"{verdict}: {counted[verdict]:,}", stretches=list(stroke)))
        marks += [Mark(x=one.at, y=lane, kind=one.severity, label=f"{verdict}: {one.said}") for one in here if not many]
    said = ", ".join(f"{counted[verdict]:,} {verdict}" for verdict in verdicts)
    return Chart(
        title="Alerts computed again", unit="", alt=f"Of {count(len(outcomes), 'alert')}: {said}.", since=since,
        until=until, lanes=lanes, marks=marks, height=height_of(len(lanes)),
    )  # fmt: skip


def scorecard_panels(found: Sequence[CardRow], alarms: Sequence[CardRow], *, alarms_name: str) -> Panels:
    """How much is found (percent), and how many false alarms that costs, each with its interval."""
    return Panels(
        (
            _rows("Events found", found, Axis(name="% of events"), until=100.0),
            _rows("False alarms", alarms, Axis(name=alarms_name), until=None),
        )
    )


def _rows(title: str, figures: Sequence[CardRow], x: Axis, *, until: float | None) -> Chart:
    groups = list(dict.fromkeys(figure.group for figure in figures))
    said, lanes, marks = [], [], []
    for lane, (name, group, (value, low, high), value_said) in enumerate(figures):
        words = f"{name}: {value_said}"
        kind = f"c{groups.index(group) % len(TINTS)}"
        lanes.append(Lane(name=words, stretches=[]))
        marks.append(Mark(x=value, y=lane, kind=kind, label=words, interval=(low, high)))
        said.append(words)
    most = max((high for _, _, (_, _, high), _ in figures), default=1.0)
    return Chart(
        title=title, unit="", alt=f"{title}, with 90 % intervals. {'; '.join(said)}.", x=x, since=0.0,
        until=until or most * 1.05 or 1.0, lanes=lanes, marks=marks, height=height_of(max(len(lanes), 1), named=True),
    )  # fmt: skip


def calibration_chart(claims: Mapping[str, Sequence[Claimed]]) -> Chart:
    """How often what is said to come once in so many days came, in times of what was to be expected: 1 is right."""
    days = [one.days for rows in claims.values() for one in rows]
    x = Axis(kind="log", name="said to come once in, days")
    low, high = x.around(min(days), max(days))
    lines, marks, said = [], [], []
    for tint, (kind, rows) in enumerate(claims.items()):
        lines.append(Line(name=kind, tint=tint, x=[one.days for one in rows], y=[one.ratio[0] for one in rows]))
        for one in rows:
            words = f"{kind}, once in {one.days:g} days: {one.episodes:,} came, {one.expected:.1f} expected"
            ends = one.ratio[1], one.ratio[2]
            marks.append(Mark(x=one.days, y=one.ratio[0], kind=f"c{tint % len(TINTS)}", label=words, interval=ends))
            said.append(words)
    return Chart(
        title="Whether return periods hold", unit="times as often as said", x=x, y=NUMBER, since=low, until=high,
        lines=lines, marks=marks, baseline=1.0, from_zero=True, height=220,
        alt=f"Return periods against what came, with 90 % intervals; 1 is right. {'; '.join(said)}.",
    )  # fmt: skip
