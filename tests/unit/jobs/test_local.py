"""Jobs on this machine, beyond the contract: what of a job is believed when its process says nothing, or too much."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from coattail.jobs.base import JobCost, JobCount, JobError, JobOrder, JobState
from coattail.jobs.folder import JobFolder, Ordered, SelfSaid
from coattail.jobs.local import LocalJobs
from coattail.jobs.working import Working
from tests.harness.commands import until
from tests.harness.processes import environment

PROGRAM = [sys.executable, "-m", "tests.harness.job_program"]
KILLED = "its process ended without saying why (killed?)"


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalJobs:
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    return LocalJobs(tmp_path / "jobs", PROGRAM)


def order(tmp_path: Path, do: str, **more: str) -> JobOrder:
    return JobOrder(job="stream", options={"do": do, "trace": str(tmp_path / "trace")}, **more)


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    """Of a job that nobody runs."""
    made = JobFolder(tmp_path / "jobs" / "0123456789ab")
    made.path.mkdir(parents=True)
    made.write_order(Ordered(order=JobOrder(job="stream"), submitted_at=datetime.now(UTC)))
    made.lock.touch()
    made.log.touch()
    return made


def word(state: JobState, *, pid: int = 1) -> SelfSaid:
    now = datetime.now(UTC)
    cost = JobCost(seconds=1.5, dollars=0.0, priced="this machine")
    return SelfSaid(pid=pid, state=state, started_at=now, ended_at=now if state.ended else None, cost=cost)


def test_a_job_that_nobody_holds_is_not_running_whatever_it_said(folder: JobFolder) -> None:
    assert folder.seen().state is JobState.FAILED
    assert folder.seen().reason.startswith("it never began")
    folder.say(word(JobState.RUNNING))
    seen = folder.seen()
    assert (seen.state, seen.reason) == (JobState.FAILED, KILLED)
    assert seen.ended_at is not None
    assert seen.cost is not None
    assert seen.cost.seconds == 1.5
    folder.ask_to_stop(timedelta(seconds=7))
    assert folder.seen().state is JobState.CANCELLED
    assert "within 7 s" in folder.seen().reason
    folder.say(word(JobState.SUCCEEDED))
    assert folder.seen().state is JobState.SUCCEEDED


def test_a_process_id_that_came_again_gets_no_signal(folder: JobFolder, jobs: LocalJobs) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        folder.say(word(JobState.RUNNING, pid=stranger.pid))
        assert folder.seen().state is JobState.FAILED
        jobs.cancel(folder.path.name)
        folder.signal(signal.SIGKILL)
        assert stranger.stdin is not None
        stranger.stdin.close()
        stranger.wait()
    assert stranger.returncode == 1  # the end of its input


def test_the_end_that_a_job_said_is_not_taken_back(folder: JobFolder) -> None:
    at = Working(folder)
    late = threading.Thread(target=lambda: at.progress(JobCount(doing="still", done=1, unit="trade")))

    def body(_: Working) -> str:
        return "done"

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        at.run(body)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    at._spoke = 0.0
    late.start()
    late.join()
    assert folder.seen().state is JobState.SUCCEEDED


def test_a_job_that_hangs_after_it_was_asked_is_ended_by_itself(jobs: LocalJobs, tmp_path: Path) -> None:
    identity = jobs.submit(order(tmp_path, "hang"))
    until(lambda: (tmp_path / "trace").exists())
    jobs.cancel(identity, timedelta(seconds=0.2))
    until(lambda: jobs.look(identity).state.ended)
    seen = jobs.look(identity)
    assert seen.state is JobState.CANCELLED
    assert "within 0.2 s" in seen.reason
    assert any("job_program.py" in line for line in jobs.tail(identity, 50))  # where it hung


def test_what_is_seen_of_a_job_is_counted_and_its_log_has_an_end(jobs: LocalJobs, tmp_path: Path) -> None:
    identity = jobs.submit(order(tmp_path, "work"))
    until(lambda: jobs.look(identity).state.ended)
    seen = jobs.look(identity)
    assert seen.progress == JobCount(doing="counting", done=3, total=12, unit="sheep")
    assert seen.result == "all of it"
    assert seen.cost is not None
    assert seen.cost.cpu_seconds is not None
    assert seen.cost.memory_mb is not None
    assert 1 < seen.cost.memory_mb < 1000
    assert jobs.tail(identity, 2)[0] == "the last word"
    assert jobs.tail(identity, 1)[0].endswith("succeeded; all of it")
    path = tmp_path / "jobs" / identity / "log"
    path.write_bytes(b"\xff" * 300_000 + "\nжж\n".encode())
    assert jobs.tail(identity, 5) == ["жж"]


def test_one_token_from_many_submitters_at_once_is_one_job(jobs: LocalJobs, tmp_path: Path) -> None:
    asked = order(tmp_path, "work", token="once")
    with ThreadPoolExecutor(8) as pool:
        identities = set(pool.map(lambda _: jobs.submit(asked), range(8)))
    assert len(identities) == 1
    until(lambda: jobs.look(identities.copy().pop()).state.ended)
    assert len((tmp_path / "trace").read_text().splitlines()) == 1
    assert len(list((tmp_path / "jobs").iterdir())) == 1


def test_what_a_submitter_left_unfinished_is_no_job_and_goes(jobs: LocalJobs, tmp_path: Path) -> None:
    left = tmp_path / "jobs" / ".0123456789ab-x.new"
    left.mkdir(parents=True)
    (left / "lock").touch()
    assert jobs.newest(5) == []
    os.utime(left, (1, 1))
    identity = jobs.submit(order(tmp_path, "work"))
    assert not left.exists()
    until(lambda: jobs.look(identity).state.ended)


def test_what_cannot_be_started_is_said_and_has_failed(tmp_path: Path) -> None:
    jobs = LocalJobs(tmp_path / "jobs", [str(tmp_path / "no such program")])
    with pytest.raises(JobError, match="cannot be started"):
        jobs.submit(JobOrder(job="stream"))
    (seen,) = jobs.newest(5)
    assert (seen.state, seen.started_at) == (JobState.FAILED, None)
    shutil.rmtree(tmp_path / "jobs")
    (tmp_path / "jobs").write_text("in the way")
    with pytest.raises(JobError, match="cannot be started"):
        jobs.submit(JobOrder(job="stream"))


def test_a_folder_that_is_damaged_or_of_somebody_else_is_named(jobs: LocalJobs, folder: JobFolder) -> None:
    (folder.path / "state.json").write_text("{")
    with pytest.raises(JobError, match=r"state\.json is damaged .*; remove .*0123456789ab"):
        jobs.look(folder.path.name)
    (folder.path / "order.json").unlink()
    (folder.path / "state.json").unlink()
    with pytest.raises(JobError, match="is not the folder of a job; move it away"):
        jobs.newest(5)
    folder.lock.unlink()
    for ask in (lambda: jobs.newest(5), lambda: jobs.look(folder.path.name)):
        with pytest.raises(JobError, match="is not the folder of a job; move it away"):
            ask()


def test_a_word_is_replaced_as_a_whole(folder: JobFolder) -> None:
    stop = threading.Event()

    def speak() -> None:
        count = 0
        while not stop.is_set():
            count += 1
            progress = JobCount(doing="x" * (count % 700), done=count, unit="words")
            folder.say(msgspec.structs.replace(word(JobState.RUNNING), progress=progress))

    folder.say(word(JobState.RUNNING))
    thread = threading.Thread(target=speak)
    thread.start()
    try:
        for _ in range(500):
            assert folder.said() is not None
    finally:
        stop.set()
        thread.join()
