"""From what is written down of an environment to a stream that is landed: each step looks first whether it is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from coattail.amounts import count
from coattail.aws.operate.account import Services, refuse_another
from coattail.aws.operate.applications import applications, runs_at_work, stop_applications
from coattail.aws.operate.copy import InfraCopy, prepare
from coattail.aws.operate.environment import Environment, folder_of
from coattail.aws.operate.packing import pack_bundle, pack_zips
from coattail.aws.operate.planning import PlanDocument, plan_document
from coattail.aws.operate.refusals import OperationFailed, StillThere
from coattail.aws.operate.standing import StartedDocument, remember_start, settings_there
from coattail.aws.operate.steps import CameTo, StepDone, walk
from coattail.aws.shipping import send
from coattail.config import Settings
from coattail.home import Home
from coattail.jobs.artifacts import Artifacts
from coattail.jobs.base import Jobs, JobState
from coattail.place import read_place
from coattail.workspace.progress import OnProgress, Step, unheard

_APPLICATION = "aws_emrserverless_application"
_BEGIN_SECONDS = 600.0
"""A job's workers are there within minutes."""


class StartDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that streams."""

    environment: str
    emulated: bool
    place: str
    hourly: float
    """Dollars an hour until it is stopped, by list prices."""
    job: str | None
    """The id of the job that lands the stream; None: none was to be submitted."""
    api_url: str | None
    steps: list[StepDone]


class EnvironmentStart:
    """One start. agree: Called with a sentence of what it will make and cost; raises if that is not wanted. with_job:
    Whether a job lands the stream. on_progress, said: Called with how far a step is, and with each that is done.
    """

    def __init__(
        self, home: Home, at: Environment, *, agree: Callable[[str], None], with_job: bool = True,
        on_progress: OnProgress = unheard, said: Callable[[StepDone], object] = lambda _: None,
    ) -> None:  # fmt: skip
        self._home, self._at, self._agree, self._with_job = home, at, agree, with_job
        self._heard, self._said = on_progress, said
        self._folder = folder_of(home.path, at.environment)
        self._bundle: str | None = None
        self._job: str | None = None
        self._outputs: dict[str, object] = {}
        self._hourly = 0.0

    def run(self) -> StartDocument:
        """All of it.

        Raises: CoattailError: With the step that failed; the same again goes on from there.
        """
        steps = [
            ("account", self._account), ("functions", self._functions), ("bundle", self._pack),
            ("services", self._services), ("upload", self._upload), ("doctor", self._doctor),
            ("stream job", self._submit),
        ]  # fmt: skip
        done = walk(steps, self._said)
        self._remember()
        url = self._outputs.get("api_url")
        return StartDocument(
            environment=self._at.environment, emulated=self._at.emulated, place=self._at.place,
            hourly=self._hourly, job=self._job, api_url=url if isinstance(url, str) else None, steps=done,
        )  # fmt: skip

    def _account(self) -> CameTo:
        refuse_another(self._at)
        return CameTo(f"{self._at.account_id} in {self._at.region}")

    def _functions(self) -> CameTo:
        name, packed = pack_zips(self._folder, self._at, self._heard)
        return CameTo(name, "done" if packed else "there")

    def _pack(self) -> CameTo:
        if self._at.emulated:
            return CameTo("jobs run what is installed here", "left out")
        path, packed = pack_bundle(self._folder, self._at, self._heard)
        self._bundle = path.name
        return CameTo(path.name, "done" if packed else "there")

    def _services(self) -> CameTo:
        infra = prepare(self._home.path, self._at, self._heard)
        run = infra.plan(streaming=True, on_progress=self._heard, bundle=self._bundle)
        found = plan_document(infra, run, streaming=True)
        self._hourly = found.cost.hourly
        self._agree(question(self._at, found, with_job=self._with_job))
        if not found.changes:
            self._outputs = infra.outputs()
            return CameTo("all of them are there", "there")
        if any(_APPLICATION in each.address and each.action != "create" for each in found.changes):
            self._free_applications()
        self._remember()
        made = infra.apply_planned(on_progress=self._heard)
        self._outputs = infra.outputs()
        return CameTo(f"{count(len(made.done), 'change')} made")

    def _free_applications(self) -> None:
        """A started application takes no change. Raises: StillThere: If jobs run on one."""
        with Services(self._at) as services:
            running = [
                run["id"] for each in applications(services).values() for run in runs_at_work(services, each["id"])
            ]
            if running:
                raise StillThere(
                    f"{count(len(running), 'job')} at work on applications that are to change",
                    next_step="coattail aws stop, then coattail aws start",
                )
            stop_applications(services, self._heard)

    def _remember(self) -> None:
        """What a stop has to know, also of a start that is cut off from here on."""
        remember_start(self._home, self._at, StartedDocument(at=datetime.now(UTC), bundle=self._bundle, job=self._job))

    def _upload(self) -> CameTo:
        if self._bundle is None:
            return CameTo("jobs run what is installed here", "left out")
        to = Artifacts(artifacts_url(self._at), setting="the environment")
        sent = send(self._bundle, self._folder / "build" / self._bundle, to, self._heard)
        return CameTo(to.location(self._bundle), "done" if sent else "there")

    def _doctor(self) -> CameTo:
        from coattail.workspace import health

        place = read_place(self._at.place, self._home.path)
        findings = health.check(
            self._home.path, place=lambda: place, settings=lambda: settings_there(self._home, self._at),
            home=lambda: self._home,
        )  # fmt: skip
        broken = [each for each in findings if each.state == "broken"]
        if broken:
            said = "; ".join(f"{each.name}: {each.detail}" for each in broken)
            raise OperationFailed(
                f"the place is not sound ({said})",
                next_step=f"{broken[0].remedy or 'look'}; then coattail aws start goes on from here",
            )
        return CameTo(f"{len(findings)} findings, none broken")

    def _submit(self) -> CameTo:
        if not self._with_job:
            return CameTo("none was asked for", "left out")
        settings = settings_there(self._home, self._at)
        jobs = jobs_there(self._home, settings)
        running = [each for each in jobs.newest(20) if each.job == "stream" and not each.state.ended]
        if running:
            self._job = running[0].id
            return CameTo(f"{self._job} {running[0].state}", "there")
        self._job = submit_stream(self._home, self._at, jobs)
        self._heard(Step(f"waiting for the job {self._job} to begin"))
        return CameTo(f"{self._job} {begun(jobs, self._job, self._at)}")


def question(at: Environment, plan: PlanDocument, *, with_job: bool) -> str:
    """What a person agrees to."""
    changes = f"{count(len(plan.changes), 'change')} of services" if plan.changes else "no change of services"
    if plan.drift:
        changes += f" ({len(plan.drift)} of what somebody else has changed or deleted)"
    job = "a job that lands the stream" if with_job else "no job"
    return f"start {at.words()}: {changes}, {job}; {plan.price()}"


def artifacts_url(at: Environment) -> str:
    """Where bundles and entry points are."""
    from urllib.parse import quote

    there = "" if at.endpoint is None else f"&endpoint={quote(at.endpoint, safe='')}"
    return f"s3://{at.bucket('checkpoint')}/artifacts?region={at.region}{there}"


def jobs_there(home: Home, settings: Settings) -> Jobs:
    """Who runs jobs in a place.

    Raises: OperationFailed: If the place does not say it: then jobs would run here.
    """
    from coattail.workspace.submitting import jobs_of

    if settings.jobs.url is None:
        raise OperationFailed("the place names nobody who runs jobs", next_step="coattail aws start makes that")
    return jobs_of(home, settings)


def submit_stream(home: Home, at: Environment, jobs: Jobs) -> str:
    """Hand over a job that lands the stream until it is cancelled; returns its id."""
    from coattail.workspace.submitting import order_for
    from coattail.workspace.tasks import options_of

    chosen = {"place": read_place(at.place, home.path)}
    return jobs.submit(order_for(jobs, "stream", options_of("stream", {}), home=home, chosen=chosen))


def begun(jobs: Jobs, identity: str, at: Environment, within: float = _BEGIN_SECONDS) -> JobState:
    """How it is once it runs, or still waits for its workers after that many seconds.

    Raises: OperationFailed: If it has failed.
    """
    until = time.monotonic() + within
    while True:
        seen = jobs.look(identity)
        if seen.state is JobState.FAILED:
            raise OperationFailed(
                f"the job {identity} has failed: {seen.reason or seen.stage}",
                next_step=f"see coattail --place '{at.place}' aws logs {identity}; then coattail aws start",
            )
        if seen.state is not JobState.SUBMITTED or time.monotonic() > until:
            return seen.state
        time.sleep(jobs.look_every)


def prepared(home: Home, at: Environment, on_progress: OnProgress = unheard) -> InfraCopy:
    """Terraform for an environment, with zips of its functions: those that are there, else packed now."""
    folder = folder_of(home.path, at.environment)
    if not (folder / "build" / "lambdas" / "zips.json").exists():
        pack_zips(folder, at, on_progress)
    return prepare(home.path, at, on_progress)
