"""When maintenance beside an engine comes, and what it does about failures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import coattail.batch.apart as apart
import coattail.batch.beside as beside
from coattail.batch.last_run import LastRun, last_run, remember
from coattail.batch.maintenance import Maintained
from coattail.config import Settings, load_settings
from coattail.errors import StoreError
from coattail.home import Home
from coattail.stores.hot_sqlite import SqliteHotStore

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)
NOW = datetime(2025, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home", create=True)


def settings_of(every: str | None) -> Settings:
    return load_settings(None, overrides={"maintenance.every": every})


def remembered(home: Home) -> LastRun | None:
    with closing(SqliteHotStore(home.hot_db, writable=False)) as hot:
        return last_run(hot)


def calls(monkeypatch: pytest.MonkeyPatch, answer: Callable[..., Maintained]) -> threading.Event:
    """`maintain` replaced by `answer`; the event says that it was called twice."""
    twice, count = threading.Event(), [0]

    def called(*arguments: Any, **options: Any) -> Maintained:
        count[0] += 1
        if count[0] == 2:
            twice.set()
        return answer(*arguments, **options)

    monkeypatch.setattr(beside, "maintain", called)
    return twice


@pytest.mark.parametrize(
    ("ago", "waits"),
    [(timedelta(0), 3600.0), (HOUR / 2, 1800.0), (HOUR, 0.0), (30 * HOUR, 0.0), (-5 * HOUR, 3600.0)],
    ids=["just now", "half an hour ago", "an hour ago", "long ago", "after the clock was set back"],
)
def test_the_next_time_counts_from_the_last(ago: timedelta, waits: float) -> None:
    assert beside._wait(NOW - ago, HOUR, NOW) == waits


def test_a_home_counts_from_its_making_until_it_was_maintained(home: Home) -> None:
    assert beside._last(home, settings_of("1h")) == home.record.created
    remember(home, settings_of("1h"), LastRun(by="maintain", began=NOW, seconds=1.0))
    assert beside._last(home, settings_of("1h")) == NOW


def test_a_failure_is_remembered_tried_again_and_does_not_reach_the_engine(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Maintained:
        raise StoreError("the disk is full", next_step="make room")

    twice = calls(monkeypatch, broken)
    with beside.maintained(home, settings_of("20ms"), by="land"):
        assert twice.wait(20)
    run = remembered(home)
    assert run is not None
    assert (run.by, run.error) == ("land", "the disk is full; make room")
    assert "maintenance failed: the disk is full" in caplog.text


def test_an_error_that_nobody_foresaw_is_remembered_with_its_kind(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = calls(monkeypatch, lambda *_, **__: Maintained(**{"no such": 1}))  # type: ignore[arg-type]
    with beside.maintained(home, settings_of("20ms"), by="land"):
        assert twice.wait(20)
    run = remembered(home)
    assert run is not None
    assert run.error is not None
    assert run.error.startswith("TypeError: ")


def test_it_goes_on_where_even_the_failure_cannot_be_written_down(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.hot_db.write_bytes(b"no database" * 1000)
    twice = calls(monkeypatch, lambda *_, **__: Maintained("local", dry_run=False, tables=[]))
    with beside.maintained(home, settings_of("20ms"), by="land"):
        assert twice.wait(20)


def test_one_by_hand_at_the_same_time_is_no_failure(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    with home.maintenance_lock("maintain"):
        caplog.set_level("INFO")
        beside._once(home, settings_of("1h"), "land", NOW, threading.Event())
    assert remembered(home) is None
    assert "maintenance is left out" in caplog.text


def test_a_stop_ends_it_after_the_step_and_the_rest_is_due_at_the_next_start(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, steps = threading.Event(), [0]

    def long(*_: Any, stopping: Callable[[], bool], **__: Any) -> Maintained:
        began.set()
        while not stopping():
            steps[0] += 1
            threading.Event().wait(0.01)
        return Maintained("local", dry_run=False, tables=[], stopped=True)

    monkeypatch.setattr(beside, "maintain", long)
    with beside.maintained(home, settings_of("20ms"), by="land"):
        assert began.wait(20)
    assert not [thread for thread in threading.enumerate() if thread.name == "maintenance"]
    assert remembered(home) is None


def test_never_means_no_thread_at_all(home: Home) -> None:
    with beside.maintained(home, settings_of(None), by="land"):
        assert not [thread for thread in threading.enumerate() if thread.name == "maintenance"]


def test_the_process_that_maintains_says_why_it_failed(home: Home) -> None:
    (home.path / "catalog.db").write_bytes(b"no database at all, but long enough to be taken for one" * 40)
    with pytest.raises(StoreError, match=r"catalog\.db"):
        apart.maintain(home, settings_of("1h"), now=NOW)


def test_a_process_that_is_asked_to_stop_does(home: Home) -> None:
    assert apart.maintain(home, settings_of("1h"), now=NOW, stopping=lambda: True).stopped


def test_a_process_that_dies_is_a_failure(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart.sys, "executable", "/bin/false")
    with pytest.raises(StoreError, match="died with exit code 1"):
        apart.maintain(home, settings_of("1h"), now=NOW)
