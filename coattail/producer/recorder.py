"""Step 2 of 7: raw frames kept beside the stream, as `replay` reads them back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

import zstandard

if TYPE_CHECKING:
    from coattail.producer.recorder_bucket import BucketRecorder
    from coattail.service_url import BucketUrl

HOURS = 1
"""A file holds at most this many hours of a feed."""


def recording_place(text: str) -> Path | BucketUrl:
    """Where `--record` says that frames are to be kept: in a folder, or at s3://BUCKET/FOLDER?region=…&endpoint=…

    Raises: ConfigError: If the address makes no sense, or what it needs is not installed.
    """
    if not text.startswith("s3:"):
        return Path(text)
    from coattail.service_url import bucket_url

    return bucket_url("--record", text)


def recorder_of(place: Path | BucketUrl, exchange: str) -> Recorder | BucketRecorder:
    """What keeps the frames of an exchange there; nothing is made before there are some."""
    if isinstance(place, Path):
        return Recorder(place, exchange)
    from coattail.producer.recorder_bucket import BucketRecorder

    return BucketRecorder(place, exchange)


class Recorder:
    """The frames of one exchange, in files `<exchange>-<time>.frames.zst`: receive time in ns, a space, the message.

    Delivery: what `write` was given is in the file when it returns, as a zstd frame of its own; a kill or a full disk
    costs the frame that was being written at most. A newline inside a message becomes a space.
    """

    def __init__(self, folder: Path, exchange: str) -> None:
        self._folder, self._exchange = folder, exchange
        self._compressed = FrameLines()
        self._file: FileIO | None = None
        self._until = 0.0

    def write(self, messages: Sequence[bytes], received: Sequence[int]) -> None:
        """Keep messages, each with its receive time (µs since 1970 UTC).

        Raises: OSError: If they cannot be written.
        """
        if not messages:
            return
        if self._file is None or time.monotonic() > self._until:
            self.end_file()
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(self._folder / new_file(self._exchange), "xb")
            self._until = time.monotonic() + HOURS * 3600
        begins = self._file.tell()
        try:
            left = memoryview(self._compressed(messages, received))
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            self._file.truncate(begins)  # so that what was written before can be read
            raise

    def end_file(self) -> None:
        """Have what is written later begin another file: a file is a session when it is replayed."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def close(self) -> None:
        """Nothing more is written."""
        self.end_file()


class FrameLines:
    """Messages, each in a line after its receive time (µs, written in ns): together a zstd frame."""

    def __init__(self) -> None:
        self._compress = zstandard.ZstdCompressor(level=3).compress

    def __call__(self, messages: Sequence[bytes], received: Sequence[int]) -> bytes:
        lines = (
            b"%d000 %s\n" % (at, message.replace(b"\n", b" ")) for message, at in zip(messages, received, strict=True)
        )
        return self._compress(b"".join(lines))


def new_file(exchange: str) -> str:
    """The name of a file that begins now; names of one exchange sort by time."""
    return f"{exchange}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z.frames.zst"
