"""Many small files become few large ones, partition by partition, while an engine may go on writing.

Rows stay exactly as they are: partial bars and old revisions are not merged, so that what comes out can be checked
by counting, and readers of any snapshot see the same. At most `FILE_ROWS` rows are in memory at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import polars as pl

from coattail.errors import StoreError, TableBusy
from coattail.stores.commits import through_of
from coattail.stores.lake import Lake
from coattail.stores.parquet import WrittenFile, partition_spec, write_files
from coattail.stores.swap import FilesGone, swap
from coattail.tables import DERIVED_FROM_TRADES, Table

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile

TARGET_BYTES = 64 * 2**20
FILE_ROWS = 300_000
"""Rows of one file at most: a wide row takes about half a kilobyte of memory, several times over while it is sorted."""
JOB_ROWS = 4_000_000
"""Rows that are cut along the sort order together: their files are read once for every file that comes out."""
_COMMIT_ROWS = 1_000_000
"""A commit is made when this many rows have been rewritten, or all."""
_SMALL = 0.75
"""Files with less than this share of the target, in bytes and in rows, are rewritten."""


class Stopping(StoreError):
    """Maintenance was asked to stop; what was being written was dropped, and nothing was committed."""


class Miscounted(StoreError):
    """What was read is not what the manifests say; nothing was committed."""


@dataclass(frozen=True)
class Job:
    """Files of one partition whose rows go into fewer files."""

    partition: tuple[Any, ...]
    files: tuple[DataFile, ...]
    outputs: int

    @property
    def rows(self) -> int:
        return sum(file.record_count for file in self.files)

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(file.file_size_in_bytes for file in self.files)


@dataclass
class Compacted:
    """What became of a table's files; `skipped` says in sentences what was left as it is, and why."""

    table: str
    commits: int = 0
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    rows: int = 0
    skipped: list[str] = field(default_factory=list)


def complete_through(lake: Lake) -> int:
    """The commit of raw_trades that every table derived from its rows is complete through; 0 if one is missing."""
    return min(through_of(lake.newest(table.name)) for table in DERIVED_FROM_TRADES)


def plan(lake: Lake, table: Table, *, target_bytes: int = TARGET_BYTES, through: int | None = None) -> list[Job]:
    """What is worth rewriting, oldest partition first.

    `through`: files of later commits are left alone: a restarting engine tells them apart by their commit.

    Raises: StoreError: If the table is not as coattail made it: other columns or partitions, or rows deleted.
    """
    files = lake.files(table.name)
    refused = _not_ours(lake, table, files)
    if refused is not None:
        raise refused
    small: dict[tuple[Any, ...], list[DataFile]] = {}
    for file in _complete_files(lake, table.name, files, through):
        if file.file_size_in_bytes < _SMALL * target_bytes and file.record_count < _SMALL * FILE_ROWS:
            partition = tuple(file.partition[place] for place in range(len(file.partition)))
            small.setdefault(partition, []).append(file)
    jobs = []
    for partition in sorted(small, key=str):
        for files in _portions(sorted(small[partition], key=lambda f: (_earliest(table, f), f.file_path))):
            job = Job(partition, tuple(files), 0)
            outputs = max(1, math.ceil(job.size / target_bytes), math.ceil(job.rows / FILE_ROWS))
            if outputs < len(files):
                jobs.append(Job(partition, tuple(files), outputs))
    return jobs


