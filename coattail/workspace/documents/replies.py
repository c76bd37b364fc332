"""What people say of alerts: mutes and acknowledgements."""

from __future__ import annotations

from datetime import datetime

import msgspec

from coattail.workspace.shown import Displayed
from coattail.workspace.text import clock, printable


class MuteDocument(Displayed, msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of which nothing is sent for a while. None means any."""

    symbol: str | None
    type: str | None
    exchange: str | None
    since: datetime
    until: datetime | None
    """None: until it is ended."""

    def words(self) -> str:
        """`volume_spike of BTC-USDT on binance, until 2025-03-04 14:00:00Z`."""
        return f"{muted_words(self.symbol, self.type, self.exchange)}, {_end(self.until)}"

    def said(self) -> list[str]:
        """What `words` says."""
        return [self.words()]


class MutesDocument(Displayed, msgspec.Struct, frozen=True, kw_only=True):
    """The mutes that hold. Iterating gives each; printing shows them."""

    mutes: list[MuteDocument]
    """The newest first."""

    def said(self) -> list[str]:
        """A line for each mute."""
        return [mute.words() for mute in self.mutes] or ["nothing is muted"]


class AcknowledgementDocument(Displayed, msgspec.Struct, frozen=True, kw_only=True):
    """An alert that somebody has seen."""

    alert_id: str
    at: datetime
    note: str | None

    def said(self) -> list[str]:
        """Which alert, and the note."""
        return [f"acknowledged {self.alert_id[:12]}{f': {printable(self.note)}' if self.note else ''}"]


def muted_words(symbol: str | None, kind: str | None, exchange: str | None) -> str:
    """Which alerts are meant."""
    if symbol is kind is exchange is None:
        return "everything"
    parts = [kind or "all alerts", f"of {symbol}" if symbol else "", f"on {exchange}" if exchange else ""]
    return " ".join(filter(None, parts))


def _end(until: datetime | None) -> str:
    return "until `coattail unmute`" if until is None else f"until {clock(until)}"
