"""Jobs on EMR Serverless, through boto3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from coattail.errors import UsageError
from coattail.jobs import emr_word
from coattail.jobs.base import GRACE, HourlyPrice, JobCount, JobError, JobOrder, Jobs, JobSeen, JobState, NoSuchJob
from coattail.jobs.emr_request import Application, refuse_invalid, start_request
from coattail.service_client import THROTTLED, connect, trouble

STATES = {
    "SUBMITTED": JobState.SUBMITTED, "QUEUED": JobState.SUBMITTED, "PENDING": JobState.SUBMITTED,
    "SCHEDULED": JobState.SUBMITTED, "RUNNING": JobState.RUNNING, "CANCELLING": JobState.RUNNING,
    "SUCCESS": JobState.SUCCEEDED, "FAILED": JobState.FAILED, "CANCELLED": JobState.CANCELLED,
}  # fmt: skip
"""Every state of the service, and what it means here; a test holds it against botocore's list."""

Counted = Callable[[str, datetime], JobCount | None]
"""How far a job of this name is that has run since then, if something says that."""

_NAMED = "coattail-"
_ABSENT = "ResourceNotFoundException"
_PAGE = 50
_LOOK_SECONDS = 3.0
"""Of somebody who waits: a job takes a minute to begin, and who asks often is throttled."""
_LEAST_GRACE, _MOST_GRACE = 15, 1800
"""Seconds that the service takes; 0 means at once. Source: EMR Serverless, job cancellation grace period."""


