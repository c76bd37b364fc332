"""Format `frames`: one line = receive time, a space or `: `, the message exactly as received."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from coattail.recordings.base import RecordedLine, timed_frame


def read_frames(lines: Iterable[bytes]) -> Iterator[RecordedLine]:
    """A frame per line that is not blank; REST snapshots that the recorder wrote inline are messages too."""
    previous = 0
    for line in lines:
        if not line or line.isspace():
            continue
        frame = timed_frame(line, previous)
        previous = frame.received
        yield frame
