"""Step 1 of 7, without a network: recorded messages of an exchange, in the order in which they arrived."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from coattail.recordings.base import Format, Frame, Layout, Market
from coattail.recordings.detect import detect, first_line, reader
from coattail.recordings.lines import LineSource

__all__ = ["Format", "Frame", "Layout", "Market", "Recording"]

_HASHED_BYTES = 64 << 10


class Recording:
    """One recording: what it is, and its frames, streamed.

    `layout` is None for a file without a line. `session` names the recording by its name and content, wherever it
    lies.

    Raises:
        UsageError: If the file is missing, of no known format, or of no known exchange.
        DamagedInput: If nothing of it can be read.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        format: Format | Literal["auto"] = "auto",
        exchange: str | None = None,
        market: Market | None = None,
    ) -> None:
        self.path = Path(path)
        self._source = LineSource(self.path)
        self.layout: Layout | None = detect(self._source, format=format, exchange=exchange, market=market)
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

    def frames(self) -> Iterator[Frame]:
        """Every line as a frame, from the beginning.

        Raises: DamagedInput: At the end of the readable part of a damaged file.
        """
        if self.layout is None:
            return iter(())
        return reader(self.layout.format, self._source, first_line(self._source))
