"""The home: one folder with a lakehouse, its stream, its alerts and its log.

- `home.json`: format_version, created, path, home_id; `coattail.yaml`: settings of this home, `aws.yaml`: where its
  stores on AWS are (both optional)
- `catalog.db`, `warehouse/`: Iceberg's catalog and tables; `hot.db`: newest alerts and metrics
- `notify.db`: what was sent to whom, what is muted, what was acknowledged
- `stream/`, `dlq/`, `logs/coattail.log`; `live.json`: how the live producer is doing, and where the next one goes on
- `engine.lock`, `producer.lock`, `maintenance.lock`, `notify.lock`: held while one runs
- `jobs/`: a folder for each job that was submitted to run on this machine
- `aws/`: a folder for each environment on AWS that is operated from here
- `checkpoint/`: scratch of Spark
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import msgspec

from coattail.config import AWS_FILE, HOME_FILE
from coattail.errors import HomeError

try:
    import fcntl

    _HAS_LOCKS = True
except ImportError:  # Windows
    _HAS_LOCKS = False

FORMAT_VERSION = 1
FOLDER = ".coattail"
_FOLDERS = ("warehouse", "stream", "dlq", "logs")
_LAYOUT = {
    *_FOLDERS, "home.json", "catalog.db", "hot.db", "notify.db", "engine.lock", "maintenance.lock", "notify.lock",
    "producer.lock", "live.json",
    "aws", "checkpoint", "jobs", "learned", HOME_FILE, AWS_FILE,
}  # fmt: skip
_UNFINISHED = re.compile(r"home\.[0-9a-f]{32}\.tmp")  # a creator was killed, or the disk was full
_UNFIT = frozenset("#%?")
_LOCK_ATTEMPTS = 5  # `running_engine` holds the lock for an instant to look at it: one refusal proves nothing


class HomeRecord(msgspec.Struct, frozen=True):
    """What `home.json` says."""

    format_version: int
    created: datetime
    path: str
    """Absolute path that the tables' files are recorded under."""
    home_id: str


class EngineInfo(msgspec.Struct, frozen=True):
    """Which engine, or producer, holds the lock."""

    pid: int
    command: str
    started: datetime
    host: str = ""
    """Empty: this machine."""

    def __str__(self) -> str:
        there = f" of {self.host}" if self.host else ""
        return f"`{self.command}` (process {self.pid}{there}, since {self.started:%Y-%m-%d %H:%M:%SZ})"


def resolve_home(option: str | os.PathLike[str] | None, environment: str | None, start: Path) -> Path:
    """Where the home is: `--home`, else COATTAIL_HOME, else the nearest `.coattail` at or above `start`, else
    `.coattail` in `start`. A `~` at the beginning is the home directory. Says nothing about whether it exists.

    Raises: HomeError: If it begins with `~name`, and there is no user of that name.
    """
    if option is not None or environment:
        given = Path(option if option is not None else environment or "")
        try:
            return start / given.expanduser()
        except RuntimeError as error:
            raise HomeError(
                f"{given.parts[0]} is the home directory of nobody here", next_step="write the folder's whole path"
            ) from error
    start = start.absolute()
    for folder in (start, *start.parents):
        if (folder / FOLDER).is_dir():
            return folder / FOLDER
    return start / FOLDER


DEMO_MARK = "demo.json"
"""In the home of a demo, and in no other."""


