"""From a stream that is landed to nothing that is billed by the hour, and the proof of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from coattail.amounts import count
from coattail.aws.operate.account import Services, refuse_another
from coattail.aws.operate.applications import applications, runs_at_work, stop_applications
from coattail.aws.operate.billed import BilledDocument, billed
from coattail.aws.operate.copy import refuse_moved
from coattail.aws.operate.environment import Environment
from coattail.aws.operate.refusals import StillThere
from coattail.aws.operate.standing import bundle_there, settings_there
from coattail.aws.operate.starting import prepared
from coattail.aws.operate.states import is_applied
from coattail.aws.operate.steps import CameTo, StepDone, walk
from coattail.aws.operate.waiting import WaitingDocument, waiting
from coattail.errors import CoattailError
from coattail.home import Home
from coattail.workspace.progress import OnProgress, Step, unheard

GRACE = timedelta(minutes=2)
"""How long the job that lands the stream has to commit what it holds."""
_STREAM_JOB = "coattail-stream"
_LAND_SECONDS, _LEAVE_SECONDS, _GONE_SECONDS, _LOOK_SECONDS = 90.0, 300.0, 60.0, 2.0
_LEAST_GRACE, _MOST_GRACE = 15, 1800


class StopDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that costs nothing by the hour."""

    environment: str
    emulated: bool
    lost: WaitingDocument | None
    """What was in the stream and had not landed; None: nothing, or nobody knows, which the step says then."""
    proof: BilledDocument
    steps: list[StepDone]


