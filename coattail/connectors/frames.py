"""One connection's bytes into messages: plain text frames are cut out here, everything else is the library's.

An exchange's trades come as text frames that are whole, unmasked and uncompressed. Parsing those in `websockets`, some
generators and objects a frame, takes longer than all that happens to the trades afterwards. The library gets every
other frame in one piece, so it always stands between two; the handshake; and all bytes where compression was agreed
on, or from the first that is not as it should be: it then says what is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

_WHOLE_TEXT = 0x81
_RESERVED, _MASKED = 0x70, 0x80
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_USUAL_HEAD = struct.Struct("!BBH")
_END_OF_HEAD = b"\r\n\r\n"


class FeedConnection(ClientConnection):
    """A connection that hands over messages where they are parsed: a queue between costs as much as parsing."""

    take: Callable[[list[bytes]], None] | None = None
    """Gets the text messages that came together, as far as each is one frame; the others, and all while this is None,
    are for `recv`."""

    _head: bytes | None = b""
    """The last bytes of the answer to the handshake, while it has not ended."""
    _rest = b""
    """What has come of a frame."""
    _by_library = False

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._head is not None:
            data = self._after_head(data)
        if not self._by_library:
            data = self._after_frames(self._rest + data)
        if data:
            super().data_received(data)

    def process_event(self, event: Event) -> None:
        """Handle what the library has parsed."""
        if self.take is not None and type(event) is Frame and event.opcode is Opcode.TEXT and event.fin:
            self.take([bytes(event.data)])
        else:
            super().process_event(event)

    def _after_head(self, data: bytes) -> bytes:
        """Give the library the answer to the handshake; returns what follows it."""
        assert self._head is not None
        known = self._head + data
        end = known.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        if end < len(_END_OF_HEAD):
            self._head = known[1 - len(_END_OF_HEAD) :]
            super().data_received(data)
            return b""
        end -= len(self._head)
        self._head = None
        super().data_received(data[:end])
        self._by_library = self.protocol.state is not State.OPEN or bool(self.protocol.extensions)
        return data[end:]

    def _after_frames(self, data: bytes) -> bytes:
        """Take whole frames; returns what is the library's from now on, nothing as long as all is well."""
        at, size, messages = 0, len(data), list[bytes]()
        plain = self._takes_plain
        while at < size:
            if plain and size - at >= _USUAL_HEAD.size:
                first, length, longer = _USUAL_HEAD.unpack_from(data, at)
                if first == _WHOLE_TEXT and length <= _TWO_BYTES:  # nearly always
                    start, length = (at + 4, longer) if length == _TWO_BYTES else (at + 2, length)
                    if start + length > size:
                        break
                    at = start + length
                    messages.append(data[start:at])
                    continue
            start, stop = extent(data, at)
            if not start or self._is_wrong(data, at, stop - start) or stop > size:
                break
            self._hand_over(messages)
            messages = []
            super().data_received(data[at:stop])
            plain, at = self._takes_plain, stop
        self._hand_over(messages)
        self._rest = b"" if self._by_library else data[at:]
        return data[at:] if self._by_library else b""

    @property
    def _takes_plain(self) -> bool:
        """Whether a text frame may be cut out: somebody takes it, and it does not stand amid a message of several."""
        return self.take is not None and self.protocol.current_size is None

    def _hand_over(self, messages: list[bytes]) -> None:
        if messages:
            assert self.take is not None
            self.take(messages)

    def _is_wrong(self, data: bytes, at: int, length: int) -> bool:
        longest = self.protocol.max_message_size
        wrong = data[at] & _RESERVED or data[at + 1] & _MASKED or (longest is not None and length > longest)
        self._by_library = bool(wrong)
        return self._by_library


def extent(data: bytes, at: int) -> tuple[int, int]:
    """Where the payload of the unmasked frame that begins there starts and stops; (0, 0) if that is not known yet.

    Source: RFC 6455, section 5.2.
    """
    known = len(data) - at
    if known < 2:
        return 0, 0
    length, start = data[at + 1] & ~_MASKED, at + 2
    if length >= _TWO_BYTES:
        start += 2 if length == _TWO_BYTES else 8
        if start > len(data):
            return 0, 0
        length = int.from_bytes(data[at + 2 : start], "big")
    return start, start + length
