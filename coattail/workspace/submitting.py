"""The part of a `Workspace` that hands jobs over, and looks at them."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, overload

from coattail.errors import UsageError
from coattail.home import Home
from coattail.jobs.base import GRACE, JobError, JobOrder, Jobs, JobState
from coattail.workspace import arguments as given
from coattail.workspace.cells import underway
from coattail.workspace.documents.jobs import (
    JobDocument,
    JobRequestDocument,
    JobsDocument,
    cost_words,
    count_words,
    job_document,
)
from coattail.workspace.heartbeat import engine_count
from coattail.workspace.opening import Stores
from coattail.workspace.ordering import named, refuse_without_stores, written_out
from coattail.workspace.progress import Step, unheard
from coattail.workspace.shown import Displayed, Folded
from coattail.workspace.tasks import options_of, task
from coattail.workspace.text import pairs, printable

if TYPE_CHECKING:
    from coattail.config import Settings

_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MOST_JOBS = 50
_UNANSWERED_SECONDS = 600.0
"""For as long somebody who waits for a job asks again what does not answer."""


@dataclass(frozen=True, repr=False)
class SubmittedJob(Displayed):
    """A job that was handed over; it does not end with this object. Printing it shows how it is doing now."""

    jobs: Jobs
    """Who runs it."""
    id: str

    @property
    def document(self) -> JobDocument:
        """The job as it is now, as JSON has it."""
        return job_document(self.jobs.look(self.id))

    @property
    def state(self) -> JobState:
        """submitted, running, succeeded, failed or cancelled."""
        return self.document.state

    def progress(self) -> JobWord:
        """How far it is: counts with a unit, and what is being done."""
        at = self.document
        none = "it has not begun" if at.started_at is None else f"it says no counts; it is {at.stage}"
        return JobWord([none if at.progress is None else count_words(at.progress)])

    def log(self, tail: int = 20) -> JobWord:
        """The last `tail` lines of what it said."""
        lines = self.jobs.tail(self.id, given.whole(tail, "tail"))
        return JobWord([Folded(map(printable, lines)) if lines else "it has said nothing yet"])

    def cost(self) -> JobWord:
        """What it has used so far, and the price of that."""
        cost = self.document.cost
        return JobWord(["it has not begun" if cost is None else cost_words(cost)])

    def cancel(self, grace: timedelta | float = GRACE) -> SubmittedJob:
        """Ask it to stop in order; what it has committed stays. Returns at once: `wait()` waits for its end.

        grace: How long it has for that before it is killed, in seconds or as a timedelta.
        """
        within = grace if isinstance(grace, timedelta) else timedelta(seconds=given.number(grace, "grace"))
        if within < timedelta(0):
            raise UsageError(f"grace {grace} is below zero", next_step="give the seconds it has to stop, or 0")
        self.jobs.cancel(self.id, within)
        return self

    def wait(self, progress: Callable[[str], object] | None = None, *, within: float | None = None) -> SubmittedJob:
        """Wait for its end; interrupting the wait does nothing to the job.

        progress: Called with a line whenever it has something new to say, like `print`; None means one line in the cell
        of a notebook, and elsewhere nothing. within: Seconds after which to return although it goes on; None means no
        limit. What runs the job may leave some questions unanswered meanwhile, for ten minutes.
        """
        until = None if within is None else time.monotonic() + within
        said = ""
        with underway(self.document.job, unheard if progress else None) as heard:
            while True:
                at = self._answered(progress)
                if progress is not None and (line := at.line()) != said:
                    said = line
                    progress(line)
                if at.progress is not None:
                    heard(Step(count_words(at.progress), at.progress.done, at.progress.total))
                if at.state.ended or (until is not None and time.monotonic() >= until):
                    return self
                time.sleep(self.jobs.look_every)

    def _answered(self, progress: Callable[[str], object] | None) -> JobDocument:
        """The job as it is now, by an answer that may be some minutes in coming: the job itself goes on meanwhile.

        Raises: JobError: If none comes, or asking again would not help.
        """
        until = time.monotonic() + _UNANSWERED_SECONDS
        told = False
        while True:
            try:
                return self.document
            except JobError as error:
                if not error.passing or time.monotonic() >= until:
                    raise
                if progress is not None and not told:
                    told = True
                    progress(f"{error.message}; the job goes on, and is asked for again")
            time.sleep(self.jobs.look_every)

    def said(self) -> list[str]:
        """What it is, and how it is doing."""
        return [pairs([*self.document.words(), ("id", self.id)], width=10)]


class JobWord(Displayed):
    """A word about a job; printing it says it."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def said(self) -> list[str]:
        """The lines."""
        return self._lines


def submit(jobs: Jobs, order: JobOrder) -> SubmittedJob:
    """Hand it over."""
    return SubmittedJob(jobs, jobs.submit(order))


def found(jobs: Jobs, identity: str) -> SubmittedJob:
    """The job of this id.

    Raises: NoSuchJob: If there is none.
    """
    jobs.look(identity)
    return SubmittedJob(jobs, identity)


