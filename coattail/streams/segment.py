"""A segment: packs one after the other, then an index of them in a zstd *skippable frame*, so `zstdcat` shows it."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec

_SKIPPABLE = 0x184D2A5C
_FOOTER = struct.Struct("<I4s")  # length of the index, magic
_MAGIC = b"CTS1"


class _Entry(msgspec.Struct, array_like=True):
    lane: int
    start: int
    size: int


def to_segment(packs: Sequence[tuple[int, bytes]]) -> bytes:
    """The segment of these (lane, pack)s."""
    entries, start = [], 0
    for lane, data in packs:
        entries.append(_Entry(lane, start, len(data)))
        start += len(data)
    index = msgspec.json.encode(entries)
    tail = index + _FOOTER.pack(len(index), _MAGIC)
    return b"".join([*(data for _, data in packs), struct.pack("<II", _SKIPPABLE, len(tail)), tail])


def packs_of(segment: bytes) -> list[tuple[int, bytes]]:
    """Its (lane, pack)s.

    Raises: ValueError: If it is not a whole segment.
    """
    try:
        size, magic = _FOOTER.unpack(segment[-_FOOTER.size :])
        if magic != _MAGIC:
            raise ValueError("no footer")
        entries = msgspec.json.decode(segment[-_FOOTER.size - size : -_FOOTER.size], type=list[_Entry])
    except (struct.error, msgspec.DecodeError) as error:
        raise ValueError(str(error)) from error
    return [(entry.lane, segment[entry.start : entry.start + entry.size]) for entry in entries]
