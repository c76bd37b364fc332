"""The `Stream` port: lanes of packs, read from a position that the reader keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Protocol, runtime_checkable

PATIENCE = timedelta(minutes=3)
"""How long a service that does not answer is asked again."""

Offsets = Mapping[str, str]
"""How far a reader has come: partition of the stream -> position, both opaque to everyone but the stream."""


@dataclass(frozen=True, slots=True)
class Pack:
    """One pack as read: where it stood, and its bytes."""

    lane: int
    offset: str
    """Position of the pack in the stream; (lane, offset, row in the pack) names a record forever."""
    data: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """What one read returned, and the offsets that acknowledge it."""

    packs: list[Pack]
    offsets: Offsets
    lost: list[str] = field(default_factory=list)
    """What had been trimmed before it was read, in words: a recorded gap, never silent."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits after a reader's position."""

    segments: int
    """Files, or records of the service, that hold it."""
    size_bytes: int
    """Bytes known to wait: 0 only where nothing does; a service that does not count them says less than there is."""
    behind: timedelta | None = None
    """How far the reader is behind the newest record, where the stream knows."""


class PackSink(Protocol):
    """What a producer needs of a stream."""

    def append(self, packs: Sequence[tuple[int, bytes]]) -> None:
        """Take (lane, pack)s, as `Stream.append`."""


@runtime_checkable
class Sharded(Protocol):
    """What a stream has more whose parts can be read by several readers side by side, each with some of them."""

    def shards(self, after: Offsets) -> list[str]:
        """The parts that may be read now, after these offsets; ask again when one has ended, for those after it."""

    def read_shards(self, shards: Sequence[str], after: Offsets, *, limit_bytes: int) -> tuple[Read, int]:
        """What `read` gives, of these parts only; and how many bytes more of them are known to wait.

        after: The offsets of these parts. Others may be among them: they are given back, as far as they still exist.
        """


class Stream(ABC):
    """Delivery: at least once, in order within a lane; reading from the same offsets gives the same packs."""

    max_pack_bytes: ClassVar[int | None] = None
    """The largest pack that `append` stores as it is; None: any."""

    @property
    @abstractmethod
    def stream_id(self) -> str:
        """Names this very stream: a stream that was deleted and recreated has another one."""

    @abstractmethod
    def append(self, packs: Sequence[tuple[int, bytes]]) -> None:
        """Store (lane, pack)s durably; all of them or, with an exception, possibly some of them."""

    @abstractmethod
    def read(self, after: Offsets, *, limit_bytes: int = 8 << 20) -> Read:
        """The packs after `after`, in order, at least one where there is one, about `limit_bytes` at most."""

    @abstractmethod
    def backlog(self, after: Offsets) -> Backlog:
        """What `read` would still return, all in all."""

    @abstractmethod
    def trim(self, landed: Offsets, *, keep: timedelta) -> int:
        """Remove packs that have landed and are older than `keep`; returns how many files or records went."""