class EnvironmentStop:
    """One stop.

    force: Whether it goes on although records wait or other jobs run. grace: What the job that lands the stream gets.
    land_seconds: How long that may take to land what waits. gone_seconds: How long what is deleted may still be seen.
    variables: More variables of infra/.
    """

    def __init__(
        self, home: Home, at: Environment, *, force: bool = False, grace: timedelta = GRACE,
        land_seconds: float = _LAND_SECONDS, gone_seconds: float = _GONE_SECONDS, on_progress: OnProgress = unheard,
        said: Callable[[StepDone], object] = lambda _: None, **variables: object,
    ) -> None:  # fmt: skip
        self._home, self._at, self._force, self._grace = home, at, force, grace
        self._land_seconds, self._heard, self._said, self._variables = land_seconds, on_progress, said, variables
        self._gone_seconds = gone_seconds
        self._look_seconds = 0.2 if at.emulated else _LOOK_SECONDS
        self._lost: WaitingDocument | None = None

    def run(self) -> StopDocument:
        """All of it.

        Raises: StillThere: If something would be lost, or if something is billed at the end. CoattailError: With the
        step that failed; the same again goes on from there.
        """
        proof: list[BilledDocument] = []
        with Services(self._at) as services:

            def proved() -> CameTo:
                proof.append(prove(services, self._gone_seconds))
                counts = ", ".join(f"{len(each.names)} {each.kind}" for each in proof[0].kinds)
                return CameTo(counts)

            steps = [
                ("account", self._account),
                ("other jobs", lambda: self._other_jobs(services)),
                ("stream", lambda: self._landed(services, self._land_seconds)),
                ("stream jobs", lambda: self._cancel(services)),
                ("stream, once more", lambda: self._landed(services, 0)),
                ("applications", lambda: self._applications(services)),
                ("services", lambda: self._services(services)),
                ("proof", proved),
            ]  # fmt: skip
            done = walk(steps, self._said)
        return StopDocument(
            environment=self._at.environment, emulated=self._at.emulated, lost=self._lost, proof=proof[0], steps=done
        )

    def _account(self) -> CameTo:
        refuse_moved(self._home.path, self._at)
        refuse_another(self._at)
        return CameTo(f"{self._at.account_id} in {self._at.region}")

    def _other_jobs(self, services: Services) -> CameTo:
        others = [run for _, run in self._running(services) if run.get("name") != _STREAM_JOB]
        if others and not self._force:
            named = ", ".join(f"{run.get('name', 'job').removeprefix('coattail-')} {run['id']}" for run in others)
            raise StillThere(
                f"{count(len(others), 'job')} at work ({named})",
                next_step="wait for them (coattail aws status), or end them too: coattail aws stop --force",
            )
        return CameTo(f"{count(len(others), 'job')} at work, ended by --force" if others else "none runs")

    def _landed(self, services: Services, within: float) -> CameTo:
        """Wait until nothing waits, for as long as a job lands the stream."""
        self._lost = None
        if self._at.stream not in services.pages("kinesis", "list_streams", "StreamNames", "Kinesis"):
            return CameTo("there is no stream, so nothing waits", "there")
        until = time.monotonic() + within
        while True:
            found = self._waits()
            if found is not None and not found.records:
                return CameTo(str(found))
            landing = any(run.get("name") == _STREAM_JOB for _, run in self._running(services))
            if self._force or not landing or time.monotonic() >= until:
                break
            self._heard(Step(f"{found}; the job lands it"))
            time.sleep(self._look_seconds)
        if not self._force:
            how = "a job that lands it: coattail aws start" if not landing else "wait, and stop whoever still sends"
            raise StillThere(f"{found}, and would be lost", next_step=f"{how}; or lose it: coattail aws stop --force")
        self._lost = found
        return CameTo(f"{found or 'nobody knows what waits'}; it is lost, by --force")

    def _waits(self) -> WaitingDocument | None:
        """None: nobody knows; only by --force."""
        try:
            return waiting(self._home, settings_there(self._home, self._at))
        except CoattailError:
            if self._force:
                return None
            raise

    def _running(self, services: Services) -> list[tuple[str, dict[str, Any]]]:
        """Application -> a job run of it that is not over."""
        return [
            (each["id"], run)
            for each in applications(services).values()
            for run in runs_at_work(services, each["id"])
        ]  # fmt: skip

    def _cancel(self, services: Services) -> CameTo:
        running = self._running(services)
        seconds = min(max(round(self._grace.total_seconds()), _LEAST_GRACE), _MOST_GRACE)
        for application, run in running:
            services.ask(
                "emr-serverless", "cancel_job_run", f"the job {run['id']}", applicationId=application,
                jobRunId=run["id"], shutdownGracePeriodInSeconds=seconds,
            )  # fmt: skip
        ends = time.monotonic() + seconds + _LEAVE_SECONDS
        while self._running(services):
            self._heard(Step("waiting for jobs to end: they commit what they hold"))
            if time.monotonic() > ends:
                raise StillThere("jobs were cancelled, and have not ended", next_step="coattail aws stop goes on")
            time.sleep(self._look_seconds)
        return CameTo(f"{len(running)} ended in order") if running else CameTo("none runs", "there")

    def _applications(self, services: Services) -> CameTo:
        stopped = stop_applications(services, self._heard)
        return CameTo(f"{', '.join(stopped)} stopped") if stopped else CameTo("none is started", "there")

    def _services(self, services: Services) -> CameTo:
        if not is_applied(services):
            return CameTo("nothing was ever applied", "left out")
        infra = prepared(self._home, self._at, self._heard)
        bundle = bundle_there(self._home, self._at)
        made = infra.apply(streaming=False, on_progress=self._heard, bundle=bundle, **self._variables)
        return CameTo(f"{count(len(made.done), 'change')} made: no stream, no interface endpoint")


def prove(services: Services, within: float = _GONE_SECONDS) -> BilledDocument:
    """What the services say that is billed by the hour, once that is nothing.

    within: Seconds in which what was deleted may still be going. Raises: StillThere: If something is there after that,
    or a service does not answer.
    """
    until = time.monotonic() + within
    while not (found := billed(services)).nothing:
        if time.monotonic() > until:
            left = [f"{each.kind}: {each.unknown or ', '.join(each.names)}" for each in found.kinds
                    if each.names or each.unknown]  # fmt: skip
            raise StillThere(
                f"it is not proved that nothing is billed by the hour ({'; '.join(left)})",
                next_step="what Terraform has not made it does not remove: remove it by hand, then coattail aws stop",
            )
        time.sleep(_LOOK_SECONDS)
    return found
