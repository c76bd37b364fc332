"""What was learned outlives the process: a restart learns only what has changed, and finds the same to the byte."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coattail.alerts import RETRACTED, Alert
from coattail.detectors import DETECTORS, Facts
from coattail.engines.lessons import Lessons
from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.records import Record
from coattail.streams.local import LocalStream
from tests.harness.memory import landed_in_memory
from tests.harness.running import EVERY_SEGMENT, Killed, feed, new_home, settings_of
from tests.harness.scenes import evenly, two_days

pytestmark = pytest.mark.slow

SETTINGS: dict[str, Any] = {
    **EVERY_SEGMENT, "preset": "default", "detectors.spread-calculator.minimum_windows": 3, "hot.ttl": "3650d",
}  # fmt: skip
VOLUME = DETECTORS["default"]["volume-anomaly"]
LessonName = tuple[str, datetime]


@pytest.fixture
def learned(monkeypatch: pytest.MonkeyPatch) -> list[LessonName]:
    """The lessons about volume that were learned since the list was last cleared."""
    found: list[LessonName] = []
    learn = VOLUME.learn

    def watched(self: Any, lesson: str, past: Facts, day: datetime) -> pl.DataFrame:
        if day.year > 1970:  # what is learned of nothing is asked for at other times
            found.append((lesson, day))
        return learn(self, lesson, past, day)

    monkeypatch.setattr(VOLUME, "learn", watched)
    return found


def dies(*_: Any, **__: Any) -> None:
    raise Killed


def run(home: Home, **overrides: Any) -> list[tuple[Any, ...]]:
    """Everything that waits is landed; all alerts then, byte for byte, but for revisions and when they were written."""
    with LocalEngine(home, settings_of({**SETTINGS, **overrides})) as engine:
        engine.drain()
        engine.commit_derived()
        return plain(row.alert for row in engine._hot.alerts(now=engine._clock()))


def plain(alerts: Iterable[Alert]) -> list[tuple[Any, ...]]:
    return sorted((a.alert_id, a.severity, a.status, a.message, a.details) for a in alerts if a.status != RETRACTED)


def pieces() -> list[Sequence[Record]]:
    return [list(piece) for piece in evenly(two_days(), 4)]


@pytest.fixture(scope="module")
def expected() -> list[tuple[Any, ...]]:
    return plain(landed_in_memory([two_days()], settings_of(SETTINGS)).current().values())


def test_a_restart_learns_nothing_again(
    tmp_path: Path, learned: list[LessonName], expected: list[tuple[Any, ...]]
) -> None:
    home = new_home(tmp_path)
    stream = LocalStream(home.stream)
    feed(stream, pieces()[:3])
    run(home)
    first = set(learned)
    assert {"counts", "clock", "peaks", "rarity"} <= {lesson for lesson, _ in first}
    learned.clear()
    feed(stream, pieces()[3:])
    assert run(home) == expected
    assert set(learned) & first == set()


@pytest.mark.parametrize("step", ["commit_derived", "keep"])
def test_killed_after_a_change_of_what_was_learned_it_learns_that_again(
    step: str, tmp_path: Path, learned: list[LessonName], expected: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A piece of the days that were learned from comes last, and the engine dies before it writes that down: before the
    tables, or after them and before the lessons."""
    home, whole = new_home(tmp_path), pieces()
    stream = LocalStream(home.stream)
    feed(stream, [whole[0], *whole[2:]])
    run(home)
    first = set(learned)
    feed(stream, [whole[1]])
    with monkeypatch.context() as patch:
        patch.setattr(LocalEngine if step == "commit_derived" else Lessons, step, dies)
        with pytest.raises(Killed):
            run(home)
    learned.clear()
    assert run(home) == expected
    assert step == "keep" or set(learned) & first


def test_with_lessons_of_another_state_it_would_go_wrong(
    tmp_path: Path, expected: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: an engine that believes in what was kept, whatever the tables hold."""
    home, whole = new_home(tmp_path), pieces()
    stream = LocalStream(home.stream)
    monkeypatch.setattr(LocalEngine, "_derived_state", lambda self: "always")
    feed(stream, [whole[0], *whole[2:3]])
    run(home)
    feed(stream, [whole[1]])
    with monkeypatch.context() as patch:
        patch.setattr(Lessons, "keep", dies)
        with pytest.raises(Killed):
            run(home)
    feed(stream, whole[3:])
    assert run(home) != expected


@pytest.mark.parametrize("damage", ["cut short", "index"])
def test_lessons_that_are_damaged_are_learned_again(
    damage: str, tmp_path: Path, learned: list[LessonName], expected: list[tuple[Any, ...]]
) -> None:
    home = new_home(tmp_path)
    stream = LocalStream(home.stream)
    feed(stream, pieces()[:3])
    run(home)
    files = sorted(home.learned.glob("*.parquet"))
    assert len(files) > 4
    files[0].unlink()
    for path in [home.learned / "kept.json"] if damage == "index" else files[1:]:
        path.write_bytes(path.read_bytes()[:-9])
    first = set(learned)
    learned.clear()
    feed(stream, pieces()[3:])
    assert run(home) == expected
    assert set(learned) & first


def test_another_parameter_learns_anew_and_files_that_nobody_needs_are_deleted(
    tmp_path: Path, learned: list[LessonName]
) -> None:
    home = new_home(tmp_path)
    stream = LocalStream(home.stream)
    feed(stream, pieces()[:3])
    run(home)
    first, before = set(learned), {path.name for path in home.learned.iterdir()}
    learned.clear()
    feed(stream, pieces()[3:])
    run(home, **{"detectors.volume-anomaly.fit_days": 5})
    assert set(learned) & first
    after = {path.name for path in home.learned.iterdir()}
    assert before - after
    assert not any(name.endswith(".part") for name in after)
