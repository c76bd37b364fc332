"""What a person waits for on a home that is there already, after many days or after a demo: a restart, and answers."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from benchmarks import inputs, report
from benchmarks.conftest import Size
from benchmarks.engines import drained
from benchmarks.measuring import Side, Spent, cpu_seconds, interleaved, peak_memory, ratio, seconds, spread, timed
from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.tables import ALERTS, BARS

MANY, FEW = 30, 3
FULL_DAY = 5_000_000
"""Trades of the day that the budgets are about; the days measured here are scaled down, and say so."""

Days = Callable[[int], Home]


@pytest.fixture(scope="module")
def home_of(tmp_path_factory: pytest.TempPathFactory, size: Size) -> Days:
    """`home_of(30)`: a home of the preset `default` with that many days, each with a thirtieth of the trades."""

    @cache
    def landed(days: int) -> Home:
        market = inputs.day(round(size.day / MANY))
        stream = inputs.repeated(tmp_path_factory.mktemp(f"days-{days}-"), market, days)
        return drained(LocalEngine, stream, tmp_path_factory.mktemp(f"home-{days}-"), preset="default").home

    return landed


@pytest.fixture(scope="module")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """What `coattail demo` leaves, its live seconds left out."""
    folder = tmp_path_factory.mktemp("demo")
    coattail(folder, "demo", "--seconds", "0")
    return Home.open(folder)


def coattail(home: Path, *words: str) -> str:
    """What the command prints, run in a process of its own."""
    return subprocess.run(line(home, *words), capture_output=True, text=True, check=True).stdout


def line(home: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "coattail", "--home", str(home), *words]


def asking(home: Home, *words: str) -> Side:
    """A process that answers, from its start to its end."""

    def run(_: Path) -> Spent:
        answers: list[str] = []
        spent = timed(lambda: answers.append(coattail(home.path, *words)))
        assert answers[0].strip(), "it said nothing"
        return spent

    return run


def scale(size: Size) -> str:
    """How far the days are scaled down."""
    return f"one day of {size.day / MANY:,.0f} trades copied, 1/{FULL_DAY * MANY / size.day:.0f} of a full day"


def test_a_restart_after_many_days(home_of: Days, size: Size, tmp_path: Path) -> None:
    """Nothing waits: what is measured is the start, what it reads of the tables, and the end."""
    many, few = home_of(MANY), home_of(FEW)
    command = ("land", "--drain", "--json")
    times, others = interleaved(tmp_path, max(3, size.rounds), asking(many, *command), asking(few, *command))
    memory, other = (
        statistics.median(peak_memory(line(home.path, *command)) for _ in range(max(3, size.rounds)))
        for home in (many, few)
    )
    report.row(
        "restart after 30 days",
        ours=seconds(times),
        peer=seconds(others),
        unit="s",
        ratio=ratio(times, others),
        must=10,
        aim=4,
        judged="ours",
        less_is_better=True,
        note=f"a process that finds nothing to land, start to end; peer: after 3 days; {scale(size)}; "
        f"{cpu_seconds(times)}; {spread(times)}",
    )
    report.row(
        "memory of a restart after 30 days",
        ours=memory,
        peer=other,
        unit="MB",
        ratio=memory / other,
        must=1.25,
        aim=1.05,
        less_is_better=True,
        note=f"peak of the same process; peer: after 3 days; {scale(size)}",
    )


def test_alerts_of_the_last_hour_after_many_days(home_of: Days, size: Size, tmp_path: Path) -> None:
    """The market's last hour, because it ended long ago; the hot store answers, as it does while an engine runs."""
    home = home_of(MANY)
    lake = Lake(embedded(home.path), writable=False)
    end, alerts = lake.scan(BARS, columns=["bar_start"])["bar_start"].max(), lake.scan(ALERTS).height
    lake.close()
    since = f"{end - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    (times,) = interleaved(tmp_path, max(5, size.rounds), asking(home, "alerts", "--since", since, "--json"))
    report.row(
        "alerts of the last hour after 30 days",
        ours=seconds(times),
        peer=None,
        unit="s",
        ratio=None,
        must=0.5,
        aim=0.4,
        judged="ours",
        less_is_better=True,
        note=f"`coattail alerts --since`, a process from start to end; {alerts:,} rows of alerts; {scale(size)}; "
        f"{cpu_seconds(times)}; {spread(times)}",
    )


@pytest.mark.parametrize("command", ["alerts", "status"])
def test_a_question_to_the_home_of_a_demo(command: str, demo_home: Home, size: Size, tmp_path: Path) -> None:
    (times,) = interleaved(tmp_path, max(5, size.rounds), asking(demo_home, command, "--json"))
    report.row(
        f"{command} of a demo home",
        ours=seconds(times),
        peer=None,
        unit="s",
        ratio=None,
        must=0.8,
        aim=0.4,
        judged="ours",
        less_is_better=True,
        note=f"`coattail {command}`, a process from start to end; {cpu_seconds(times)}; {spread(times)}",
    )
