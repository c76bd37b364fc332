"""What can go wrong with the wiring; bad *rows* are data and never raise."""

from __future__ import annotations

import errno

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Error numbers of a system call that found no space."""


class CoattailError(Exception):
    """Broken wiring: what happened, with which value, and what to do next.

    The command line prints `message` and `next_step` in one sentence and exits with `exit_code`.
    """

    exit_code = 1

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message}; {self.next_step}" if self.next_step else self.message

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in place of a traceback (IPython asks for it by this name)."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(CoattailError):
    """The command or its options make no sense (exit code 2)."""

    exit_code = 2


class ConfigError(CoattailError):
    """A configuration value is unknown or does not fit; in a flag, that is a mistake in the command (exit code 2)."""

    def __init__(self, message: str, *, next_step: str = "", source: str = "") -> None:
        super().__init__(message, next_step=next_step)
        if source == "flag" or source.startswith("--"):
            self.exit_code = UsageError.exit_code


class HomeError(CoattailError):
    """The home folder is missing, moved, read-only, of a newer version, or already in use."""


class StoreError(CoattailError):
    """A table, the catalog or the hot store cannot be read or written."""


class TableBusy(StoreError):
    """Maintenance found no moment between two commits of a table; nothing of it was changed."""


class StreamError(CoattailError):
    """The stream is missing, was recreated, or no longer holds what was asked for."""


class SparkError(CoattailError):
    """The Spark engine cannot run: Java, PySpark or a jar is missing or of another version."""


class NotARecording(UsageError):
    """A file is not a recording that is known here: beside others it is passed over."""


class DamagedInput(CoattailError):
    """An input file is damaged; whatever could be read has been handed over first."""


class MalformedMessage(CoattailError):
    """A frame that should hold a trade and cannot be read as one. It becomes a DLQ row, not a crash."""