@dataclass(frozen=True)
class Home:
    """A home that exists, is where its tables think it is, and has a format this version reads."""

    path: Path
    """The recorded path, which may be a symlink to where the folder is now."""
    record: HomeRecord

    @property
    def hot_db(self) -> Path:
        return self.path / "hot.db"

    @property
    def notify_db(self) -> Path:
        return self.path / "notify.db"

    @property
    def stream(self) -> Path:
        return self.path / "stream"

    @property
    def dlq(self) -> Path:
        return self.path / "dlq"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint"

    @property
    def simulated(self) -> bool:
        """Whether a demo made it: what lands there comes from a simulated market."""
        return (self.path / DEMO_MARK).is_file()

    @property
    def jobs(self) -> Path:
        return self.path / "jobs"

    @property
    def learned(self) -> Path:
        return self.path / "learned"

    @property
    def live_file(self) -> Path:
        return self.path / "live.json"

    @property
    def log_file(self) -> Path:
        return self.path / "logs" / "coattail.log"

    @property
    def config_file(self) -> Path:
        return self.path / HOME_FILE

    def __fspath__(self) -> str:
        return str(self.path)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, create: bool = False, write: bool = False) -> Home:
        """The home at `path`; `create` makes it if there is none, `write` makes sure it can be written to.

        Raises: HomeError: If it is missing, not a home, moved, copied, of a newer format, or not writable.
        """
        folder = Path(os.path.abspath(path))
        try:
            if folder.exists() and not folder.is_dir():
                raise HomeError(f"{folder} is a file, not a folder", next_step="choose another --home")
            if not (folder / "home.json").exists():
                if not create:
                    raise HomeError(
                        f"there is no home at {folder}",
                        next_step="make one with `coattail init`, or see everything with `coattail demo`",
                    )
                _create(folder)
            record = _read(folder)
        except PermissionError as error:
            raise HomeError(
                f"no permission for {error.filename or folder}",
                next_step="change its permissions, or choose another --home",
            ) from error
        home = cls(_checked_path(folder, record), record)
        if write:
            home._refuse_read_only()
        return home

    def _refuse_read_only(self) -> None:
        for path in [self.path, *(self.path / name for name in sorted(_LAYOUT - {"home.json", HOME_FILE, AWS_FILE}))]:
            if path.exists() and not os.access(path, os.W_OK):
                raise HomeError(
                    f"the home {self.path} is read-only ({path} cannot be written)",
                    next_step="change its permissions, or choose another --home",
                )

    @contextlib.contextmanager
    def engine_lock(self, command: str) -> Iterator[None]:
        """Hold the home for one engine; the system releases the lock even if the process is killed.

        Raises: HomeError: If another engine holds it, which the message names.
        """
        with self._hold("engine.lock", command, "engine"):
            yield

    @contextlib.contextmanager
    def producer_lock(self, command: str) -> Iterator[None]:
        """Hold the home for one live producer; replays may feed its stream meanwhile.

        Raises: HomeError: If another producer holds it, which the message names.
        """
        with self._hold("producer.lock", command, "producer"):
            yield

    @contextlib.contextmanager
    def maintenance_lock(self, command: str) -> Iterator[None]:
        """Hold the home for one maintenance; engines may run beside it.

        Raises: HomeError: If another maintenance holds it, which the message names.
        """
        with self._hold("maintenance.lock", command, "maintenance"):
            yield

    @contextlib.contextmanager
    def notify_lock(self, command: str) -> Iterator[None]:
        """Hold the home for one that sends alerts to people; engines may run beside it.

        Raises: HomeError: If another one does, which the message names.
        """
        with self._hold("notify.lock", command, "notifier"):
            yield

    @contextlib.contextmanager
    def _hold(self, name: str, command: str, kind: str) -> Iterator[None]:
        if not _HAS_LOCKS:
            raise HomeError(f"{kind} needs file locks of a POSIX system", next_step="use Linux, macOS or WSL")
        with open(self.path / name, "a+", encoding="utf-8") as file:
            if not _lock(file):
                holder = _holder(file) or f"another {kind}, just starting,"
                raise HomeError(f"{holder} already runs on {self.path}", next_step="stop it first, or wait for its end")
            info = EngineInfo(os.getpid(), command, datetime.now(UTC))
            file.truncate(0)
            file.write(msgspec.json.encode(info).decode())
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)

    def running_engine(self) -> EngineInfo | None:
        """The engine that runs on this home now, or None. Works on a read-only home too."""
        return self._running("engine.lock", "an engine")

    def engine_alive(self) -> bool:
        """Whether the process that holds the home for an engine lives on this machine. Nobody's lock is touched, so
        it may be asked all the time; `running_engine` may keep an engine from starting that comes in the same instant.
        """
        try:
            with open(self.path / "engine.lock", encoding="utf-8") as file:
                holder = _holder(file)
            if holder is None:
                return False
            os.kill(holder.pid, 0)
        except (FileNotFoundError, ProcessLookupError):
            return False
        except PermissionError:  # another user's
            return True
        return True

    def running_producer(self) -> EngineInfo | None:
        """The live producer that runs on this home now, likewise."""
        return self._running("producer.lock", "a producer")

    def _running(self, lock: str, what: str) -> EngineInfo | None:
        if not _HAS_LOCKS:
            return None
        try:
            file = open(self.path / lock, encoding="utf-8")  # noqa: SIM115
        except FileNotFoundError:
            return None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _holder(file) or EngineInfo(0, f"{what} that is just starting", datetime.now(UTC))
            return None


