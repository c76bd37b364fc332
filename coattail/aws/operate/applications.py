"""The applications of EMR Serverless of an environment, and what runs on them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from coattail.aws.operate.account import Services
from coattail.aws.operate.refusals import StillThere
from coattail.workspace.progress import OnProgress, Step, unheard

AT_WORK = ("SUBMITTED", "PENDING", "SCHEDULED", "QUEUED", "RUNNING", "CANCELLING")
"""States of a job run that is not over."""
UP = ("STARTING", "STARTED", "STOPPING")
"""States of an application that is not stopped."""
_LEAVE_SECONDS, _LOOK_SECONDS = 300.0, 2.0


def all_applications(services: Services) -> Iterator[tuple[dict[str, Any], bool]]:
    """What EMR Serverless says of each application that is not terminated, and whether it is the environment's."""
    for each in services.pages("emr-serverless", "list_applications", "applications", "EMR Serverless"):
        if each["state"] != "TERMINATED":
            yield each, services.environment.owns(each["name"])


def applications(services: Services) -> dict[str, dict[str, Any]]:
    """Name -> what EMR Serverless says of it, of the environment's applications. Raises: AwsRefused."""
    return {each["name"]: each for each, ours in all_applications(services) if ours}


def runs_at_work(services: Services, application: str) -> list[dict[str, Any]]:
    """The job runs of an application that are not over. Raises: AwsRefused."""
    found = services.pages(
        "emr-serverless", "list_job_runs", "jobRuns", "EMR Serverless", applicationId=application, states=list(AT_WORK)
    )
    return [each for each in found if each["state"] in AT_WORK]


def stop_applications(services: Services, on_progress: OnProgress = unheard) -> list[str]:
    """Stop those that are started, and wait until they are; returns their names. A job of one keeps it from it.

    Raises: StillThere: If one does not stop within minutes. AwsRefused.
    """
    ends = time.monotonic() + _LEAVE_SECONDS
    stopped: set[str] = set()
    while up := [each for each in applications(services).values() if each["state"] in UP]:
        for each in up:
            if each["state"] == "STARTED":
                services.ask("emr-serverless", "stop_application", each["name"], applicationId=each["id"])
                stopped.add(each["name"])
        if time.monotonic() > ends:
            raise StillThere("applications do not stop", next_step="the same command goes on")
        on_progress(Step("waiting for applications to stop"))
        time.sleep(0.2 if services.environment.emulated else _LOOK_SECONDS)
    return sorted(stopped)
