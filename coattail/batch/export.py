"""Rows of a table or view as files for other programs: Parquet or CSV, one file, or one Parquet per day.

Rows go through in batches, so memory stays bounded whatever the table's size. A file has its name only when it is
whole.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coattail.batch.export_files import sink
from coattail.batch.export_rows import Rows
from coattail.errors import StoreError, UsageError

FORMATS = (".parquet", ".csv")


@dataclass
class Exported:
    """What was written."""

    rows: int = 0
    size: int = 0
    """In bytes."""
    files: list[Path] = field(default_factory=list)


def export_file(
    rows: Rows, out: Path, *, force: bool = False, advance: Callable[[int], None] = lambda _: None
) -> Exported:
    """Write the rows into one file, whose format its name says; `advance` is called with rows as they are done.

    Raises: UsageError: If the name says no known format, or there is such a file and `force` is not given.
    StoreError: If it cannot be written.
    """
    if out.suffix not in FORMATS:
        raise UsageError(f"{out} is neither .parquet nor .csv", next_step="give --out such a name, or DIR/ for days")
    done = Exported()
    _refuse_existing([out], force)
    _write(rows, out, done, force, advance)
    return done


def export_days(
    rows: Rows, folder: Path, *, force: bool = False, advance: Callable[[int], None] = lambda _: None
) -> Exported:
    """Write `folder`/dt=YYYY-MM-DD/<table>.parquet for every day (UTC) that has rows.

    Raises: UsageError: If the rows have no time, or a file is there and `force` is not given. StoreError: If a file
    cannot be written; the days before it are whole.
    """
    days = rows.days()
    outs = [folder / f"dt={day.isoformat()}" / f"{rows.name}.parquet" for day in days]
    _refuse_existing(outs, force)
    done = Exported()
    for day, out in zip(days, outs, strict=True):
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        with _explained(out):
            out.parent.mkdir(parents=True, exist_ok=True)
        _write(rows.between(begin, begin + timedelta(days=1)), out, done, force, advance)
    return done


def _refuse_existing(outs: list[Path], force: bool) -> None:
    there = [out for out in outs if os.path.lexists(out)]
    if there and not force:
        more = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise UsageError(f"{there[0]} exists already{more}", next_step="add --force to replace it")


def _write(rows: Rows, out: Path, done: Exported, force: bool, advance: Callable[[int], None]) -> None:
    with _explained(out), _whole(out, force=force) as path, sink(path, out.suffix, rows.schema) as file:
        for looked_at, batch in rows.batches():
            file.write(batch)
            done.rows += batch.num_rows
            advance(looked_at)
    done.files.append(out)
    done.size += out.stat().st_size


@contextmanager
def _whole(out: Path, *, force: bool) -> Iterator[Path]:
    """A name beside `out`; what was written there gets the name `out` if the block ends well, and goes if not."""
    temporary = out.with_name(f".{out.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        if force:
            os.replace(temporary, out)
        else:
            os.link(temporary, out)  # unlike a rename, it never replaces what came meanwhile
    except FileExistsError:
        raise UsageError(f"{out} exists already", next_step="add --force to replace it") from None
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _explained(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{out} cannot be written ({error.strerror or error})",
            next_step="check the folder, its permissions and the disk; no part of the file was left",
        ) from error
