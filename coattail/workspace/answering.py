"""The part of a `Workspace` by which people answer alerts: mute and acknowledge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from coattail.home import Home
from coattail.workspace import arguments as given
from coattail.workspace.opening import Stores
from coattail.workspace.times import Moment, maybe_when

if TYPE_CHECKING:
    from coattail.workspace.documents.replies import AcknowledgementDocument, MuteDocument, MutesDocument


class Answering:
    """What a workspace can say about alerts."""

    home: Home

    if TYPE_CHECKING:

        @cached_property
        def stores(self) -> Stores: ...

    def mute(
        self,
        symbol: str | None = None,
        *,
        type: str | None = None,
        exchange: str | None = None,
        duration: timedelta | None = None,
        until: Moment | None = None,
    ) -> MuteDocument:
        """Have nothing sent of some alerts; they are still stored and listed, marked as muted.

        symbol, type, exchange: None means any. duration, until: When it ends; None of both means with `unmute`.
        """
        from coattail.workspace.replies import mute

        now = datetime.now(UTC)
        end = maybe_when(until, "until", now=now) if duration is None else now + duration
        return mute(
            self.home, given.maybe_text(symbol, "symbol"), type=given.maybe_text(type, "type"),
            exchange=given.maybe_text(exchange, "exchange"), until=end, now=now,
        )  # fmt: skip

    def unmute(
        self, symbol: str | None = None, *, type: str | None = None, exchange: str | None = None
    ) -> MutesDocument:
        """End the mute of exactly these alerts; returns those that still hold. None means any."""
        from coattail.workspace.replies import unmute

        return unmute(
            self.home, given.maybe_text(symbol, "symbol"), type=given.maybe_text(type, "type"),
            exchange=given.maybe_text(exchange, "exchange"),
        )  # fmt: skip

    def mutes(self) -> MutesDocument:
        """What is muted now, and until when."""
        from coattail.workspace.replies import mutes

        return mutes(self.stores)

    def acknowledge(self, identity: str, *, note: str | None = None) -> AcknowledgementDocument:
        """Note that the alert whose id begins with `identity` was seen: nothing more is sent of it, lists show it."""
        from coattail.workspace.replies import acknowledge

        return acknowledge(self.stores, given.text(identity, "identity"), note=given.maybe_text(note, "note"))
