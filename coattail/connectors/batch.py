"""What many frames of one session hold: rows ready to be packed, by instrument, and everything counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from coattail.records import Malformed, Row, Shared, Source, Trade, payload_of, row_of, trade_of


@dataclass(slots=True)
class InstrumentTrades:
    """The trades of one instrument, in the order in which they came."""

    rows: list[Row] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    """The payload of each row, UTF-8."""


@dataclass(slots=True)
class Batch:
    """What frames held; every frame held trades, or was malformed, other or unsupported."""

    exchange: str
    source: Source
    session: str
    parts: dict[str | None, InstrumentTrades] = field(default_factory=dict)
    """By canonical symbol; None for trades without a readable one."""
    malformed: list[Malformed] = field(default_factory=list)
    other: int = 0
    """Frames without a trade."""
    unsupported: Counter[str] = field(default_factory=Counter)
    """Sound frames of a kind that this version does not read, by kind."""

    def part(self, symbol: str | None) -> InstrumentTrades:
        """The instrument's part, made where there is none yet."""
        found = self.parts.get(symbol)
        if found is None:
            found = self.parts[symbol] = InstrumentTrades()
        return found

    def add(self, records: list[Trade] | list[Malformed]) -> None:
        """Take in what one frame held."""
        self.other += not records
        for record in records:
            if isinstance(record, Malformed):
                self.malformed.append(record)
            else:
                part = self.part(record.symbol)
                part.rows.append(row_of(record))
                part.payloads.append(payload_of(record))

    def shared(self, symbol: str | None) -> Shared:
        """What the trades of an instrument have in common."""
        return Shared(self.exchange, symbol, self.session, self.source)

    def trades(self) -> Iterator[Trade]:
        """The same as objects, for people and tests: instrument by instrument."""
        for symbol, part in self.parts.items():
            for row, payload in zip(part.rows, part.payloads, strict=True):
                yield trade_of(row, self.shared(symbol), payload.decode())