def jobs_of(home: Home, settings: Settings, on: str | None = None) -> Jobs:
    """Who runs jobs for this home.

    on: Like `jobs.url` of the settings; None means what those say.
    Raises: ConfigError: If the address makes no sense, or what it needs is not installed.
    """
    from coattail.jobs.opening import open_jobs

    program = [sys.executable, "-m", "coattail.workspace.at_work", str(home.path)]
    url = on or settings.jobs.url
    return open_jobs(url, home.jobs, program, tier=settings.tier, counted=partial(engine_count, home, settings))


def order_of(
    job: str, options: dict[str, Any], *, settings: dict[str, Any] | None = None, token: str | None = None
) -> JobOrder:
    """An order of this job.

    options: As `options_of` gives them. settings: How the submitter reads the home. token: None means a new one.
    Raises: UsageError: If the token is none.
    """
    ends = task(job).ends(options)
    order = partial(JobOrder, job=job, options=options, settings=settings or {}, ends=ends)
    if token is None:
        return order()
    if not _TOKEN.fullmatch(token):
        raise UsageError(f"token {token!r} is not one", next_step="use 1 to 64 letters, digits, . _ and -")
    return order(token=token)


def order_for(
    jobs: Jobs, job: str, options: dict[str, Any], *, home: Home, chosen: Mapping[str, Any], token: str | None = None
) -> JobOrder:
    """An order of this job, with what whoever runs it needs to know of the home.

    chosen: What the settings were read with, as `load_settings` takes it. The others: as of `order_of`.
    Raises: UsageError: If the job would not find its stores from there, or a secret would stand in the request.
    """
    from coattail.config import load_settings

    if jobs.reads_home:
        return order_of(job, options, settings=named(chosen), token=token)
    if not jobs.here:
        refuse_without_stores(job, load_settings(home, **chosen))
    return order_of(job, options, settings=written_out(chosen, home, secrets=jobs.here), token=token)


def request_of(jobs: Jobs, order: JobOrder) -> JobRequestDocument:
    """What would be sent; nothing is sent."""
    price = jobs.dollars_an_hour()
    dollars, priced = (None, "") if price is None else (round(price.dollars, 4), price.priced)
    return JobRequestDocument(
        place=jobs.place, request=dict(jobs.request(order)), dollars_an_hour=dollars, priced=priced
    )


def list_jobs(jobs: Jobs, most: int = _MOST_JOBS) -> JobsDocument:
    """The newest jobs."""
    return JobsDocument(place=jobs.place, jobs=[job_document(seen) for seen in jobs.newest(most)])


class Submitting:
    """What a workspace can hand over."""

    home: Home

    if TYPE_CHECKING:

        def _chosen(self) -> dict[str, Any]: ...

        @cached_property
        def stores(self) -> Stores: ...

        @cached_property
        def settings(self) -> Settings: ...

    @overload
    def submit(
        self, job: str, *, dry_run: Literal[False] = False, on: str | None = None, token: str | None = None,
        **options: object,
    ) -> SubmittedJob: ...  # fmt: skip

    @overload
    def submit(
        self, job: str, *, dry_run: Literal[True], on: str | None = None, token: str | None = None, **options: object
    ) -> JobRequestDocument: ...

    def submit(
        self, job: str, *, dry_run: bool = False, on: str | None = None, token: str | None = None, **options: object
    ) -> SubmittedJob | JobRequestDocument:
        """Hand a job over: it runs in a place of its own, and goes on when this kernel does not.

        job: stream, reprocess, maintain, backfill or daily. options: Its own, like `drain=True` of stream.
        dry_run: Only show the request as it would be sent.
        on: Who runs it, like emr-serverless://APPLICATION?…; None means the setting jobs.url, and without that a
        process of this machine. token: Of two submissions with the same token the second gives the job of the first;
        None means a new job.
        Raises: UsageError: If the job or an option is unknown (the nearest is said), or a value does not fit.
        """
        task(job)
        self.stores.of_now("what a job works on")
        taken = options_of(job, options)
        jobs = self._jobs(on)
        order = order_for(
            jobs, job, taken, home=self.home, chosen=self._chosen(), token=given.maybe_text(token, "token")
        )
        return request_of(jobs, order) if dry_run else submit(jobs, order)

    def jobs(self, limit: int = _MOST_JOBS, *, on: str | None = None) -> JobsDocument:
        """The jobs that were submitted last, newest first; `on` as in `submit`."""
        return list_jobs(self._jobs(on), given.whole(limit, "limit"))

    def job(self, identity: str, *, on: str | None = None) -> SubmittedJob:
        """A job by its id, whoever submitted it; `on` as in `submit`.

        Raises: NoSuchJob: If there is none.
        """
        return found(self._jobs(on), given.text(identity, "identity"))

    def _jobs(self, on: str | None) -> Jobs:
        return jobs_of(self.home, self.settings, given.maybe_text(on, "on"))
