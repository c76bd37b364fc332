"""What an exchange's WebSocket wants to hear and what it says besides trades. Pure descriptions, no socket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Literal, NamedTuple


class Again(NamedTuple):
    """Something that is said over and over."""

    text: str
    every: timedelta


class Subscription(NamedTuple):
    """One connection to be held."""

    url: str
    """Where it leads, with its path."""
    symbols: tuple[str, ...]
    """Canonical symbols heard on it."""
    opening: tuple[str, ...] = ()
    """What is said once connected, in this order."""
    again: Again | None = None
    """What is said from then on, where the exchange closes a connection on which it hears nothing. None: nothing is;
    pings of the protocol are sent and answered anyway."""
    singly: tuple[str, ...] = ()
    """The same, a message for each symbol, for an exchange that refuses all where it does not want one; else empty."""


class Notice(NamedTuple):
    """What a message without a trade says that a listener must know."""

    kind: Literal["heartbeat", "refused", "closing"]
    """`heartbeat`: the feed is alive. `refused`: something asked for will not come. `closing`: connect anew now."""
    words: str = ""
    """The exchange's own, for `refused` and `closing`."""
    newest: Mapping[str, int] = {}
    """Canonical symbol -> id of its newest trade, where a heartbeat says it."""


def groups(symbols: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """The symbols in runs of at most `size`, in their order."""
    for start in range(0, len(symbols), size):
        yield tuple(symbols[start : start + size])