class EmrJobs(Jobs):
    """Credentials come from AWS' own chain. Every call may be repeated: StartJobRun has the order's token.

    counted: How far a job is that has run since a time, where something says that: the service counts nothing but time.
    """

    def __init__(self, on: Application, counted: Counted | None = None) -> None:
        self._on, self._counted = on, counted
        self._client: Any = None
        self._over: dict[str, JobSeen] = {}
        """Jobs that have ended, with their last words: nothing changes any more."""
        self._application_of: dict[str, str] = {}
        """Jobs whose application is known."""
        self.here = on.emulated
        self.look_every = Jobs.look_every if on.emulated else _LOOK_SECONDS
        self.place = f"EMR Serverless ({'local emulation' if on.emulated else ', '.join(on.applications)})"

    def request(self, order: JobOrder) -> Mapping[str, Any]:
        arguments = start_request(order, self._on)
        refuse_invalid("StartJobRun", arguments)
        return arguments

    def reached(self) -> str:
        said = []
        for application in self._on.applications:
            about = self._call("get_application", applicationId=application)["application"]
            workers = about.get("architecture", "").lower()
            if workers and workers != self._on.architecture:
                said_here = f"jobs.url says architecture={self._on.architecture}"
                raise JobError(
                    f"the workers of {self.place} are {workers}, and {said_here}",
                    next_step="correct it: price and bundle go by it",
                )
            said.append(f"{about.get('state', '').lower()}, {about.get('releaseLabel', '')} {workers}".rstrip())
        return f"{self.place} is {' and '.join(dict.fromkeys(said))}"

    def dollars_an_hour(self) -> HourlyPrice:
        return self._on.hourly()

    def submit(self, order: JobOrder) -> str:
        request = self.request(order)
        identity: str = self._call("start_job_run", **request)["jobRunId"]
        self._application_of[identity] = request["applicationId"]
        return identity

    def look(self, identity: str) -> JobSeen:
        if identity in self._over:
            return self._over[identity]
        seen = self._seen(self._about("get_job_run", identity)["jobRun"])
        if seen.state.ended:
            return self._last_words(seen)
        if seen.state is JobState.RUNNING and seen.started_at is not None and self._counted is not None:
            progress = self._counted(seen.job, seen.started_at) or seen.progress
            return msgspec.structs.replace(seen, progress=progress)
        return seen

    def billed(self, identity: str) -> JobSeen:
        """The job with what it has cost, without what it said: one call.

        Raises: NoSuchJob: If there is none.
        """
        return self._seen(self._about("get_job_run", identity)["jobRun"])

    def tail(self, identity: str, lines: int) -> list[str]:
        from coattail.jobs.emr_log import tail

        self._about("get_job_run", identity)
        return tail(self._on, self._application_of[identity], identity, lines)

    def cancel(self, identity: str, grace: timedelta = GRACE) -> None:
        if self.look(identity).state.ended:
            return
        seconds = round(grace.total_seconds())
        within = min(max(seconds, _LEAST_GRACE), _MOST_GRACE) if seconds else 0
        self._about("cancel_job_run", identity, shutdownGracePeriodInSeconds=within)

    def newest(self, most: int) -> list[JobSeen]:
        runs = (run for application in self._on.applications for run in self._runs(application))
        found = [run for run in runs if run.get("name", "").startswith(_NAMED)]
        found.sort(key=lambda run: (run["createdAt"], run["id"]), reverse=True)
        return [self._seen(run) for run in found[:most]]

    def _runs(self, application: str) -> Iterator[dict[str, Any]]:
        """Every job run of an application."""
        after: dict[str, str] = {}
        while True:
            page = self._call("list_job_runs", applicationId=application, maxResults=_PAGE, **after)
            yield from page["jobRuns"]
            if "nextToken" not in page:
                return
            after = {"nextToken": page["nextToken"]}

    def _last_words(self, seen: JobSeen) -> JobSeen:
        """With what the driver said at its end: the service itself says little."""
        try:
            lines = self.tail(seen.id, emr_word.LINES)
        except JobError:  # there is none, or not yet, or it may not be read: `log` says which
            lines = []
        if seen.state is JobState.FAILED:
            seen = msgspec.structs.replace(
                seen, reason=emr_word.why(seen.reason, lines, architecture=self._on.architecture)
            )
        else:
            seen = msgspec.structs.replace(seen, result=emr_word.came_to(lines) or seen.result)
        if lines:
            self._over[seen.id] = seen
        return seen

    def _seen(self, run: Mapping[str, Any]) -> JobSeen:
        state = STATES.get(run["state"])
        if state is None:
            raise JobError(f"{self.place} says {run['state']!r}, which is unknown here", next_step="upgrade coattail")
        started, ended = run.get("startedAt"), run.get("endedAt")
        if ended is None and state.ended:
            ended = run.get("updatedAt")
        seconds = _seconds(run, started, ended)
        billed = run.get("billedResourceUtilization")
        used = billed or run.get("totalResourceUtilization")
        details = run.get("stateDetails", "").strip()
        doing = "ran" if state.ended else "at work"
        attempt = f", attempt {run['attempt']}" if run.get("attempt", 1) > 1 else ""
        return JobSeen(
            id=run.get("jobRunId") or run["id"], job=run["name"].removeprefix(_NAMED), place=self.place, state=state,
            stage=run["state"] + attempt, options=_options(run), submitted_at=run["createdAt"].astimezone(UTC),
            started_at=started and started.astimezone(UTC), ended_at=ended and ended.astimezone(UTC),
            progress=None if started is None else JobCount(doing=doing, done=seconds, unit="seconds"),
            reason=details if state in (JobState.FAILED, JobState.CANCELLED) else "",
            result=details if state is JobState.SUCCEEDED else "",
            cost=None if started is None or used is None else self._on.cost(seconds, used, billed=bool(billed)),
        )  # fmt: skip

    def _about(self, operation: str, identity: str, **more: object) -> dict[str, Any]:
        """A call about one job, in whichever application it is."""
        import botocore.exceptions

        if not identity.isalnum():
            raise NoSuchJob(identity, self.place)
        known = self._application_of.get(identity)
        for application in self._on.applications if known is None else (known,):
            try:
                answer = self._call(operation, applicationId=application, jobRunId=identity, **more)
            except JobError as error:
                cause = error.__cause__
                absent = isinstance(cause, botocore.exceptions.ClientError) and _code(cause) == _ABSENT
                if not absent:
                    raise
            else:
                self._application_of[identity] = application
                return answer
        raise NoSuchJob(identity, self.place)

    def _call(self, operation: str, **arguments: object) -> dict[str, Any]:
        """The answer.

        Raises: JobError: If there is none. UsageError: If the service refuses the request.
        """
        import botocore.exceptions as botocore

        if self._client is None:
            self._client = self._connect()
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**arguments)
            return answer
        except botocore.ClientError as error:
            if _code(error) in ("ValidationException", "ConflictException"):
                said = error.response["Error"].get("Message", _code(error))
                raise UsageError(f"{self.place} refuses it: {said}", next_step="correct the request") from error
            raise self._error(error) from error
        except botocore.BotoCoreError as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> JobError:
        import botocore.exceptions as botocore

        found = trouble(error, self.place, setting="jobs.url")
        assert found is not None
        made = JobError(found.message, next_step=found.next_step)
        status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        made.passing = (
            status >= 500
            or found.code in THROTTLED
            or isinstance(error, botocore.HTTPClientError | botocore.ConnectionError)
        )
        return made

    def _connect(self) -> Any:
        return connect(
            "emr-serverless", setting="jobs.url", region=self._on.region, endpoint=self._on.endpoint, attempts=4,
            keys=self._on.keys,
        )  # fmt: skip


def _code(error: Any) -> str:
    code: str = error.response.get("Error", {}).get("Code", "")
    return code


def _seconds(run: Mapping[str, Any], started: datetime | None, ended: datetime | None) -> float:
    """How long it has run: as the service says at its end, until then by the clock."""
    if started is None:
        return 0.0
    if total := run.get("totalExecutionDurationSeconds"):
        return float(total)
    return max((((ended or datetime.now(UTC)) - started).total_seconds()), 0.0)


def _options(run: Mapping[str, Any]) -> dict[str, Any]:
    """The job's own options, where the answer has its arguments."""
    words = run.get("jobDriver", {}).get("sparkSubmit", {}).get("entryPointArguments", [])
    try:
        found: dict[str, Any] = msgspec.json.decode(words[1])["options"]
    except (IndexError, KeyError, TypeError, msgspec.DecodeError):  # a job of another version, or of somebody else
        return {}
    return found
