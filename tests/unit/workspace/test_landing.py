"""Replays and landings as functions: what they return, and what whoever calls them hears."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from coattail.config import load_settings
from coattail.engines.engine import Engine
from coattail.errors import UsageError
from coattail.home import Home
from coattail.market import Market, write
from coattail.recordings.chosen import Chosen, choose
from coattail.workspace import landing
from coattail.workspace.progress import Step
from coattail.workspace.standing import Standing
from tests.harness.places import catalog_db


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three minutes of a market."""
    made = tmp_path_factory.mktemp("market")
    write(Market(seed=3, duration=timedelta(minutes=3)), made)
    return made


@pytest.fixture
def chosen(folder: Path) -> Chosen:
    return choose([folder])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home", create=True)


@pytest.mark.slow
def test_a_replay_lands_what_it_reads_and_tells_how_far_it_is(home: Home, chosen: Chosen) -> None:
    steps: list[Step] = []
    done = landing.replay(home, load_settings(home), chosen, on_progress=steps.append)
    assert done.outcome is not None
    assert done.outcome.conserved
    assert done.outcome.received == done.outcome.landed == done.replayed.trades > 500
    assert (done.complete, done.damage, done.engine) == (True, None, None)
    assert done.document.first == done.first is not None
    assert [step.doing for step in steps] == sorted([step.doing for step in steps], reverse=True)
    reading, landed = ([step for step in steps if step.doing == doing] for doing in ("reading", "landing"))
    assert reading[-1].done == reading[-1].total == chosen.total_bytes
    assert landed[-1].done == landed[-1].total
    again = landing.replay(home, load_settings(home), chosen)
    assert again.outcome is not None
    assert (again.outcome.landed, again.outcome.duplicates) == (0, done.replayed.trades)


def test_what_was_read_is_said_with_what_was_not(home: Home, tmp_path: Path) -> None:
    futures = '{"e":"trade","s":"BTCUSD_240927","t":3,"p":"1","q":"1","T":1,"X":"MARKET","m":true}'
    (tmp_path / "a").write_text(f'1723161255000000 {{"result":null,"id":1}}\n1723161255000001 {futures}\n')
    words = landing.replay(home, load_settings(home), choose([tmp_path / "a"]), land=False).document.words()
    assert words[0].startswith("0 trades in 2 messages, 1 without a trade, 1 unsupported (1 recording, ")
    assert words[1:] == [
        "1 unsupported message: binance coin-margined delivery futures; none of their trades was taken"
    ]


def test_feeding_only_leaves_the_landing_to_a_drain(home: Home, chosen: Chosen) -> None:
    settings = load_settings(home)
    fed = landing.replay(home, settings, chosen, land=False)
    assert (fed.outcome, fed.complete) == (None, True)
    outcome, complete = landing.land(home, settings, drain=True)
    assert (outcome.landed, outcome.waiting_bytes, complete) == (fed.replayed.trades, 0, True)


def test_an_engine_that_runs_already_does_the_landing(home: Home, chosen: Chosen) -> None:
    with home.engine_lock("land"):
        done = landing.replay(home, load_settings(home), chosen)
    assert done.engine is not None
    assert done.engine.command == "land"
    assert done.document.engine is not None
    assert (done.outcome, done.document.landed) == (None, None)


@pytest.mark.slow
def test_a_wish_to_stop_ends_a_replay_with_what_was_fed_kept(home: Home, chosen: Chosen) -> None:
    stop = threading.Event()
    stop.set()
    done = landing.replay(home, load_settings(home), chosen, speed=1.0, stop=stop)
    assert not done.complete
    assert done.outcome is not None
    assert done.outcome.conserved


@pytest.mark.slow
def test_a_paced_replay_is_watched_and_its_alerts_are_heard(home: Home, chosen: Chosen) -> None:
    watched: list[Engine] = []

    @contextmanager
    def watching(engine: Engine) -> Iterator[None]:
        watched.append(engine)
        yield

    alerts = Standing()
    done = landing.replay(home, load_settings(home), chosen, speed=4000.0, alerts=alerts, watching=watching)
    assert done.complete
    assert done.alerts is alerts
    assert [engine.totals.received for engine in watched] == [done.replayed.trades]


def test_what_fails_while_feeding_aside_fails_the_replay(
    home: Home, chosen: Chosen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object, **options: object) -> None:
        raise OSError("the disk went away")

    monkeypatch.setattr(landing, "feed", broken)
    with pytest.raises(OSError, match="the disk went away"):
        landing.replay(home, load_settings(home), chosen, speed=20.0)
    assert home.running_engine() is None


def test_an_unknown_engine_is_refused_before_anything_is_fed(home: Home, chosen: Chosen) -> None:
    with pytest.raises(UsageError, match="unknown engine 'flink'; choose one of: local, spark"):
        landing.replay(home, load_settings(home), chosen, engine="flink")
    assert not catalog_db(home).exists()
