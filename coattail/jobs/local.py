"""Jobs as processes of this machine, each with a folder of its own in the home."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from coattail.errors import UsageError
from coattail.jobs.base import GRACE, JobError, JobOrder, Jobs, JobSeen, NoSuchJob
from coattail.jobs.folder import PLACE, JobFolder, Ordered

_ID_DIGITS = 12
_UNFINISHED = ".new"
_SWEPT_AFTER = 60.0


class LocalJobs(Jobs):
    """Each job is a process in a session of its own: it goes on when the kernel, the terminal or its window ends.

    folder: Where the folders of jobs are; made with the first one.
    program: The words that start a job's process; the path of its folder, and the number of the file descriptor that
    is its lock, are added. The process calls `coattail.jobs.working.work`.
    """

    place = PLACE
    reads_home = here = True

    def __init__(self, folder: Path, program: Sequence[str]) -> None:
        self._folder, self._program = folder, list(program)

    def request(self, order: JobOrder) -> Mapping[str, Any]:
        return {
            "command": [*self._program, str(self._path(order.token)), "LOCK"],
            "job": order.job,
            "options": order.options,
            "settings": order.settings,
        }

    def submit(self, order: JobOrder) -> str:
        folder = JobFolder(self._path(order.token))
        try:
            self._folder.mkdir(exist_ok=True)
            self._sweep()
            with _made(folder, Ordered(order=order, submitted_at=datetime.now(UTC))) as lock:
                if lock is not None:
                    self._start(folder, lock)
        except OSError as error:
            raise JobError(
                f"the job cannot be started ({error.strerror or error})", next_step=f"look at {self._folder}"
            ) from error
        if lock is None and (before := folder.ordered().order) != order:
            raise UsageError(
                f"the token {order.token!r} was used for another order: {before.job} {before.options or ''}".rstrip(),
                next_step="leave it out, or choose another one",
            )
        return folder.path.name

    def look(self, identity: str) -> JobSeen:
        return self._found(identity).seen()

    def tail(self, identity: str, lines: int) -> list[str]:
        return self._found(identity).tail(lines)

    def cancel(self, identity: str, grace: timedelta = GRACE) -> None:
        folder = self._found(identity)
        if folder.seen().state.ended:
            return
        folder.ask_to_stop(grace)  # before the signal: a process that is just starting reads it
        stop = folder.asked_to_stop()
        over = stop is not None and stop.until <= datetime.now(UTC)
        folder.signal(signal.SIGKILL if over else signal.SIGTERM)

    def newest(self, most: int) -> list[JobSeen]:
        there = self._folder.iterdir() if self._folder.is_dir() else ()
        folders = [JobFolder(path) for path in there if path.is_dir() and not path.name.startswith(".")]
        newest = sorted(folders, key=lambda folder: folder.made_at(), reverse=True)[:most]
        return sorted((f.seen() for f in newest), key=lambda job: (job.submitted_at, job.id), reverse=True)

    def _start(self, folder: JobFolder, lock: int) -> None:
        with open(folder.log, "ab") as log:
            process = subprocess.Popen(
                [*self._program, str(folder.path), str(lock)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(lock,),
            )
        threading.Thread(target=process.wait, name="job", daemon=True).start()  # no zombie while this process lives

    def _path(self, token: str) -> Path:
        return self._folder / hashlib.sha256(token.encode()).hexdigest()[:_ID_DIGITS]

    def _found(self, identity: str) -> JobFolder:
        folder = JobFolder(self._folder / identity)
        if len(identity) != _ID_DIGITS or not identity.isalnum() or not folder.path.is_dir():
            raise NoSuchJob(identity, self.place)
        return folder

    def _sweep(self) -> None:
        """Remove what submitters left who were killed before their job had a name."""
        for path in self._folder.glob(f".*{_UNFINISHED}"):
            with contextlib.suppress(FileNotFoundError, JobError):  # another one sweeps, or it has just got its name
                if time.time() - path.stat().st_mtime > _SWEPT_AFTER and not JobFolder(path).alive():
                    shutil.rmtree(path)


@contextlib.contextmanager
def _made(folder: JobFolder, ordered: Ordered) -> Iterator[int | None]:
    """Make the folder as a whole, with its lock held; gives the lock, or None if the folder is there already."""
    if folder.path.is_dir():
        yield None
        return
    new = JobFolder(folder.path.parent / f".{folder.path.name}-{uuid.uuid4().hex}{_UNFINISHED}")
    new.path.mkdir()
    lock = os.open(new.lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        new.write_order(ordered)
        new.log.touch()
        try:
            os.rename(new.path, folder.path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(new.path)  # another submitter of the same token was faster
            yield None
            return
        yield lock
    finally:
        os.close(lock)
