"""The folder of a job on this machine: its order, its state, its log, and a lock that says whether it is alive.

- `order.json`: what is to be done, and when that was asked; written once
- `state.json`: what the job says of itself; replaced as a whole, so that a reader never sees half of it
- `cancel.json`: when it was asked to stop, and how long it has for that
- `log`: what it said
- `lock`: held by the job's process from before it begins until it has ended, however it ends; the system lets go of it

A process id alone would not do: ids come again. The lock is handed from the submitter to the job by inheritance, so
there is no moment between the two in which nobody holds it.
"""

from __future__ import annotations

import fcntl
import os
import signal
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from coattail.jobs.base import JobCost, JobCount, JobError, JobOrder, JobSeen, JobState

PLACE = "this machine"

_TAIL_BYTES = 256 << 10
_LINE_BYTES = 200

S = TypeVar("S", bound=msgspec.Struct)


class Ordered(msgspec.Struct, frozen=True, kw_only=True):
    """`order.json`."""

    order: JobOrder
    submitted_at: datetime


class SelfSaid(msgspec.Struct, frozen=True, kw_only=True):
    """`state.json`."""

    pid: int
    state: JobState
    started_at: datetime
    ended_at: datetime | None = None
    progress: JobCount | None = None
    reason: str = ""
    result: str = ""
    cost: JobCost


class AskedToStop(msgspec.Struct, frozen=True, kw_only=True):
    """`cancel.json`."""

    at: datetime
    grace_seconds: float

    @property
    def until(self) -> datetime:
        """When its time to stop in order is over."""
        return self.at + timedelta(seconds=self.grace_seconds)


@dataclass(frozen=True)
class JobFolder:
    """One such folder."""

    path: Path

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    def ordered(self) -> Ordered:
        """What was asked.

        Raises: JobError: If that cannot be read.
        """
        found = self._read("order.json", Ordered)
        if found is None:
            raise self._foreign()
        return found

    def write_order(self, ordered: Ordered) -> None:
        """Write what is asked; once."""
        self._write("order.json", ordered)

    def said(self) -> SelfSaid | None:
        """What it said of itself last; None before its first word."""
        return self._read("state.json", SelfSaid)

    def say(self, said: SelfSaid) -> None:
        """Replace what it said; for the job's own process alone."""
        self._write("state.json", said)

    def asked_to_stop(self) -> AskedToStop | None:
        """When it was asked to stop; None if it was not."""
        return self._read("cancel.json", AskedToStop)

    def ask_to_stop(self, grace: timedelta) -> None:
        """Leave word that it is to stop; the first who asks sets the time."""
        if self.asked_to_stop() is None:
            self._write("cancel.json", AskedToStop(at=datetime.now(UTC), grace_seconds=grace.total_seconds()))

    def alive(self) -> bool:
        """Whether a process still holds it.

        Raises: JobError: If there is no lock.
        """
        try:
            with open(self.lock, encoding="utf-8") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            raise self._foreign() from None
        return False

    def made_at(self) -> int:
        """When its folder was made, in nanoseconds; the lock is never written.

        Raises: JobError: If there is no lock.
        """
        try:
            return self.lock.stat().st_mtime_ns
        except FileNotFoundError:
            raise self._foreign() from None

    def _foreign(self) -> JobError:
        return JobError(f"{self.path} is not the folder of a job", next_step="move it away")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the job's process, if that has said its id and is still alive."""
        said = self.said()
        if said is None:
            return
        if not hasattr(os, "pidfd_open"):  # macOS: between the look and the signal lie microseconds
            if self.alive():
                os.kill(said.pid, number)
            return
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(said.pid)  # of this very process, even if its id is given to another one
            with closing(os.fdopen(handle)):
                if self.alive():
                    signal.pidfd_send_signal(handle, number)

    def seen(self) -> JobSeen:
        """The job as it is now."""
        alive = self.alive()  # before its word is read: what is dead says nothing more
        said, asked, stop = self.said(), self.ordered(), self.asked_to_stop()
        state, reason, ended = _judged(alive, said, stop)
        if ended is None and state.ended:
            word = self.log if said is None else self.path / "state.json"
            ended = datetime.fromtimestamp(word.stat().st_mtime, UTC)
        return JobSeen(
            id=self.path.name, job=asked.order.job, place=PLACE, options=asked.order.options,
            submitted_at=asked.submitted_at, state=state, ended_at=ended, reason=reason,
            stage="stopping" if stop is not None and not state.ended else str(state),
            started_at=None if said is None else said.started_at,
            progress=None if said is None else said.progress,
            result="" if said is None else said.result,
            cost=None if said is None else _until_now(said, alive),
        )  # fmt: skip

    def tail(self, lines: int) -> list[str]:
        """The last lines of the log."""
        with open(self.log, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            begin = file.seek(max(size - max(_TAIL_BYTES, lines * _LINE_BYTES), 0))
            text = file.read().decode("utf-8", "replace")
        found = text.splitlines()
        return (found[1:] if begin else found)[-lines:] if lines > 0 else []

    def _read(self, name: str, kind: type[S]) -> S | None:
        try:
            return msgspec.json.decode((self.path / name).read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise JobError(f"{self.path / name} is damaged ({error})", next_step=f"remove {self.path}") from error

    def _write(self, name: str, content: msgspec.Struct) -> None:
        temporary = self.path / f"{name}.{os.getpid()}.tmp"
        temporary.write_bytes(msgspec.json.encode(content))
        os.replace(temporary, self.path / name)


def _judged(alive: bool, said: SelfSaid | None, stop: AskedToStop | None) -> tuple[JobState, str, datetime | None]:
    """State, reason and end, by what it said and whether it lives."""
    if said is not None and said.state.ended:
        return said.state, said.reason, said.ended_at
    if alive:
        return (JobState.SUBMITTED, "", None) if said is None else (said.state, said.reason, None)
    if stop is not None:
        within = f"{stop.grace_seconds:g} s"
        return JobState.CANCELLED, f"it was cancelled, and ended without a word within {within} or was killed", None
    if said is None:
        return JobState.FAILED, "it never began: its process could not start, or its submitter was killed before", None
    return JobState.FAILED, "its process ended without saying why (killed?)", None


def _until_now(said: SelfSaid, alive: bool) -> JobCost:
    if said.state.ended or not alive:
        return said.cost
    return msgspec.structs.replace(said.cost, seconds=round((datetime.now(UTC) - said.started_at).total_seconds(), 3))
