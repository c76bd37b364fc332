"""A file as lines, whatever packed it: plain, gzip, zstd or zip, as its first bytes show, never whole in memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from coattail.errors import DamagedInput, UsageError
from coattail.recordings import zipped

MAX_LINE = 16 << 20
"""Longest line that is kept whole (bytes): the largest real one, an exchangeInfo body, has 1.8 MB."""

_CHUNK = 64 << 10
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_OTHER_PACKERS = {
    b"BZh": ("bzip2", "bunzip2"),
    b"\xfd7zXZ": ("xz", "unxz"),
}


class LineSource:
    """The lines of one file, without their line ends.

    `read_bytes` of `total_bytes` (as stored) says how far the reading has come. A damaged file first hands over
    every complete line before the damage; then the iteration ends with `DamagedInput`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.read_bytes = 0
        self.member = ""
        """Name of the member of a zip that the lines are of now; empty for any other file."""
        try:
            self.total_bytes = path.stat().st_size
            with path.open("rb") as file:
                self.head = file.read(_CHUNK)
        except FileNotFoundError as error:
            raise UsageError(f"there is no file {path}", next_step="check the path") from error
        except IsADirectoryError as error:
            raise UsageError(f"{path} is a folder", next_step="name the recordings inside it, one by one") from error
        except OSError as error:
            raise UsageError(f"{path} cannot be read ({error})", next_step="check its permissions") from error
        for magic, (packer, remedy) in _OTHER_PACKERS.items():
            if self.head.startswith(magic):
                raise UsageError(
                    f"{path} is a {packer} file, and recordings are read plain, as .gz, .zst or .zip",
                    next_step=f"unpack it first ({remedy})",
                )

    def __iter__(self) -> Iterator[bytes]:
        self.read_bytes = 0
        self.member = ""
        tail = b""
        skipping = False
        try:
            for chunk in self._blocks():
                lines = (tail + chunk).split(b"\n")
                tail = lines.pop()
                if skipping and lines:
                    skipping = False
                    del lines[0]  # the rest of a line whose beginning has been handed over
                for line in lines:
                    yield line[:-1] if line.endswith(b"\r") else line
                if len(tail) > MAX_LINE:
                    if not skipping:
                        yield tail
                    skipping, tail = True, b""
        except DamagedInput as error:
            if tail.strip() and not skipping:
                error.message += f"; its last line was cut after {len(tail):,} bytes and is left out"
            raise
        if tail and not skipping:
            yield tail

    def _blocks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            if self.head.startswith(_GZIP):
                yield from self._gzip(self._chunks(file))
            elif self.head.startswith(_ZSTD) or _is_skippable(self.head):
                yield from self._zstd(self._chunks(file))
            elif self.head.startswith(zipped.MAGIC):
                yield from self._zip(self._chunks(file))
            else:
                yield from self._chunks(file)

    def _chunks(self, file: BinaryIO) -> Iterator[bytes]:
        while chunk := file.read(_CHUNK):
            self.read_bytes += len(chunk)
            yield chunk

    def _gzip(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        member = zlib.decompressobj(31)
        for chunk in chunks:
            while chunk:
                if member.eof:
                    chunk = chunk.lstrip(b"\0")  # padding between members is allowed
                    if not chunk:
                        break
                    member = zlib.decompressobj(31)
                before = member.copy()
                try:
                    block = member.decompress(chunk)
                except zlib.error as error:
                    yield from _until_damage(before, chunk)
                    raise self._damaged(str(error)) from error
                chunk = member.unused_data
                if block:
                    yield block
        if not member.eof:
            raise self._damaged("it ends before its gzip data do")

    def _zstd(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        frame = None
        for chunk in chunks:
            while chunk:
                if frame is None:
                    frame = zstandard.ZstdDecompressor().decompressobj()
                try:
                    block = frame.decompress(chunk)
                except zstandard.ZstdError as error:
                    raise self._damaged(str(error)) from error
                chunk = b""
                if frame.eof:
                    chunk, frame = frame.unused_data, None
                if block:
                    yield block
        if frame is not None:
            raise self._damaged("it ends before its zstd data do")

    def _zip(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from zipped.members(chunks, self._enter, self.path)
        except zipped.ZipDamage as error:
            raise self._damaged(str(error)) from error

    def _enter(self, name: str) -> None:
        self.member = name

    def _damaged(self, why: str) -> DamagedInput:
        return DamagedInput(
            f"{self.path} is damaged ({why})",
            next_step="what could be read has been handed over; fetch the file again and replay it, "
            "trades that are already there do not count twice",
        )


def _until_damage(member: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    """What the chunk held before the damage, found byte by byte."""
    for place in range(len(chunk)):
        try:
            block = member.decompress(chunk[place : place + 1])
        except zlib.error:
            return
        if block:
            yield block


def _is_skippable(head: bytes) -> bool:
    return len(head) >= 4 and 0x50 <= head[0] <= 0x5F and head[1:4] == b"\x2a\x4d\x18"
