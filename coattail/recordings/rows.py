"""Rows that are trades already: what all formats of rows share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from coattail.connectors.base import MAX_FRAME, MAX_INT64, malformed
from coattail.connectors.batch import Batch
from coattail.recordings.base import RecordedLine
from coattail.recordings.lines import LineSource
from coattail.records import Source

_MOST_WAITING = 1000
_MICROSECONDS_FROM = 10**14
"""Times below are ms, times from here on µs, as in the messages of Binance."""


class BadRow(Exception):
    """A row that cannot be read; the text says which field, and what stood there."""


def batch_of(frames: Iterable[RecordedLine], exchange: str, *, source: Source = "replay", session: str = "") -> Batch:
    """What frames of rows hold; none of them is a message."""
    batch = Batch(exchange, source, session)
    for frame in frames:
        if frame.row is not None:
            part = batch.part(frame.symbol)
            part.rows.append(frame.row)
            part.payloads.append(frame.data)
        elif frame.kind == "unsupported":
            batch.unsupported[frame.error] += 1
        elif frame.kind == "garbage":
            bad = malformed(exchange, frame.error, frame.data, frame.received, source=source, session=session)
            batch.malformed.append(bad)
        else:
            batch.other += 1
    return batch


def in_time(frames: Iterable[RecordedLine], wall: int) -> Iterator[RecordedLine]:
    """The same frames; one without a time of its own before `wall` gets that of the frame before, or the first one's.

    A replay at a pace goes by these times: a header must not wait for now. The row itself keeps what it says.
    """
    previous: int | None = None
    waiting: list[RecordedLine] = []
    for frame in frames:
        if frame.received < wall:
            previous = frame.received
        elif previous is not None:
            frame.received = previous
        elif len(waiting) < _MOST_WAITING:
            waiting.append(frame)
            continue
        if waiting:
            for early in waiting:
                early.received = frame.received
            yield from waiting
            waiting = []
        yield frame
    yield from waiting


def numbered(source: LineSource) -> Iterator[tuple[int, bytes]]:
    """(number in its file, line) of every line that is not blank; a member of a zip is a file of its own."""
    member, number = source.member, 0
    for line in source:
        if source.member is not member:
            member, number = source.member, 0
        number += 1
        if line and not line.isspace():
            yield number, line


def garbage(source: LineSource, number: int, line: bytes, error: object, wall: int) -> RecordedLine:
    """The frame of a line that could not be read, with the place where it stands."""
    place = f"line {number}" + (f" of {source.member}" if source.member else "")
    return RecordedLine(wall, line, "garbage", f"{place}: {error}")


def text_of(line: bytes) -> str:
    """The line as text.

    Raises: BadRow: If it is of an impossible length, or not UTF-8.
    """
    if len(line) > MAX_FRAME:
        raise BadRow("a row of an impossible length")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise BadRow(f"not UTF-8: {error.reason} at byte {error.start}") from error


def whole(text: str, what: str) -> int:
    """A whole number that is not negative and fits 64 bits.

    Raises: BadRow: If it is not one.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > MAX_INT64:
        raise BadRow(f"{what} is {text[:60]!r}, not a whole number of 64 bits")
    return int(text)


def trade_id(text: str, what: str) -> int | None:
    """As `whole`; None for nothing and for a negative number, which Binance writes for "no trade"."""
    if not text or (text[0] == "-" and text[1:].isascii() and text[1:].isdigit()):
        return None
    return whole(text, what)


def binance_micros(text: str) -> int | None:
    """µs since 1970 of a time in ms or µs, known by its size; None for nothing.

    Raises: BadRow: If it is not a time.
    """
    if not text:
        return None
    time = whole(text, "time")
    return time * 1000 if time < _MICROSECONDS_FROM else time
