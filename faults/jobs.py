"""R28: jobs and their submitters are killed at random instants; what a job says of itself is never a lie."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from pathlib import Path

from coattail import Workspace
from coattail.jobs.base import JobState
from coattail.jobs.folder import JobFolder
from coattail.jobs.local import LocalJobs
from coattail.workspace.rehearsal import Rehearsal
from faults.experiment import LOCAL, Control, Experiment, Outcome, Task
from tests.harness.commands import until
from tests.harness.job_submitter import jobs_in
from tests.harness.processes import started
from tests.harness.running import landed
from tests.harness.scenes import market

SUBMITTER, JOB = "submitter", "job"
LONGEST_S = {SUBMITTER: 0.01, JOB: 0.4}
"""Seconds within which each is killed: a submitter after it is ready to submit, which takes it some milliseconds, a job
after it was submitted or, every other time, had begun."""
ENGINE_S = 4.0
"""Likewise of a job that is an engine."""
PATIENCE_S = 60.0


def killed(task: Task, rng: random.Random) -> tuple[Counter[str], list[str]]:
    """How often what happened, and what was wrong, when submitters or jobs were killed."""
    found, wrong = Counter[str](), []
    jobs = jobs_in(task.folder)
    for kill in range(task.size["kills"]):
        token, victim = f"t{kill}", rng.choice((SUBMITTER, JOB)) if kill else JOB
        submitter = started("tests.harness.job_submitter", task.folder, token)
        assert submitter.stdout is not None
        said = submitter.stdout.readline()
        assert said == "ready\n"
        if victim == JOB:
            identity = submitter.stdout.readline().strip()
            if kill % 2 == 0:
                until((task.folder / f"{token}.trace").exists)
        time.sleep(rng.uniform(0, LONGEST_S[victim]) if kill else 0)
        there = {seen.id: seen for seen in jobs.newest(kill + 1)}
        if victim == JOB:
            JobFolder(task.folder / "jobs" / identity).signal(signal.SIGKILL)
        submitter.kill()
        submitter.communicate()
        end = time.monotonic() + PATIENCE_S
        while not all(seen.state.ended for seen in jobs.newest(kill + 1)) and time.monotonic() < end:
            time.sleep(0.02)
        now = {seen.id: seen for seen in jobs.newest(kill + 1)}
        changed = [seen for seen in there.values() if seen.state.ended and now[seen.id].state != seen.state]
        wrong += [f"{seen.id} was {seen.state}, and is {now[seen.id].state}" for seen in changed]
        wrong += _lies(task.folder, token, victim, jobs, found)
        if (kill + 1) % 10 == 0:
            task.say(f"{kill + 1} of {task.size['kills']} kills")
    return found, wrong


def _lies(folder: Path, token: str, victim: str, jobs: LocalJobs, found: Counter[str]) -> list[str]:
    """What is wrong with the job of this token; counts how it ended."""
    trace = folder / f"{token}.trace"
    begun = len(trace.read_text().splitlines()) if trace.exists() else 0
    job = next((seen for seen in jobs.newest(10_000) if seen.options["trace"] == str(trace)), None)
    if job is None:
        found[f"{victim} killed before the job was there"] += 1
        return [f"{token} ran, and is not there"] if begun else []
    stored, place = trace.with_suffix(".stored").exists(), JobFolder(folder / "jobs" / job.id)
    found[f"{victim} killed: {job.state}"] += 1
    said = place.said()
    found["the file says running"] += said is not None and said.state is JobState.RUNNING
    checks = (
        (not job.state.ended, f"is {job.state} although everybody is dead"),
        (job.state is JobState.SUCCEEDED and not stored, "says succeeded, and nothing is stored"),
        (job.state is JobState.FAILED and not job.reason, "failed without a reason"),
        (begun > 1, f"ran {begun} times"),
        (victim == SUBMITTER and bool(begun) and job.state is not JobState.SUCCEEDED, "died with its submitter"),
    )
    return [f"{token} ({victim} killed) {words}" for is_wrong, words in checks if is_wrong]


def engines(task: Task, rng: random.Random) -> tuple[int, list[str]]:
    """How many jobs that are engines were killed before they had succeeded, and what was wrong."""
    wrong, died = [], 0
    with Workspace(landed(task.folder / "original", [market()]).path) as here, Rehearsal(here) as there:
        original = here.verify().document
        for _ in range(task.size["engines"]):
            job = there.ws.submit("stream", drain=True)
            time.sleep(rng.uniform(0.5, ENGINE_S))
            JobFolder(there.ws.home.jobs / job.id).signal(signal.SIGKILL)
            state = job.wait(within=PATIENCE_S).state
            died += state is not JobState.SUCCEEDED
            if state is JobState.SUCCEEDED and there.ws.verify().document.landed != original.landed:
                wrong.append("an engine says succeeded, and trades are missing")
        last = there.ws.submit("stream", drain=True)
        if last.wait(within=PATIENCE_S).state is not JobState.SUCCEEDED:
            wrong.append(f"the last engine {last.document.line()}")
        now = there.ws.verify().document
        if (now.landed, now.trades, now.alerts) != (original.landed, original.trades, original.alerts):
            wrong.append("after the kills trades or alerts are others")
    return died, wrong


def run(task: Task) -> Outcome:
    """Ours; and what would be believed without the lock."""
    rng = random.Random(task.seed)
    found, wrong = killed(task, rng)
    outcome = Outcome(f"{task.size['kills']} kills", wrong=wrong)
    if task.size["engines"]:
        died, more = engines(task, rng)
        outcome.size += f", {task.size['engines']} of engines"
        outcome.wrong += more
        found["engines killed at work"] = died
    lies = found.pop("the file says running")
    outcome.figures |= dict(sorted(found.items())) | {"lies": len(outcome.wrong)}
    outcome.controls.append(
        Control("the job's own word is believed", f"{lies} dead jobs are running for ever", lies > 0)
    )
    return outcome


R28 = Experiment(
    id="R28",
    does="a job of this machine, or whoever submits it, is killed at random instants",
    run=run,
    engines=LOCAL,
    seed=28,
    long={"kills": 100, "engines": 8},
    short={"kills": 12, "engines": 0},
    short_engines=LOCAL,
)
