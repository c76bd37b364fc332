"""What whoever runs jobs promises (`coattail.jobs.base`); a new implementation joins through `PLACES`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from coattail.errors import UsageError
from coattail.jobs.base import JobOrder, Jobs, JobSeen, JobState, NoSuchJob
from coattail.jobs.emulated import EmulatedEmr
from coattail.jobs.opening import open_jobs
from tests.harness.commands import until
from tests.harness.processes import environment

PROGRAM = [sys.executable, "-m", "tests.harness.job_program"]

PLACES: dict[str, Callable[[ExitStack], str | None]] = {
    "local": lambda running: None,
    "emr-serverless": lambda running: running.enter_context(EmulatedEmr(PROGRAM, step=0.01)).url,
}
"""What starts the service, and says its address."""


@pytest.fixture(params=PLACES, scope="module")
def url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    with pytest.MonkeyPatch.context() as patch, ExitStack() as running:
        patch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
        yield PLACES[request.param](running)


class Place:
    """Who runs jobs, with a trace of what its jobs did."""

    def __init__(self, url: str | None, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.jobs: Jobs = open_jobs(url, folder / "jobs", PROGRAM)
        self.trace = folder / "trace"

    def order(self, do: str, *, ends: bool = True, token: str | None = None) -> JobOrder:
        options = {"do": do, "trace": str(self.trace)}
        return JobOrder(job="stream", options=options, ends=ends, **({} if token is None else {"token": token}))

    def ended(self, identity: str) -> JobSeen:
        until(lambda: self.jobs.look(identity).state.ended)
        return self.jobs.look(identity)

    def began(self, do: str, *, ends: bool = True) -> str:
        """The id of a job that has begun."""
        identity = self.jobs.submit(self.order(do, ends=ends))
        until(lambda: bool(self.words()))
        until(lambda: self.jobs.look(identity).state is JobState.RUNNING)
        return identity

    def words(self) -> list[str]:
        return self.trace.read_text().splitlines() if self.trace.exists() else []


@pytest.fixture
def place(url: str | None, tmp_path: Path) -> Place:
    return Place(url, tmp_path)


def test_a_job_succeeds_and_says_when_how_long_and_at_what_cost(place: Place) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    seen = place.ended(place.jobs.submit(place.order("work")))
    assert (seen.job, seen.state, seen.reason) == ("stream", JobState.SUCCEEDED, "")
    assert seen.options["do"] == "work"
    assert seen.started_at is not None
    assert seen.ended_at is not None
    assert before < seen.submitted_at <= seen.started_at <= seen.ended_at < datetime.now(UTC) + timedelta(seconds=1)
    assert seen.cost is not None
    assert 0 <= seen.cost.seconds < 60
    assert seen.place == place.jobs.place


def test_a_job_that_fails_says_why_in_a_sentence(place: Place) -> None:
    seen = place.ended(place.jobs.submit(place.order("fail")))
    assert (seen.state, seen.reason) == (JobState.FAILED, "the well is dry; dig")
    crashed = place.ended(place.jobs.submit(place.order("crash")))
    assert (crashed.state, crashed.reason) == (JobState.FAILED, "ZeroDivisionError: by nought")


def test_the_end_of_its_log_is_what_it_said_last(place: Place) -> None:
    identity = place.jobs.submit(place.order("work"))
    place.ended(identity)
    assert "the last word" in place.jobs.tail(identity, 3)
    assert len(place.jobs.tail(identity, 1)) == 1


def test_a_job_that_is_cancelled_stops_in_order_and_once(place: Place) -> None:
    identity = place.began("wait")
    for _ in range(3):
        place.jobs.cancel(identity)
    seen = place.ended(identity)
    assert seen.state is JobState.CANCELLED
    assert seen.reason
    assert place.words()[1:] == ["stopped"]
    place.jobs.cancel(identity)
    assert place.jobs.look(identity) == seen


def test_a_job_that_is_cancelled_as_it_begins_is_cancelled(place: Place) -> None:
    identity = place.jobs.submit(place.order("wait"))
    place.jobs.cancel(identity)
    assert place.ended(identity).state is JobState.CANCELLED


def test_a_job_that_does_not_stop_is_killed_when_its_time_is_over(place: Place) -> None:
    identity = place.began("deaf")
    place.jobs.cancel(identity, timedelta(0))
    assert place.ended(identity).state is JobState.CANCELLED
    _gone(int(place.words()[0].split()[1]))


def test_a_job_whose_process_is_killed_has_failed(place: Place) -> None:
    identity = place.began("wait")
    os.kill(int(place.words()[0].split()[1]), signal.SIGKILL)
    seen = place.ended(identity)
    assert (seen.state, bool(seen.reason)) == (JobState.FAILED, True)


def test_orders_with_the_same_token_are_one_job(place: Place) -> None:
    order = place.order("work", token="2025-03-04_daily")
    first = place.jobs.submit(order)
    assert place.jobs.submit(order) == first
    place.ended(first)
    assert Place(place.url, place.folder).jobs.submit(order) == first
    assert len(place.words()) == 1
    with pytest.raises(UsageError, match="used for another"):
        place.jobs.submit(place.order("fail", token=order.token))


def test_an_id_that_no_job_has_is_refused(place: Place) -> None:
    for wrong in ("0123456789ab", "../jobs", "", "."):
        for ask in (place.jobs.look, place.jobs.cancel, lambda identity: place.jobs.tail(identity, 5)):
            with pytest.raises(NoSuchJob, match=r"there is no job '.*' on .*; `coattail jobs list`"):
                ask(wrong)


def test_jobs_are_listed_newest_first(place: Place) -> None:
    there = [place.jobs.submit(place.order("work")) for _ in range(3)]
    for identity in there:
        place.ended(identity)
    assert [seen.id for seen in place.jobs.newest(2)] == there[:0:-1]
    assert {seen.state for seen in place.jobs.newest(3)} == {JobState.SUCCEEDED}


def test_another_process_sees_a_job_whose_submitter_was_killed(place: Place) -> None:
    script = (
        "import sys, os, signal, msgspec, pathlib\n"
        "from coattail.jobs.base import JobOrder\n"
        "from coattail.jobs.opening import open_jobs\n"
        "url, folder, program, order = msgspec.json.decode(sys.argv[1])\n"
        "jobs = open_jobs(url, pathlib.Path(folder), program)\n"
        "print(jobs.submit(msgspec.convert(order, JobOrder)), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    asked = [place.url, str(place.folder / "jobs"), PROGRAM, place.order("wait")]
    words = [sys.executable, "-c", script, msgspec.json.encode(asked).decode()]
    done = subprocess.run(words, capture_output=True, text=True, env=environment())
    assert done.returncode == -signal.SIGKILL, done.stderr
    identity = done.stdout.strip()
    until(lambda: place.jobs.look(identity).state is JobState.RUNNING and bool(place.words()))
    place.jobs.cancel(identity)
    assert place.ended(identity).state is JobState.CANCELLED
    assert place.words()[1:] == ["stopped"]


def test_a_request_is_what_would_be_sent_and_nothing_is(place: Place) -> None:
    order = place.order("work")
    asked = msgspec.json.encode(place.jobs.request(order)).decode()
    assert "work" in asked
    assert not place.words()
    assert place.jobs.submit(order) not in {""}


def _gone(pid: int) -> None:
    def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    until(gone)
