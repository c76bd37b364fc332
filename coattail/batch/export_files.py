"""Parquet and CSV, written batch by batch.

In CSV a text that a spreadsheet would take for a formula gets an apostrophe before it, as OWASP advises.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

_GROUP_ROWS = 100_000
_FORMULA = r"^[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
"""The last four are = + - @ in full width, which some spreadsheets read as the plain ones."""
_TIME = "%Y-%m-%dT%H:%M:%S%.6fZ"


class Sink(Protocol):
    """A file that is being written."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""

    def close(self) -> None:
        """Finish the file."""


@contextmanager
def sink(path: Path, format: str, schema: pa.Schema) -> Iterator[Sink]:
    """A file of that format (`.parquet` or `.csv`) at `path`, finished when the block ends."""
    if format == ".parquet":
        with pq.ParquetWriter(path, schema, compression="zstd") as writer, closing(_Parquet(writer)) as file:
            yield file
        return
    with open(path, "wb") as out, closing(_Csv(out, schema)) as text:
        yield text


class _Parquet:
    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        self._rows += batch.num_rows
        if self._rows >= _GROUP_ROWS:
            self.close()

    def close(self) -> None:
        """Write what waits as one row group."""
        if self._rows:
            self._writer.write_table(pa.Table.from_batches(self._waiting), row_group_size=self._rows)
        self._waiting, self._rows = [], 0


class _Csv:
    def __init__(self, out: IO[bytes], schema: pa.Schema) -> None:
        self._out = out
        names = pl.DataFrame({f"{place}": [name] for place, name in enumerate(schema.names)})
        names.select(_guarded(pl.all())).write_csv(out, include_header=False)

    def write(self, batch: pa.RecordBatch) -> None:
        frame = pl.DataFrame(pa.Table.from_batches([batch]))
        frame.select(_text(name, kind) for name, kind in frame.schema.items()).write_csv(
            self._out, include_header=False
        )

    def close(self) -> None:
        """Every batch is written already."""


def _text(name: str, kind: pl.DataType) -> pl.Expr:
    """A column as CSV has it: numbers as they are, times ISO 8601 in UTC, lists as JSON."""
    column = pl.col(name)
    if kind == pl.String:
        return _guarded(column)
    if isinstance(kind, pl.Datetime):
        return column.dt.strftime(_TIME if kind.time_zone else _TIME.removesuffix("Z"))
    if isinstance(kind, pl.List):
        inside = column.list.eval(pl.element().cast(pl.String).fill_null("null")).list.join(",")
        return pl.format("[{}]", inside)
    return column


def _guarded(column: pl.Expr) -> pl.Expr:
    return pl.when(column.str.contains(_FORMULA)).then(pl.lit("'") + column).otherwise(column).name.keep()
