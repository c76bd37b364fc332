"""What a job finds where it runs, and how it comes to its end."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from coattail.aws.operate.smoke import probe
from coattail.aws.operate.smoke.run import CheckFailed, Smoke
from coattail.jobs.artifacts import Artifacts
from coattail.jobs.base import JobError, JobOrder, JobSeen, JobState
from coattail.jobs.opening import application_at

_END_SECONDS, _LOG_SECONDS = 900.0, 120.0
_LINES = 200


def probed(smoke: Smoke) -> str:
    """A batch job finds Python, its packages, Iceberg and credentials, on its driver and on its executors."""
    on = application_at(smoke.settings.jobs.url or "")
    Artifacts(on.url(), setting="jobs.url").put("jobs/probe.py", Path(probe.__file__))
    identity = smoke.jobs.submit(JobOrder(job="probe", options={"spark": not smoke.emulated}))
    smoke.jobs_run.append(identity)
    ended(smoke, identity, within=_END_SECONDS)
    said = _said(smoke, identity)
    lacking = [name for name in ("credentials", "packages") if not said.get(name)]
    if said["spark"] is None:
        rest = "no Spark in the emulation: its jar, executors and ./deps are not looked at"
    else:
        executors = said["executors"]
        lacking += [] if said["iceberg"] else ["Iceberg's jar"]
        lacking += [f"packages of ./deps on {who}" for who, one in (("the driver", said), ("an executor", executors[0]))
                    if "/deps/" not in str(one["packages"])]  # fmt: skip
        rest = f"Spark {said['spark']} with Iceberg, {len(executors)} tasks on executors found the same"
    if lacking:
        raise CheckFailed(f"a job does not find {', '.join(lacking)} ({said})", next_step="see docs/AWS.md")
    return f"Python {said['python']} {said['machine']}, Polars {said['polars']}, {said['credentials']}; {rest}"


def ended(smoke: Smoke, identity: str, *, within: float, to: JobState = JobState.SUCCEEDED) -> JobSeen:
    """The job, once it has ended as it should. Raises: CheckFailed: If it ends otherwise, or not in time."""
    until = time.monotonic() + within
    while not (seen := smoke.jobs.look(identity)).state.ended:
        if time.monotonic() > until:
            raise CheckFailed(f"the job {identity} is still {seen.stage} after {within:g} s", next_step="see its log")
        time.sleep(smoke.jobs.look_every)
    if seen.state is not to:
        raise CheckFailed(
            f"the job {identity} is {seen.state}, not {to}: {seen.reason or seen.result}", next_step="see its log"
        )
    return seen


def _said(smoke: Smoke, identity: str) -> dict[str, Any]:
    """What the probe has written into its log, which is in the bucket some time after its end."""
    until = time.monotonic() + _LOG_SECONDS
    while True:
        try:
            lines = smoke.jobs.tail(identity, _LINES)
        except JobError:
            lines = []
        for line in lines:
            if line.startswith(probe.MARK):
                found: dict[str, Any] = json.loads(line.removeprefix(probe.MARK))
                return found
        if time.monotonic() > until:
            raise CheckFailed(f"the log of the job {identity} does not say what it found", next_step="look at it")
        time.sleep(smoke.jobs.look_every)
