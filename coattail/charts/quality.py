"""How much of what came in was good, as charts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from coattail.amounts import count
from coattail.charts.axis import Axis
from coattail.charts.chart import Bar, Chart, Lane, Level, Mark
from coattail.charts.svg import height_of

_MOST_REASONS = 12
_BELOW_ALARM = 5.0
"""Percent of the scale that lies below the alarm, at least."""


class Scored(NamedTuple):
    """Records that passed and failed the checks, together or of one exchange."""

    name: str
    passed: int
    failed: int
    score: float
    """Percent."""


class Passed(NamedTuple):
    """Records that passed and failed in a stretch that begins at `since`, ms."""

    since: int
    passed: int
    failed: int


def gauge_chart(scores: Sequence[Scored], *, target: float, alarm: float) -> Chart:
    """The score of each exchange and of all, beside the aim and the alarm (percent)."""
    low = max(min([alarm - _BELOW_ALARM, *(one.score - 1 for one in scores)]), 0.0)
    marks = [
        Mark(x=one.score, y=n, kind="c5" if one.score < alarm else "c0", label=_said(one))
        for n, one in enumerate(scores)
    ]
    lanes = [Lane(name=f"{one.name}: {_percent(one.score)}", stretches=[]) for one in scores]
    return Chart(
        title="Quality score: passed / (passed + failed)", unit="", lanes=lanes, marks=marks, since=low, until=100.0,
        x=Axis(name="%"), levels=[Level(at=alarm, label=f"alarm below {alarm:g}"),
                                  Level(at=target, label=f"aim above {target:g}")],
        height=height_of(len(lanes), named=True, levels=True),
        alt=f"Quality score: {'; '.join(map(_said, scores))}. The aim is above {target:g} %, below {alarm:g} % is an "
        "alarm.",
    )  # fmt: skip


def failures_chart(failures: Mapping[str, int]) -> Chart:
    """Rejected records by reason, the most first; what does not fit is one row."""
    ranked = sorted(failures.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = ranked[:_MOST_REASONS], ranked[_MOST_REASONS:]
    shown += [(f"{len(rest)} other reasons", sum(rows for _, rows in rest))] if rest else []
    said = "; ".join(f"{reason}: {rows:,}" for reason, rows in shown)
    most = max((rows for _, rows in shown), default=1)
    return Chart(
        title="Rejected records by reason", unit="", x=Axis(name="records"), since=0, until=most * 1.02,
        lanes=[Lane(name=f"{reason}: {rows:,}", stretches=[(0, rows, "c1")]) for reason, rows in shown],
        height=height_of(max(len(shown), 1), named=True),
        alt=f"Rejected records by reason: {said}. A record may have several." if shown else "No record was rejected.",
    )  # fmt: skip


def passed_charts(stretches: Sequence[Passed], length: int) -> tuple[Chart, Chart]:
    """What passed and what failed over time, one below the other: failures are few. length: of a stretch, ms."""
    since, until = stretches[0].since, stretches[-1].since + length
    passed, failed = sum(one.passed for one in stretches), sum(one.failed for one in stretches)
    worst = max(stretches, key=lambda one: one.failed)
    alt = f"{count(failed, 'record')} failed"
    alt += f", the most, {worst.failed:,}, of {worst.passed + worst.failed:,} in one stretch." if failed else "."
    return (
        Chart(
            title="Records that passed", unit="records", since=since, until=until, bar_ms=length, height=100,
            bars=[Bar(x=one.since, y=one.passed, tint=0) for one in stretches],
            alt=f"{count(passed, 'record')} passed, in {count(len(stretches), 'stretch', 'stretches')} of time.",
        ),
        Chart(
            title="Records that failed", unit="records", since=since, until=until, bar_ms=length, height=80,
            bars=[Bar(x=one.since, y=one.failed, tint=1) for one in stretches], alt=alt,
        ),
    )  # fmt: skip


def _said(one: Scored) -> str:
    return f"{one.name} {_percent(one.score)}, {one.failed:,} of {one.passed + one.failed:,} failed"


def _percent(score: float) -> str:
    return f"{score:.4g} %" if score < 99.9 else f"{score:.6g} %"
