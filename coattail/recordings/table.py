"""Format `table`: CSV or Parquet of any columns, which the caller names."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from coattail.errors import DamagedInput, UsageError
from coattail.recordings.base import Layout, RecordedLine, RowHints
from coattail.recordings.fields import RowReader, by_number, is_header, places_of
from coattail.recordings.lines import LineSource
from coattail.recordings.rows import BadRow, garbage, numbered, text_of

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

PARQUET = b"PAR1"
"""How a Parquet file begins, and ends."""

_ROWS = 8192
_HEAD = 64 << 10
_DELIMITERS = ",;\t|"


def csv_names(header: bytes) -> tuple[list[str], str]:
    """(column names, delimiter) of a header; no names where the line is not CSV."""
    text = header.decode("utf-8-sig", "replace")
    delimiter = max(_DELIMITERS, key=text.count)
    try:
        return [name.strip() for name in _cells(text, delimiter)], delimiter
    except BadRow:
        return [], delimiter


def columns_in(first: bytes, hints: RowHints) -> tuple[list[str], str, bool]:
    """(what columns are called, delimiter, whether the line is a header), by the first line of a file."""
    names, delimiter = csv_names(first)
    if by_number(names, hints):
        return [str(n) for n in range(1, len(names) + 1)], delimiter, is_header(names)
    return names, delimiter, True


def read_csv(source: LineSource, layout: Layout, hints: RowHints, wall: int) -> Iterator[RecordedLine]:
    """A frame per line; a cell in quotes may hold the delimiter, but no line end.

    A member of a zip may have a header of its own, with the columns in another order. Under one that lacks a column
    nothing of the member is read. Where columns are named by number there need not be a header.

    Raises: UsageError: If the first header lacks a column that `hints` names.
    """
    fields: RowReader | None = None
    columns = 0
    delimiter = ","
    header = b""
    member, begins, lacking = source.member, False, ""
    for number, line in numbered(source):
        if source.member != member:
            member, begins, lacking = source.member, fields is not None, ""
        if fields is None:
            names, delimiter, headed = columns_in(line, hints)
            fields, columns = RowReader(places_of(source.path, names, hints), layout, hints, wall), len(names)
            header = line if headed else b""
        elif begins and line != header and is_header(csv_names(line)[0]):
            names, delimiter, _ = columns_in(line, hints)
            columns, header = len(names), line
            if missing := set((hints.columns or {}).values()) - set(names):
                lacking = f"the header of {member} lacks {', '.join(sorted(missing))}"
            else:
                fields.places = places_of(source.path, names, hints)
        begins = False
        if line == header:
            yield RecordedLine(wall, line, "aside")
            continue
        try:
            if lacking:
                raise BadRow(lacking)
            cells = _cells(text_of(line), delimiter)
            if len(cells) != columns:
                raise BadRow(f"{len(cells)} fields under a header of {columns}")
            row, symbol = fields.read(cells)
            yield RecordedLine(row.received, line, "row", "", row, symbol)
        except BadRow as error:
            yield garbage(source, number, line, error, wall)


def _cells(text: str, delimiter: str) -> list[str]:
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise BadRow(f"not CSV: {error}") from error


class ParquetSource:
    """A Parquet file: its columns and its rows, never held whole in memory.

    Raises:
        UsageError: If it cannot be opened.
        DamagedInput: If its end, where Parquet says what it holds, is missing or broken.
    """

    member = ""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.path = path
        self.read_bytes = 0
        self.total_bytes = path.stat().st_size
        with path.open("rb") as file:
            self.head = file.read(_HEAD)
        try:
            with pq.ParquetFile(path) as file:
                self.names = list(file.schema_arrow.names)
                self.rows = file.metadata.num_rows
                doubled = sorted({name for name in self.names if self.names.count(name) > 1})
        except (pa.ArrowException, OSError) as error:
            raise DamagedInput(
                f"{path} is damaged ({str(error).splitlines()[0][:200]})",
                next_step="nothing of it can be read; fetch the file again",
            ) from error
        if doubled:
            raise UsageError(f"{path} has several columns {', '.join(doubled)}", next_step="give each its own name")

    def blocks(self) -> Iterator[pl.DataFrame]:
        """Its rows, some thousands at a time.

        Raises: DamagedInput: Where it cannot be read any further.
        """
        import polars as pl
        import pyarrow as pa
        import pyarrow.parquet as pq

        done = 0
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size=_ROWS):
                    done += batch.num_rows
                    self.read_bytes = self.total_bytes * done // self.rows
                    yield pl.DataFrame(_plain_times(batch))
        except (pa.ArrowException, OSError) as error:
            raise DamagedInput(
                f"{self.path} is damaged after row {done:,} ({str(error).splitlines()[0][:200]})",
                next_step="what could be read has been handed over; fetch the file again and replay it",
            ) from error
        self.read_bytes = self.total_bytes


def _plain_times(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same with times in UTC and without a zone, whose rules are of no use here."""
    import pyarrow as pa

    kinds = [pa.timestamp(t.unit) if pa.types.is_timestamp(t) else t for t in batch.schema.types]
    columns = [column.cast(kind) for column, kind in zip(batch, kinds, strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def read_parquet(source: ParquetSource, layout: Layout, hints: RowHints, wall: int) -> Iterator[RecordedLine]:
    """A frame per row, its payload the row as JSON.

    Raises:
        UsageError: If the file lacks a column that `hints` names, or one holds neither numbers, nor times, nor text.
        DamagedInput: At the end of the readable part of a damaged file.
    """
    import polars as pl

    places = places_of(source.path, source.names, hints)
    columns = [source.names[place] for place in places.values()]
    fields = RowReader({field: place for place, field in enumerate(places)}, layout, hints, wall)
    number = 0
    for block in source.blocks():
        nested = [name for name in columns if block.schema[name].is_nested() or block.schema[name] == pl.Binary]
        if nested:
            raise UsageError(
                f"{source.path}: the column {', '.join(nested)} holds neither numbers, nor times, nor text",
                next_step=f"columns and their types: {', '.join(f'{n} {t}' for n, t in block.schema.items())}",
            )
        texts = block.select(pl.col(name).cast(pl.String).alias(str(n)) for n, name in enumerate(columns))
        lines = block.with_columns(pl.col(pl.Binary).bin.encode("hex")).write_ndjson().encode().split(b"\n")
        for cells, payload in zip(texts.iter_rows(), lines[:-1], strict=True):
            number += 1
            try:
                row, symbol = fields.read(cells)
                yield RecordedLine(row.received, payload, "row", "", row, symbol)
            except BadRow as error:
                yield RecordedLine(wall, payload, "garbage", f"row {number}: {error}")
