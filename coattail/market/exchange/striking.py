"""Fault scripts at work: when each step strikes, and what it does to an exchange and its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, assert_never

import msgspec

from coattail.market.exchange.faults import (
    AnswerWith,
    AnyFault,
    ChangedType,
    Close,
    Delist,
    Drip,
    Drop,
    Duplicate,
    Garbage,
    MutedConnections,
    OtherPages,
    Refuse,
    RefuseSubscriptions,
    Reorder,
    Reset,
    ShiftedPages,
    Shutdown,
    Silence,
    Skew,
    SlowHandshake,
    Stall,
    TruncatedFrame,
    TruncatedJson,
    check_fault,
)

if TYPE_CHECKING:
    from coattail.market.exchange.connection import ServedConnection
    from coattail.market.exchange.venue import Venue

_MESSAGE_FAULTS = (Drop, Duplicate, Reorder, TruncatedJson, ChangedType)


class Script:
    """The faults of one exchange."""

    def __init__(self, venue: Venue, faults: Sequence[AnyFault]) -> None:
        self._venue = venue
        for fault in faults:
            check_fault(fault)
        self.pending = [fault for fault in faults if fault.exchange in (None, venue.name)]
        self.struck: list[tuple[int, AnyFault]] = []
        """Position and step of all that have struck."""
        self.ranges: list[tuple[int, int, AnyFault]] = []
        """Stretches of the tape about which messages are changed."""
        self._later: set[asyncio.TimerHandle] = set()

    def add(self, fault: AnyFault) -> None:
        """One step more; one that is due strikes with the next trade."""
        check_fault(fault)
        self.pending.append(fault)

    def position_of(self, fault: AnyFault) -> int | None:
        """Where on the tape it strikes: before the trade at this position; None while that is not drawn yet."""
        if fault.at_trade is not None:
            return self._venue.opened_at + fault.at_trade
        at, tape = self._moment(fault), self._venue.tape
        return tape.position_at(at) if tape.complete or tape.drawn_until > at else None

    def _moment(self, fault: AnyFault) -> int:
        return self._venue.clock.opened + int((fault.at_second or 0.0) * 1e6)

    def next_before(self, position: int) -> int:
        """The first place at or before `position` where something is due; `position` where there is none."""
        due = [at for fault in self.pending if (at := self.position_of(fault)) is not None]
        return max(min([position, *due]), self._venue.released)

    def strike(self, *, going_on: bool) -> None:
        """Do what is due at the place that has been released; `going_on`: a further trade comes at once."""
        for fault in list(self.pending):
            at = self.position_of(fault)
            if at is None or at > self._venue.released:
                continue
            if fault.at_second is not None and not going_on and self._venue.clock.now() < self._moment(fault):
                continue
            self.pending.remove(fault)
            self.struck.append((self._venue.released, fault))
            self._do(fault)

    def _do(self, fault: AnyFault) -> None:
        venue = self._venue
        listening = [each for each in venue.connections if each.listening]
        match fault:
            case Drop() | Duplicate() | Reorder() | TruncatedJson() | ChangedType():
                self.ranges.append((venue.released, venue.released + fault.trades, fault))
            case Reset():
                for each in listening:
                    each.reset()
            case Silence():
                for each in listening:
                    each.fall_silent()
                    self._after(fault.seconds, each.reset)
            case Stall():
                for each in listening:
                    each.hold()
                    self._after(fault.seconds, each.let_go)
            case MutedConnections():
                for each in listening:
                    each.muted = True
            case Drip():
                for each in listening:
                    each.drip(fault.bytes_per_second)
                    self._after(fault.seconds, each.let_go)
            case TruncatedFrame():
                for each in listening:
                    each.write(b"\x81\x7e\x01\x00" + b'{"e":"trade","E":17')
                    each.close()
            case Garbage():
                for each in listening:
                    _senseless(each, fault.what)
            case Close():
                for each in listening:
                    each.end(fault.code, fault.reason)
            case Shutdown():
                for each in listening:
                    each.say_farewell()
                    self._after(fault.after, lambda each=each: each.end(1001))  # type: ignore[misc]
            case Refuse():
                venue.stop_listening()
                self._after(fault.seconds, venue.listen_again)
            case SlowHandshake():
                venue.handshake_delay = fault.delay
                self._after(fault.seconds, lambda: setattr(venue, "handshake_delay", 0.0))
            case AnswerWith():
                venue.override = fault
                self._after(fault.seconds, lambda: venue.end_override(fault))
            case Skew():
                venue.skew = int(fault.by * 1e6)
                self._after(fault.seconds, lambda: setattr(venue, "skew", 0))
            case RefuseSubscriptions():
                venue.refused |= set(fault.symbols)
                self._after(fault.seconds, lambda: venue.refused.difference_update(fault.symbols))
            case Delist():
                venue.delist(fault.symbol)
            case ShiftedPages():
                venue.shifts += [fault.by] * fault.requests
            case OtherPages():
                venue.others += [fault.symbol] * fault.requests
            case _:
                assert_never(fault)

    def _after(self, seconds: float, act: Callable[[], object]) -> None:
        def go() -> None:
            self._later.discard(handle)
            act()

        handle = asyncio.get_running_loop().call_later(seconds, go)
        self._later.add(handle)

    def stop(self) -> None:
        """Nothing more happens."""
        for handle in self._later:
            handle.cancel()
        self._later.clear()

    def edge(self, start: int, stop: int) -> int:
        """How far from `start`, at most `stop`, messages are told alike."""
        return min([stop, *(at for low, high, _ in self.ranges for at in (low, high) if start < at < stop)])

    def altered(self, messages: list[bytes], start: int, stop: int, held: list[bytes]) -> list[bytes]:
        """The messages about the trades at start <= p < stop (not across an edge) as they are really sent.

        `held` is the connection's: what waits for its turn.
        """
        for low, high, fault in self.ranges:
            if low <= start < high:
                messages = _changed(messages, fault, held, last=stop >= high)
        return messages


def _changed(messages: list[bytes], fault: AnyFault, held: list[bytes], *, last: bool) -> list[bytes]:
    assert isinstance(fault, _MESSAGE_FAULTS)
    mark = f'"{fault.symbol}"'.encode()
    concerned = [fault.symbol is None or mark in message for message in messages]
    pairs = list(zip(messages, concerned, strict=True))
    match fault:
        case Drop():
            return [message for message, hit in pairs if not hit]
        case Duplicate():
            return [message for message, hit in pairs for _ in range(1 + hit)]
        case TruncatedJson():
            return [message[: len(message) // 2] if hit else message for message, hit in pairs]
        case ChangedType():
            return [_with_type(message, fault) if hit else message for message, hit in pairs]
        case Reorder():
            held += [message for message, hit in pairs if hit]
            sent = [message for message, hit in pairs if not hit]
            if last:
                sent += reversed(held)
                held.clear()
            return sent
        case _:
            assert_never(fault)


def _with_type(message: bytes, fault: ChangedType) -> bytes:
    def change(value: Any) -> Any:
        if isinstance(value, list):
            return [change(each) for each in value]
        if not isinstance(value, dict):
            return value
        changed = {name: change(inner) for name, inner in value.items()}
        if fault.field in changed:
            given = changed.pop(fault.field)
            if fault.to != "missing":
                changed[fault.field] = _OTHER_TYPES[fault.to](given)
        return changed

    return msgspec.json.encode(change(msgspec.json.decode(message)))


def _number(given: Any) -> Any:
    try:
        return float(given)
    except (TypeError, ValueError):
        return 0


_OTHER_TYPES: dict[str, Callable[[Any], Any]] = {
    "number": _number,
    "text": str,
    "null": lambda given: None,
    "list": lambda given: [given],
    "object": lambda given: {"value": given},
}


def _senseless(connection: ServedConnection, what: str) -> None:
    if what == "text":
        connection.send([b"<html><body>502 Bad Gateway</body></html>"])
    elif what == "not_utf8":
        connection.write(b"\x81\x04\xff\xfe\xfd\xfc")
    else:
        connection.write(bytes(range(240, 256)) * 8)
