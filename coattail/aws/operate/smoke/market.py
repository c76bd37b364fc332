"""A simulated market through the stream: every trade lands once, also by a job that is cancelled and started again."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from coattail.aws.operate.smoke.jobs import ended
from coattail.aws.operate.smoke.run import CheckFailed, NotHere, Smoke
from coattail.aws.operate.starting import begun, submit_stream
from coattail.aws.operate.waiting import waited, waiting
from coattail.config import load_settings
from coattail.home import Home
from coattail.jobs.base import JobState
from coattail.stores.hot import HotStore
from coattail.stores.opening import open_hot, open_lake
from coattail.tables import RAW_TRADES

HOURS, MORE_HOURS = 1.5, 2.0
"""Of the market: at first, and in all. Its first hour teaches detectors what is usual."""
_RATE = 0.1
_SEED = 16
_SEND_SECONDS = 60.0
"""In which the market is sent on AWS; an emulation takes it as fast as it comes."""
_LAND_SECONDS = 600.0
_LATE = timedelta(days=1)
"""How far the time of a simulated trade may be outside of its market: some are planted so."""
_GRACE = timedelta(minutes=2)


class LocalMarket(NamedTuple):
    """The same market, landed on this machine."""

    home: Home
    start: datetime
    end: datetime
    events: frozenset[str]
    """Ids of its trades."""
    alerts: frozenset[str]
    """Ids of its alerts."""


def landed_here(smoke: Smoke, hours: float) -> LocalMarket:
    """Land that many hours of the market in a home of this machine: the answer that the environment must give."""
    from coattail.recordings.chosen import choose
    from coattail.workspace import landing
    from coattail.workspace.simulated import simulate

    folder = recorded(smoke, hours)
    home = Home.open(smoke.scratch / f"home-{hours:g}", create=True)
    settings = load_settings(home, tier=smoke.at.tier)
    made = simulate(folder, hours=hours, rate=_RATE, seed=_SEED)
    landing.replay(home, settings, choose([folder]))
    with closing(open_lake(home, settings)) as lake:
        events = frozenset(lake.scan(RAW_TRADES, columns=["event_id"])["event_id"].to_list())
    with closing(open_hot(home, settings)) as hot:
        alerts = alert_ids(hot)
    return LocalMarket(home, made.start, made.end, events, alerts)


def alert_ids(hot: HotStore) -> frozenset[str]:
    """Of alerts that are not retracted."""
    found = hot.alerts(now=datetime.now(UTC))
    return frozenset(each.alert.alert_id for each in found if each.alert.status != "retracted")


def recorded(smoke: Smoke, hours: float) -> Path:
    """Where the recordings of that many hours are."""
    return smoke.scratch / f"market-{hours:g}"


def streamed(smoke: Smoke) -> str:
    """A job lands the market from the stream: trades as sent, each once, and the alerts of this machine."""
    here = landed_here(smoke, HOURS)
    before = _in_place(smoke, here)
    identity = submit_stream(smoke.home, smoke.at, smoke.jobs)
    smoke.jobs_run.append(identity)
    if begun(smoke.jobs, identity, smoke.at) is not JobState.RUNNING:
        raise CheckFailed(f"the job {identity} does not run", next_step="see its log")
    sent = _send(smoke, HOURS)
    took = _until_landed(smoke)
    _compare(smoke, here)
    with closing(open_hot(smoke.home, smoke.settings)) as hot:
        alerts = alert_ids(hot)
    if missing := here.alerts - alerts:
        raise CheckFailed(
            f"{len(missing)} of {len(here.alerts)} alerts are not in the hot store", next_step="coattail aws logs"
        )
    told = f", {before:,} of them from before" if before else ""
    return (
        f"{sent:,} trades sent, {len(here.events):,} stored once each{told}; {len(here.alerts)} alerts as here; all "
        f"of it {took:.1f} s after the last was sent"
    )


def restarted(smoke: Smoke) -> str:
    """A job that is cancelled while the market comes, and another one: nothing is lost, nothing is there twice."""
    running = [each for each in smoke.jobs.newest(20) if each.job == "stream" and not each.state.ended]
    if not running:
        raise NotHere("no job lands the stream: the check before did not come so far")
    here = landed_here(smoke, MORE_HOURS)
    sent = _send(smoke, MORE_HOURS)
    smoke.jobs.cancel(running[0].id, _GRACE)
    ended(smoke, running[0].id, within=_GRACE.total_seconds() + 120, to=JobState.CANCELLED)
    left = waiting(smoke.home, smoke.settings)
    identity = submit_stream(smoke.home, smoke.at, smoke.jobs)
    smoke.jobs_run.append(identity)
    begun(smoke.jobs, identity, smoke.at)
    _until_landed(smoke)
    _compare(smoke, here)
    return (
        f"{sent:,} sent, most of them once more; cancelled in order with {left.records} packs left; the next job has "
        f"landed those: {len(here.events):,} stored once each"
    )


def _send(smoke: Smoke, hours: float) -> int:
    """Send the recordings into the stream; returns how many trades."""
    from coattail.recordings.chosen import choose
    from coattail.workspace import landing

    speed = None if smoke.emulated else hours * 3600 / _SEND_SECONDS
    done = landing.replay(smoke.home, smoke.settings, choose([recorded(smoke, hours)]), speed=speed, land=False)
    return done.document.trades


def _until_landed(smoke: Smoke) -> float:
    """Seconds until nothing waited in the stream any more."""
    found, seconds = waited(smoke.home, smoke.settings, within=_LAND_SECONDS, every=smoke.jobs.look_every)
    if found.records:
        raise CheckFailed(f"{found} after {_LAND_SECONDS:g} s", next_step="coattail aws logs: is the job well?")
    return seconds


def _stored(smoke: Smoke, here: LocalMarket) -> list[str]:
    with closing(open_lake(smoke.home, smoke.settings)) as lake:
        found = lake.scan(RAW_TRADES, columns=["event_id"], since=here.start - _LATE, until=here.end + _LATE)
    return [each for each in found["event_id"].to_list() if each in here.events]


def _in_place(smoke: Smoke, here: LocalMarket) -> int:
    """How many trades of the market a run before has left there."""
    return len(_stored(smoke, here))


def _compare(smoke: Smoke, here: LocalMarket) -> None:
    counted = Counter(_stored(smoke, here))
    missing, twice = here.events - counted.keys(), [each for each, times in counted.items() if times > 1]
    if missing or twice:
        raise CheckFailed(
            f"of {len(here.events):,} trades {len(missing):,} are missing, and {len(twice):,} are there twice",
            next_step="keep the environment, and report this",
        )
