"""Step 2 of 7: what a live producer writes down each second: how it is doing, and from which ids a next run goes on."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec


class LineState(msgspec.Struct, frozen=True, kw_only=True):
    """One connection."""

    symbols: tuple[str, ...]
    state: str
    """`waiting`, `connecting`, `listening`, or `refused`."""
    since: datetime
    reconnects: int
    """How often it was made anew after it broke."""
    renewals: int
    """How often it was replaced before it could break."""
    problem: str
    """What broke it last, or keeps it from being made; empty while nothing has."""
    refused: str
    """What the exchange refused, in its words; empty while nothing has been."""


class InstrumentState(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument."""

    symbol: str
    trades: int
    """Trades heard live."""
    last_id: int | None
    price: str | None
    """Of the newest trade, as the exchange wrote it."""
    traded: datetime | None
    """When the newest trade happened, by the exchange's clock."""
    received: datetime | None
    """When it arrived, by ours."""
    missing: int
    """Trade ids that are missing now."""
    gaps: int
    """How often ids were missing."""
    refilled: int
    """Missing ids that came from the exchange's REST service."""
    lacking: int
    """Missing ids that the exchange does not have."""
    floor: int | None
    """The id up to which nothing is missing, as far as the stream has it."""


class ExchangeState(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange."""

    exchange: str
    session: str
    lines: tuple[LineState, ...]
    instruments: tuple[InstrumentState, ...]
    messages: int
    malformed: int
    waiting_bytes: int
    """Heard and not yet packed."""
    waits: int
    """How often a connection was not read because too much waited."""
    problem: str
    """Why recording or refilling does not go on; empty while it does."""


class ProducerState(msgspec.Struct, frozen=True, kw_only=True):
    """A live producer at one moment."""

    pid: int
    started: datetime
    at: datetime
    """When this was written."""
    stopped: bool
    """Whether it ended in order."""
    sent: int
    """Records that are in the stream."""
    sent_bytes: int
    """Bytes of the packs that hold them."""
    failed: int
    """Attempts to append that failed, and were made again."""
    exchanges: tuple[ExchangeState, ...]


class Journal:
    """The file `live.json` of a home.

    Delivery: the newest state or, after a power cut, an older one or none: then more is fetched again, and counts once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, state: ProducerState) -> None:
        """Replace what is written there."""
        temporary = self._path.with_suffix(f".{uuid.uuid4().hex}.tmp")
        try:
            temporary.write_bytes(msgspec.json.encode(state))
            os.replace(temporary, self._path)
        finally:
            temporary.unlink(missing_ok=True)

    def read(self) -> ProducerState | None:
        """What was written last; None where nothing was, or nothing that this version reads."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=ProducerState)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def resumed(self, within: timedelta) -> dict[str, tuple[str, dict[str, int]]]:
        """Exchange -> (session, symbol -> floor) of a run that ended at most this long ago.

        Ids that are missed between the two runs are then a gap, and are fetched; after a longer pause nobody watched.
        """
        before = self.read()
        if before is None or datetime.now(UTC) - before.at > within:
            return {}
        return {
            e.exchange: (e.session, {i.symbol: i.floor for i in e.instruments if i.floor is not None})
            for e in before.exchanges
        }
