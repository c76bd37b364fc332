"""How far a job elsewhere is, by its engine's own word in the hot store."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from coattail.config import load_settings
from coattail.home import Home
from coattail.jobs.base import JobCount
from coattail.stores.opening import open_hot
from coattail.workspace.heartbeat import engine_count
from tests.harness.alerts import NOW


def test_it_is_what_the_engine_said_last_unless_that_was_long_before_it_began(home: Home) -> None:
    settings = load_settings(home)
    assert engine_count(home, settings, "stream", NOW) is None
    with closing(open_hot(home, settings, writable=True)) as hot:
        hot.put_fact("engine", {"backlog_bytes": 3_200_000, "totals": {"landed": 1_200_000}}, now=NOW)
    said = JobCount(doing="landed since the home began, while 3.2 MB wait", done=1_200_000, unit="trades")
    assert engine_count(home, settings, "stream", NOW - timedelta(hours=1)) == said
    assert engine_count(home, settings, "stream", NOW + timedelta(minutes=9)) == said, "clocks differ"
    assert engine_count(home, settings, "stream", NOW + timedelta(minutes=11)) is None
    assert engine_count(home, settings, "maintain", NOW) is None


def test_a_hot_store_that_cannot_be_read_leaves_the_time(home: Home) -> None:
    settings = load_settings(home, overrides={"hot.url": "dynamodb://"})
    assert engine_count(home, settings, "stream", NOW) is None
