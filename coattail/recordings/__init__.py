"""Step 1 of 7, without a network: recorded messages, or rows of trades, in the order in which they stand."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from coattail.connectors import CONNECTORS, BaseConnector
from coattail.connectors.base import MarketType
from coattail.errors import UsageError
from coattail.recordings.base import FIELDS, ROW_FORMATS, Format, Layout, RecordedLine, RowHints, TimeUnit
from coattail.recordings.bulk import read_bulk
from coattail.recordings.detect import detect, first_line, reader
from coattail.recordings.fields import places_of, table_layout
from coattail.recordings.lines import LineSource
from coattail.recordings.rows import batch_of, in_time
from coattail.recordings.table import PARQUET, ParquetSource, read_csv, read_parquet
from coattail.recordings.tardis import read_tardis

__all__ = [
    "FIELDS",
    "ROW_FORMATS",
    "Format",
    "Layout",
    "MarketType",
    "RecordedLine",
    "Recording",
    "RowHints",
    "TimeUnit",
    "batch_of",
]

_HASHED_BYTES = 64 << 10


class Recording:
    """One recording: what it is, and its frames, streamed.

    `layout` is None for a file without a line. `session` names the recording by its name and content, wherever it
    lies. Rows without a time of arrival arrived when they happened, but not after `wall` (µs, now if left out): what
    is later is in the future.

    Raises:
        UsageError: If the file is missing, of no known format, or of no known exchange, or the options do not fit
            it.
        DamagedInput: If nothing of it can be read.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        format: Format | Literal["auto"] = "auto",
        exchange: str | None = None,
        market: MarketType | None = None,
        hints: RowHints | None = None,
        wall: int | None = None,
    ) -> None:
        self.path = Path(path)
        self._hints = hints or RowHints()
        self._wall = time.time_ns() // 1000 if wall is None else wall
        self._source: LineSource | ParquetSource = LineSource(self.path)
        self.layout: Layout | None
        if self._source.head.startswith(PARQUET):
            self._source = ParquetSource(self.path)
            places_of(self.path, self._source.names, self._hints)
            self.layout = table_layout(self.path, self._hints, exchange, market)
        else:
            self.layout = detect(self._source, format=format, exchange=exchange, market=market, hints=self._hints)
        self._check_told()
        self._source.read_bytes = 0
        size = self._source.total_bytes
        digest = hashlib.sha256(str(size).encode() + b"\n" + self._source.head[:_HASHED_BYTES]).hexdigest()
        self.session = f"replay:{self.path.name}:{digest[:12]}"

    @property
    def total_bytes(self) -> int:
        """Size of the file as it is stored."""
        return self._source.total_bytes

    @property
    def read_bytes(self) -> int:
        """How much of it has been read."""
        return self._source.read_bytes

    def connector(self) -> BaseConnector | None:
        """The connector that reads this recording's messages; None if it has none: an empty file, or one of rows."""
        if self.layout is None or self.layout.format in ROW_FORMATS:
            return None
        return CONNECTORS[self.layout.exchange](market=self.layout.market)

    def frames(self) -> Iterator[RecordedLine]:
        """Every line, or row, as a frame, from the beginning.

        Raises: DamagedInput: At the end of the readable part of a damaged file.
        """
        source, layout = self._source, self.layout
        if layout is None:
            return iter(())
        if isinstance(source, ParquetSource):
            return in_time(read_parquet(source, layout, self._hints, self._wall), self._wall)
        match layout.format:
            case "binance-bulk":
                return in_time(read_bulk(source, layout, self._wall), self._wall)
            case "tardis":
                return in_time(read_tardis(source, layout, self._wall), self._wall)
            case "table":
                return in_time(read_csv(source, layout, self._hints, self._wall), self._wall)
        return reader(layout.format, source, first_line(source))

    def _check_told(self) -> None:
        form = None if self.layout is None else self.layout.format
        hints = self._hints
        for option, said, forms in (
            ("--symbol", hints.symbol, ("table", "binance-bulk")),
            ("--time-unit", hints.time_unit, ("table",)),
            ("--make-ids", hints.make_ids, ("table",)),
            ("--side", hints.sides, ("table",)),
        ):
            if said and form is not None and form not in forms:
                raise UsageError(
                    f"{option} says nothing about {self.path}, whose format is `{form}`",
                    next_step=f"leave it out; it is for {' and '.join(forms)}",
                )
