"""Exchanges whose messages hold lists of trades: each trade's own slice of the message is its payload."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from coattail.connectors.base import MAX_FRAME, BaseConnector
from coattail.connectors.batch import Batch
from coattail.errors import MalformedMessage
from coattail.records import Row, Shared, Source, Trade, trade_of

_CACHED_SYMBOLS = 10_000
_LONGEST_SYMBOL = 32


class Piece(NamedTuple):
    """One trade of a message."""

    symbol: str | None
    """Canonical."""
    row: Row
    payload: bytes
    """Its slice of the message, UTF-8."""


class ListConnector(BaseConnector):
    """A connector that says what the trades of a message are by `pieces` alone."""

    _symbols: ClassVar[dict[str, str]]
    # Canonical symbols already worked out; bounded, because a feed can invent symbols.

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._symbols = {}

    @classmethod
    def symbol_of(cls, native: str) -> str:
        """The canonical symbol of what the exchange calls `native`.

        Raises: UnsupportedMessage: As `listing` does.
        """
        symbol = cls._symbols.get(native)
        if symbol is None:
            symbol = cls.listing(native, cls.market).symbol
            if len(native) <= _LONGEST_SYMBOL and len(cls._symbols) < _CACHED_SYMBOLS:
                cls._symbols[native] = symbol
        return symbol

    @abstractmethod
    def pieces(self, message: bytes, received_at: int) -> list[Piece]:
        """The trades of one message, oldest first; [] where it holds none.

        If one trade of a message cannot be read, none of it is: the message as a whole becomes a `Malformed` record.

        Raises: MalformedMessage, UnsupportedMessage: As `normalize` does.
        """

    def normalize(
        self, message: bytes, received_at: int, *, source: Source = "replay", session: str = ""
    ) -> list[Trade]:
        """See `BaseConnector.normalize`."""
        return [
            trade_of(row, Shared(self.exchange, symbol, session, source), payload.decode())
            for symbol, row, payload in self.pieces(message, received_at)
        ]

    def batch(
        self, messages: Sequence[bytes], received_at: Sequence[int], *, source: Source = "replay", session: str = ""
    ) -> Batch:
        """See `BaseConnector.batch`. Trades are never made into objects."""
        batch = Batch(self.exchange, source, session)
        for message, at in zip(messages, received_at, strict=True):
            try:
                pieces = self.pieces(message, at)
            except MalformedMessage:
                self._add(batch, message, at)
                continue
            if pieces and len(message) > MAX_FRAME:
                self._add(batch, message, at)
                continue
            batch.other += not pieces
            for symbol, row, payload in pieces:
                part = batch.part(symbol)
                part.rows.append(row)
                part.payloads.append(payload)
        return batch
