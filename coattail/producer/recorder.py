"""Step 2 of 7: raw frames kept beside the stream, as `replay` reads them back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

import zstandard

HOURS = 1
"""A file holds at most this many hours of a feed."""


class Recorder:
    """The frames of one exchange, in files `<exchange>-<time>.frames.zst`: receive time in ns, a space, the message.

    Delivery: what `write` was given is in the file when it returns, as a zstd frame of its own; a kill or a full disk
    costs the frame that was being written at most. A newline inside a message becomes a space.
    """

    def __init__(self, folder: Path, exchange: str) -> None:
        self._folder, self._exchange = folder, exchange
        self._compress = zstandard.ZstdCompressor(level=3).compress
        self._file: FileIO | None = None
        self._until = 0.0

    def write(self, messages: Sequence[bytes], received: Sequence[int]) -> None:
        """Keep messages, each with its receive time (µs since 1970 UTC).

        Raises: OSError: If they cannot be written.
        """
        if not messages:
            return
        lines = b"".join(
            b"%d000 %s\n" % (at, message.replace(b"\n", b" ")) for message, at in zip(messages, received, strict=True)
        )
        if self._file is None or time.monotonic() > self._until:
            self.close()
            self._folder.mkdir(parents=True, exist_ok=True)
            name = f"{self._exchange}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z.frames.zst"
            self._file = FileIO(self._folder / name, "xb")
            self._until = time.monotonic() + HOURS * 3600
        begins = self._file.tell()
        try:
            left = memoryview(self._compress(lines))
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(begins)  # so that what was written before can be read
            raise

    def close(self) -> None:
        """Nothing more is written to the open file; what is written later begins another one."""
        if self._file is not None:
            self._file.close()
            self._file = None
