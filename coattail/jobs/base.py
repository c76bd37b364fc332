"""The `Jobs` port: work that is handed over, looked at from anywhere, and stopped in order."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from coattail.errors import CoattailError, UsageError

GRACE = timedelta(seconds=60)
"""How long a job has to stop in order once it is cancelled: the batch in hand, and everything derived."""


class JobError(CoattailError):
    """A job cannot be handed over, or what runs it does not answer."""

    passing = False
    """Whether the same question may well be answered in a moment."""


class NoSuchJob(UsageError):
    """No job has this id."""

    def __init__(self, identity: str, place: str) -> None:
        super().__init__(
            f"there is no job {identity!r} on {place}",
            next_step="`coattail jobs list` names those of this machine, `coattail aws jobs` those on AWS",
        )


class JobState(StrEnum):
    """How far a job is."""

    SUBMITTED = "submitted"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether it stays as it is."""
        return self not in (JobState.SUBMITTED, JobState.RUNNING)


class JobOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: a job by name, and how."""

    job: str
    options: dict[str, Any] = {}
    """Of JSON types."""
    settings: dict[str, Any] = {}
    """How the submitter reads the home: `tier`, `preset`, `config_file`, `place`, and `overrides` by dotted key.

    `config_file` and `place` are names, or, for a process that reads neither, {"name", "settings": {key: value}}."""
    ends: bool = True
    """Whether it ends by itself; a job that does not is started again by a service where it fails."""
    token: str = msgspec.field(default_factory=lambda: uuid.uuid4().hex)
    """Orders with the same token are one job, however often they are sent; 1 to 64 of A-Z a-z 0-9 . _ -"""


class JobCount(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a job is done."""

    doing: str
    done: float
    total: float | None = None
    """None where nobody knows how much it will be."""
    unit: str


class JobCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a job has used so far."""

    seconds: float
    """From its start to its end, or to now."""
    cpu_seconds: float | None = None
    """Of its process, on this machine."""
    memory_mb: float | None = None
    """The most that its process held, on this machine."""
    billed: bool = False
    """Whether a service has billed the next three, as it does at its end; before, they are what it has used."""
    vcpu_hours: float | None = None
    memory_gb_hours: float | None = None
    storage_gb_hours: float | None = None
    dollars: float
    """At list prices of `priced`; 0 on this machine."""
    priced: str


class JobSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A job, as it is at the moment."""

    id: str
    job: str
    place: str
    """Who runs it, in words."""
    state: JobState
    stage: str
    """What the place itself says of it: on this machine the state, on EMR Serverless that service's word."""
    options: dict[str, Any] = {}
    submitted_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progress: JobCount | None = None
    reason: str = ""
    """Why it failed or ended early, in a sentence."""
    result: str = ""
    """What it came to, in a sentence."""
    cost: JobCost | None = None
    """None before it has begun."""


class HourlyPrice(msgspec.Struct, frozen=True, kw_only=True):
    """What an hour costs."""

    dollars: float
    priced: str
    """For what, and by which list."""


class Jobs(ABC):
    """Delivery: an order becomes one job at most, however often it is sent with its token. A job outlives whoever
    submitted it; it is `succeeded` only after all that it was to do is stored. What it says of itself may be a second
    old."""

    place: str
    """In words: `this machine`."""
    reads_home: bool = False
    """Whether its jobs read the submitter's home; else an order must say all that they need to know."""
    here: bool = False
    """Whether its jobs, and what is asked of it, stay on this machine."""
    look_every: float = 0.2
    """Seconds between two looks of somebody who waits for a job."""

    @abstractmethod
    def request(self, order: JobOrder) -> Mapping[str, Any]:
        """What `submit` would send or start; nothing is sent or started.

        Raises: UsageError: If the place refuses such a request.
        """

    @abstractmethod
    def submit(self, order: JobOrder) -> str:
        """Hand it over; returns the job's id.

        Raises: UsageError: If the token was used for another order. JobError: If it cannot be handed over.
        """

    @abstractmethod
    def look(self, identity: str) -> JobSeen:
        """The job as it is now.

        Raises: NoSuchJob: If there is none of this id.
        """

    @abstractmethod
    def tail(self, identity: str, lines: int) -> list[str]:
        """The last lines of its log, oldest first.

        Raises: NoSuchJob: If there is none of this id. JobError: If the log cannot be read.
        """

    @abstractmethod
    def cancel(self, identity: str, grace: timedelta = GRACE) -> None:
        """Ask it to stop in order, and end it after `grace` if it has not; returns at once. Of a job that has ended, or
        was asked before, nothing changes.

        Raises: NoSuchJob: If there is none of this id.
        """

    @abstractmethod
    def newest(self, most: int) -> list[JobSeen]:
        """The jobs that were submitted last, newest first, `most` of them at most."""

    def reached(self) -> str:
        """Ask whether it would take a job; returns what it says of itself, in words.

        Raises: JobError: If it would not, or does not answer.
        """
        return self.place

    def dollars_an_hour(self) -> HourlyPrice | None:
        """What a job costs while it runs; None where it costs nothing."""
        return None
