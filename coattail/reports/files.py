"""The page on disk: whole or not at all, and never in place of any other file."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

from coattail.errors import DISK_FULL, StoreError, UsageError
from coattail.reports.frame import GENERATOR

_MARK = f'<meta name="generator" content="{GENERATOR} '.encode()
_HEAD_BYTES = 300


def is_report(path: Path) -> bool:
    """Whether the file is a page of ours."""
    with open(path, "rb") as file:
        return _MARK in file.read(_HEAD_BYTES)


def refuse_foreign(out: Path, *, force: bool, ours: Callable[[Path], bool] = is_report, what: str = "a report") -> None:
    """Refuse what is in the way before any work is done. ours, what: Which files may be replaced, and their name.

    Raises: UsageError: If `out` is a folder or not a regular file, or not one of ours and `force` is not given.
    StoreError: If it cannot be read, or its folder is not there.
    """
    try:
        if out.is_dir() or (os.path.lexists(out) and not out.is_file()):
            raise UsageError(f"{out} is not a regular file", next_step="give --out a name like report.html")
        if not out.parent.is_dir():
            raise UsageError(f"there is no folder {out.parent}", next_step="make it first, or choose another --out")
        if out.exists() and not force and not ours(out):
            raise UsageError(f"{out} exists and is not {what}", next_step="add --force to replace it")
    except OSError as error:
        raise unwritable(out, error) from error


def write_page(page: str, out: Path, *, force: bool = False) -> int:
    """Put the page at `out`, as `write_whole` does; returns its bytes."""
    data = page.encode()
    write_whole(data, out, lambda: refuse_foreign(out, force=force))
    return len(data)


def write_whole(data: bytes, out: Path, refuse: Callable[[], None] = lambda: None) -> None:
    """Put a file at `out`, in one step. Of several writers at once, the last one wins, whole.

    refuse: Looks at what is there, and raises where it must stay; without it whatever is there is replaced.
    Raises: UsageError, StoreError: As `refuse`, or if the disk is full; nothing is left then.
    """
    refuse()
    temporary = out.with_name(f".{out.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, out)  # unlike a rename, it never replaces what came meanwhile
        except FileExistsError:
            refuse()
            os.replace(temporary, out)
    except OSError as error:
        raise unwritable(out, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def unwritable(out: Path, error: OSError) -> StoreError:
    """What to raise where a file could not be written, and what was there before still is."""
    full = error.errno in DISK_FULL
    step = "free some space and ask again" if full else "check the folder, its permissions and the disk"
    return StoreError(
        f"{out} cannot be written ({error.strerror or error})",
        next_step=f"{step}; no part of the file was left, and one that was there is as it was",
    )
