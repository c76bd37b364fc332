"""Format `cryptofeed`: both generations of what cryptofeed's raw data collection writes.

Lines (format 1): `URL -> time: body` is an HTTP answer, `URL <-> time` a connection, `URL <- time: body` what the
client sent, `configuration: {...}` the settings, `time: message` a message. JSONL (format 2): one object per
line with `t` = header, http, connect, send or recv, `ts` in seconds and `data`, the raw text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from coattail.recordings.base import RecordedLine, receive_micros, timed_frame

NOTE = re.compile(rb"(configuration: |(?:wss?|https?)://\S+ (?:<->|<-|->) )")
"""How a line begins that the recorder wrote by itself."""

NOTE_URL = re.compile(rb"(?:wss?|https?)://([^/:?\s]+)\S* (?:<->|<-|->) ")
"""Such a line about a URL; its group is the host."""


def read_line_capture(lines: Iterable[bytes]) -> Iterator[RecordedLine]:
    """The frames of a capture of format 1."""
    previous = 0
    for line in lines:
        if not line or line.isspace():
            continue
        if NOTE.match(line):
            yield RecordedLine(previous, line, "aside")
            continue
        frame = timed_frame(line, previous)
        previous = frame.received
        yield frame


class _Entry(msgspec.Struct, gc=False):
    t: str
    ts: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data: str | None = None


_decode = msgspec.json.Decoder(_Entry).decode


def read_json_capture(lines: Iterable[bytes]) -> Iterator[RecordedLine]:
    """The frames of a capture of format 2."""
    previous = 0
    for line in lines:
        if not line or line.isspace():
            continue
        try:
            entry = _decode(line)
            data = None if entry.data is None else entry.data.encode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            yield RecordedLine(previous, line, "garbage", f"the line is not a capture entry: {error}")
            continue
        if entry.t != "recv":
            yield RecordedLine(previous, line, "aside")
            continue
        received = None if isinstance(entry.ts, msgspec.UnsetType) else receive_micros(bytes(entry.ts).strip(b' "'))
        if received is None or data is None:
            yield RecordedLine(previous, line, "garbage", "a recv entry without ts or data")
            continue
        previous = received
        yield RecordedLine(received, data)
