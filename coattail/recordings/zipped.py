"""The bytes in a zip archive, member after member, streamed from its front: a cut archive is read up to the cut.

Nothing is written to disk, so a member's name, whatever folders it claims, is never a path; it is only a name.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

from coattail.errors import UsageError

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
"""How an archive begins; the second one is empty."""

_LOCAL, _DESCRIPTOR = MAGIC[0], b"PK\x07\x08"
_BEHIND_MEMBERS = (b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x08")
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _SIZES_FOLLOW = 1, 8
_BLOCK = 1 << 20
_UNKNOWN = 0xFFFFFFFF


class ZipDamage(Exception):
    """The archive is cut or broken here; what came before it has been handed over."""


def members(chunks: Iterator[bytes], enter: Callable[[str], None], path: object) -> Iterator[bytes]:
    """The content of every member that is a file, each ending with a newline; `enter` gets a name before its bytes.

    Left out: folders, hidden files and the `__MACOSX` folder.

    Raises:
        ZipDamage: At the end of the readable part of a damaged archive.
        UsageError: If a member is encrypted, or packed in a way that is not read.
    """
    ahead = _Ahead(chunks)
    while (magic := ahead.take(4)) == _LOCAL:
        flags, method, _, crc, size, _, length, extra = struct.unpack("<2xHHIIIIHH", ahead.take(26))
        name = ahead.take(length).decode("utf-8", "replace")
        size = _long_size(ahead.take(extra)) if size == _UNKNOWN else size
        if flags & _ENCRYPTED or method not in (_STORED, _DEFLATED) or (method == _STORED and flags & _SIZES_FOLLOW):
            raise UsageError(
                f"{path} holds {name!r}, which is encrypted or packed in a way that is not read here",
                next_step="unpack it first (unzip)",
            )
        wanted = _is_wanted(name)
        if wanted:
            enter(name)
        found, last = 0, b"\n"
        for block in ahead.inflated() if method == _DEFLATED else ahead.stored(size):
            found = zlib.crc32(block, found)
            if wanted:
                last = block[-1:]
                yield block
        if last != b"\n":
            yield b"\n"
        if flags & _SIZES_FOLLOW:
            crc = _descriptor(ahead)
        if crc != found:
            raise ZipDamage(f"the checksum of {name!r} is wrong")
    if magic not in _BEHIND_MEMBERS:
        raise ZipDamage("what follows a member is not part of a zip archive")
    ahead.rest()


def _is_wanted(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return bool(parts[-1]) and not parts[-1].startswith(".") and "__MACOSX" not in parts


def _long_size(extra: bytes) -> int:
    """The stored size of a member beyond 4 GB."""
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        if kind == 1 and length >= 16:
            return int(struct.unpack("<Q", extra[12:20])[0])
        extra = extra[4 + length :]
    return _UNKNOWN


def _descriptor(ahead: _Ahead) -> int:
    """The checksum after a member; its sizes, of 4 or 8 bytes each, are skipped."""
    if ahead.peek(4) == _DESCRIPTOR:
        ahead.take(4)
    (crc,) = struct.unpack("<I", ahead.take(4))
    ahead.take(8 if ahead.peek(10)[8:] == b"PK" else 16)
    return int(crc)


class _Ahead:
    """Chunks as a stream that can be looked into."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._waiting = b""

    def peek(self, count: int) -> bytes:
        """The next bytes; fewer where the archive ends."""
        while len(self._waiting) < count and (chunk := next(self._chunks, b"")):
            self._waiting += chunk
        return self._waiting[:count]

    def take(self, count: int) -> bytes:
        """The next bytes, all of them."""
        found = self.peek(count)
        if len(found) < count:
            raise ZipDamage("it ends before its zip data do")
        self._waiting = self._waiting[count:]
        return found

    def stored(self, size: int) -> Iterator[bytes]:
        """Bytes that are not packed."""
        while size:
            block = self.take(min(size, len(self.peek(1)) and len(self._waiting)) or 1)
            size -= len(block)
            yield block

    def inflated(self) -> Iterator[bytes]:
        """A deflated member, a block of bounded size at a time."""
        member = zlib.decompressobj(-15)
        while not member.eof:
            if not self.peek(1):
                raise ZipDamage("it ends before its zip data do")
            try:
                block = member.decompress(self._waiting, _BLOCK)
            except zlib.error as error:
                raise ZipDamage(str(error)) from error
            self._waiting = member.unused_data if member.eof else member.unconsumed_tail
            if block:
                yield block

    def rest(self) -> None:
        """Skip to the end."""
        for _ in self._chunks:
            pass