def _create(folder: Path) -> None:
    there = sorted(p.name for p in folder.iterdir()) if folder.exists() else []
    foreign = [name for name in there if name not in _LAYOUT and not _UNFINISHED.fullmatch(name)]
    if foreign:
        raise HomeError(
            f"{folder} holds other things already ({', '.join(foreign[:3])}) and is not a home",
            next_step="choose an empty folder, or a new one inside it",
        )
    if not _UNFIT.isdisjoint(str(folder.resolve())):
        raise HomeError(
            f"{folder} has one of {' '.join(sorted(_UNFIT))} in its path, which mean something else in an address",
            next_step="choose another --home",
        )
    try:
        for name in _FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        record = HomeRecord(FORMAT_VERSION, datetime.now(UTC), str(folder.resolve()), uuid.uuid4().hex)
        temporary = folder / f"home.{record.home_id}.tmp"
        try:
            temporary.write_text(json.dumps(msgspec.to_builtins(record), indent=2) + "\n", encoding="utf-8")
            os.link(temporary, folder / "home.json")  # the first of several creators wins
        except FileExistsError:
            pass
        finally:
            temporary.unlink(missing_ok=True)
    except (NotADirectoryError, FileExistsError) as error:
        raise HomeError(
            f"{error.filename} is in the way of the home {folder}", next_step="choose another --home"
        ) from error


def _read(folder: Path) -> HomeRecord:
    path = folder / "home.json"
    try:
        data = msgspec.json.decode(path.read_bytes())
        version = data["format_version"]
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise HomeError(
                f"the home {folder} has format {version}, and this coattail reads up to {FORMAT_VERSION}",
                next_step="upgrade coattail, or choose another --home",
            )
        return msgspec.convert(data, HomeRecord)
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise HomeError(
            f"{path} is damaged ({error})", next_step="restore it from a backup, or choose another --home"
        ) from error


def _checked_path(folder: Path, record: HomeRecord) -> Path:
    """The recorded path, if it still is this folder."""
    recorded = Path(record.path)
    if recorded.exists() and os.path.samefile(recorded, folder):
        return recorded
    old, new = shlex.quote(str(recorded)), shlex.quote(str(folder))
    if os.path.lexists(recorded):
        raise HomeError(
            f"{folder} is a copy of the home {recorded}, whose files its tables still name",
            next_step=f"use --home {old}; if that one is not needed, move it away and run: ln -s {new} {old}",
        )
    parent = "" if recorded.parent.is_dir() else f"mkdir -p {shlex.quote(str(recorded.parent))} && "
    raise HomeError(
        f"the home {folder} was moved from {recorded}, and its tables name their files by the old path",
        next_step=f"move it back, or run: {parent}ln -s {new} {old}",
    )


def _lock(file: IO[Any]) -> bool:
    for attempt in range(_LOCK_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt < _LOCK_ATTEMPTS - 1:
                time.sleep(0.02)
        else:
            return True
    return False


def _holder(file: IO[Any]) -> EngineInfo | None:
    file.seek(0)
    try:
        return msgspec.json.decode(file.read(), type=EngineInfo)
    except msgspec.DecodeError:
        return None