def compact(
    lake: Lake,
    table: Table,
    *,
    target_bytes: int = TARGET_BYTES,
    through: int | None = None,
    said: Callable[[str], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Compacted:
    """Rewrite what `plan` finds, commit by commit; may be stopped and begun again at any time.

    `said` is called with what is being done. What cannot be done now is in `skipped`. `stopping` is asked after every
    file.
    """
    done = Compacted(table.name)
    try:
        jobs = plan(lake, table, target_bytes=target_bytes, through=through)
    except StoreError as error:
        done.skipped.append(str(error))
        return done
    together: list[Job] = []
    for number, job in enumerate(jobs, start=1):
        if stopping():
            break
        together.append(job)
        if number == len(jobs) or sum(j.rows for j in together) >= _COMMIT_ROWS:
            said(f"{table.name}: {number} of {len(jobs)} partitions, {sum(len(j.files) for j in together)} files")
            _replace(lake, table, together, done, stopping)
            together = []
    return done


def _replace(lake: Lake, table: Table, jobs: Sequence[Job], done: Compacted, stopping: Callable[[], bool]) -> None:
    """Do the jobs, and make them count in one commit."""
    old = [file for job in jobs for file in job.files]
    written: list[WrittenFile] = []
    try:
        for job in jobs:
            already = len(written)
            for file in _rewritten(lake, table, job):
                written.append(file)
                if stopping():
                    raise Stopping(f"{table.name}: stopped before a commit", next_step="the next run does it")
            _check_rows(table, job, written[already:])
        swap(lake, table.name, old, [file.data_file() for file in written], why="compaction")
    except (FilesGone, TableBusy, Miscounted, Stopping) as error:
        for file in written:  # never became part of the table
            lake.delete(file.location)
        done.skipped.append(str(error))
        return
    done.commits += 1
    done.files_before += len(old)
    done.files_after += len(written)
    done.bytes_before += sum(job.size for job in jobs)
    done.bytes_after += sum(file.size for file in written)
    done.rows += sum(job.rows for job in jobs)


def _rewritten(lake: Lake, table: Table, job: Job) -> Iterator[WrittenFile]:
    target, rows = lake.target(table), lake.reading(table, job.files).rows()
    for inside in _ranges(rows, table, job):
        yield from write_files(target, table, rows.filter(inside).collect())


def _check_rows(table: Table, job: Job, written: Sequence[WrittenFile]) -> None:
    rows = sum(int(file.statistics["record_count"]) for file in written)
    if rows != job.rows:
        raise Miscounted(
            f"{len(job.files)} files of {table.name} should hold {job.rows:,} rows, and {rows:,} were read from them",
            next_step="nothing was changed; `coattail doctor` looks whether the files are whole",
        )


# -- planning ------------------------------------------------------------------------------------------------


def _complete_files(lake: Lake, name: str, files: list[DataFile], through: int | None) -> list[DataFile]:
    if through is None:
        return files
    later = {file.file_path for file in lake.files(name, since=through)}
    return [file for file in files if file.file_path not in later]


def _not_ours(lake: Lake, table: Table, files: list[DataFile]) -> StoreError | None:
    iceberg = lake.iceberg(table.name)
    schema = iceberg.schema()
    remedy = "--engine spark rewrites it as it is now"
    if [field.name for field in schema.fields] != list(table.schema):
        return StoreError(f"{table.name} has other columns than this coattail writes", next_step=remedy)
    wanted = [(f.source_id, str(f.transform)) for f in partition_spec(table, schema).fields]
    if [(f.source_id, str(f.transform)) for f in iceberg.spec().fields] != wanted:
        return StoreError(f"{table.name} has other partitions than this coattail writes", next_step=remedy)
    if any(file.spec_id != iceberg.metadata.default_spec_id for file in files):
        return StoreError(f"{table.name} has files of earlier partitions", next_step=remedy)
    return None


def _portions(files: Sequence[DataFile]) -> Iterator[list[DataFile]]:
    """The files in lists of about equal numbers of rows, none above `JOB_ROWS` unless by a file."""
    rows = sum(file.record_count for file in files)
    most = math.ceil(rows / math.ceil(rows / JOB_ROWS)) if rows else 1
    portion: list[DataFile] = []
    filled = 0
    for file in files:
        if portion and filled + file.record_count > most:
            yield portion
            portion, filled = [], 0
        portion.append(file)
        filled += file.record_count
    if portion:
        yield portion


def _earliest(table: Table, file: DataFile) -> int:
    """The earliest time in a file (µs), by its statistics; 0 where there are none."""
    if table.day_of is None or not file.lower_bounds:
        return 0
    field_id = list(table.schema).index(table.day_of) + 1
    bound = file.lower_bounds.get(field_id)
    return int.from_bytes(bound, "little", signed=True) if bound else 0


# -- cutting by the sort order -------------------------------------------------------------------------------


def _ranges(rows: pl.LazyFrame, table: Table, job: Job) -> list[pl.Expr]:
    """Filters that cut the rows into `job.outputs` parts of about equal length along the table's sort order."""
    if job.outputs == 1 or not table.sorted_by:
        return [pl.lit(value=True)]
    *leading, last = table.sorted_by
    groups = rows.group_by(leading or [pl.lit(0).alias("all")]).agg(pl.len().alias("rows")).collect()
    sizes = groups.sort(leading) if leading else groups
    bounds: list[tuple[Any, ...]] = []
    start = 0
    for values in sizes.iter_rows():
        group, length = values[: len(leading)], values[-1]
        places = [i * job.rows // job.outputs for i in range(1, job.outputs)]
        inside = [place - start for place in places if start <= place < start + length]
        if inside:
            of_group = [pl.col(name) == value for name, value in zip(leading, group, strict=True)]
            column = rows.filter(*of_group).select(last).collect().to_series().sort()
            bounds += [(*group, column[place]) for place in inside]
        start += length
    cuts = [_at_or_after(table.sorted_by, bound) for bound in sorted(set(bounds))]
    if not cuts:
        return [pl.lit(value=True)]
    return [~cuts[0], *(a & ~b for a, b in pairwise(cuts)), cuts[-1]]


def _at_or_after(names: Sequence[str], values: Sequence[Any]) -> pl.Expr:
    """Whether a row's key is not before these values, compared column by column."""
    *before, last = zip(names, values, strict=True)
    found: pl.Expr = pl.col(last[0]) >= last[1]
    for name, value in reversed(before):
        found = (pl.col(name) > value) | ((pl.col(name) == value) & found)
    return found
