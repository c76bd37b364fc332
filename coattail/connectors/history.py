"""What an exchange answers about its past: how to ask for trades, what that costs, how an answer is read. Pure.

An exchange offers its trades in one or several *ways*. In each, a trade has a *key* by which pages are asked for: its
own id, or, where only aggregates of trades are offered, the id of the aggregate. A search that takes several questions
is a generator: it yields an `Ask`, is sent the body of the answer, and returns what it found.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Self, TypeVar

import msgspec

from coattail.errors import CoattailError
from coattail.records import Row

T = TypeVar("T")


class Ask(NamedTuple):
    """One request."""

    path: str
    """Path and query."""
    weight: int
    """What it takes of the exchange's limit."""


Search = Generator[Ask, bytes, T]
"""Yields requests, is sent the bodies of their answers, returns what it looked for."""


class Limits(NamedTuple):
    """How much may be asked from one address."""

    weight: int
    """Sum of the weights in any `seconds`."""
    seconds: float
    used_header: str | None = None
    """Header in which the exchange says how much of the limit is used, by all that ask from this address."""


@dataclass(slots=True)
class TradePage:
    """The trades of one answer, by rising key, and no key twice."""

    keys: list[int] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    """Each trade's own JSON, as it stands in the answer."""

    @classmethod
    def of(cls, trades: Sequence[tuple[int, Row, bytes]]) -> TradePage:
        """A page of (key, row, payload)s in any order.

        Raises: WrongAnswer: If a key comes twice with different trades.
        """
        page = cls()
        for key, row, payload in sorted(trades, key=lambda trade: trade[0]):
            if page.keys and key == page.keys[-1]:
                if payload != page.payloads[-1]:
                    raise WrongAnswer(f"two different trades have the id {key}")
                continue
            page.keys.append(key)
            page.rows.append(row)
            page.payloads.append(payload)
        return page


class AskFailed(CoattailError):
    """An exchange was asked and gave no usable answer."""


class WrongAnswer(AskFailed):
    """What came is not what was asked for: HTML, other JSON, trades of another time."""


class NoSuchWay(AskFailed):
    """This host does not offer trades in this way; another way may do."""


class UnknownSymbol(AskFailed):
    """The exchange does not list the instrument, or no longer."""


class Blocked(AskFailed):
    """The exchange refuses to serve this address (451), or for a long while (418)."""

    wait_seconds: float | None = None
    """How long; None: nobody knows."""

    @classmethod
    def a_while(cls, message: str, seconds: float, *, next_step: str = "") -> Self:
        """It refuses for so long."""
        made = cls(message, next_step=next_step)
        made.wait_seconds = seconds
        return made


class Unreachable(AskFailed):
    """No answer within the time that was granted: no network, no such host, or an exchange that is down."""


class History(ABC):
    """How one exchange is asked for its past trades."""

    host: ClassVar[str]
    """Scheme and host of its own REST service."""
    elsewhere: ClassVar[str] = ""
    """What to do where it answers 451: the sentence goes on after a semicolon."""
    limits: ClassVar[Limits]
    page_size: ClassVar[int]
    """Most trades of one answer."""

    glimpse: ClassVar[str] = ""
    """A way that shows the newest trades alone, whatever is asked for; empty where there is none."""

    @abstractmethod
    def ways(self, host: str) -> Sequence[str]:
        """The ways in which a host offers trades, the best first: single trades before aggregates."""

    def keyed_by_id(self, way: str) -> bool:
        """Whether keys are the trades' own ids. By default they are."""
        return True

    @abstractmethod
    def page(self, native: str, first: int, last: int, way: str) -> Ask:
        """Ask for the trades with keys first…last, at most `page_size` of them; others may come along."""

    @abstractmethod
    def read(self, body: bytes, received_at: int, way: str) -> TradePage:
        """The trades of an answer, with `received_at` (µs since 1970 UTC) as when they were received.

        Raises: WrongAnswer: If it is not a page of trades.
        """

    def key_of(self, native: str, trade_id: int, way: str) -> Search[int | None]:
        """The key of a trade where it is not its id: of the first that ends at this id or later; None: not yet."""
        yield from ()
        return trade_id

    @abstractmethod
    def newest(self, native: str) -> Search[int | None]:
        """The id of the newest trade; None where the instrument never traded."""

    @abstractmethod
    def first_id_at(self, native: str, at: int) -> Search[int | None]:
        """The id of the first trade at or after `at` (µs since 1970 UTC); None where there is none yet."""

    @abstractmethod
    def refusal(self, status: int, body: bytes) -> AskFailed | None:
        """What an answer with a status from 400 to 499 means; None where the same request may succeed later."""

    @abstractmethod
    def listed(self) -> Ask:
        """Ask for all instruments."""

    @abstractmethod
    def read_listed(self, body: bytes) -> Mapping[str, bool]:
        """The exchange's own name of each instrument -> whether it trades now.

        Raises: WrongAnswer: If it is not such a list.
        """


Known = tuple[int, int]
"""A key, and the value there by which it is looked for."""


def smallest_key(
    value: int, newest: Ask, around: Callable[[int], Ask], read: Callable[[bytes], Sequence[Known]]
) -> Search[int | None]:
    """The smallest key at which there is this value or a larger one; None where there is none yet.

    Values rise with keys. `newest` asks for a page with the newest key, `around` for one with the keys next to a key,
    above it or below it, where that key itself does not exist. Looks where the keys known so far let it expect the
    value, and every second time far below them, or in the middle: so a time two days ago takes about four questions,
    and one in a market that was quiet for years no more than some twenty.
    """
    known = read((yield newest))
    if not known or known[-1][1] < value:
        return None
    last, found = known[-1], known[-1]
    low, before, top, blindly = -1, None, found[0], False  # the answer lies above `low`, and not above `found`
    reach = last[0] - known[0][0] + 1
    while True:
        for at in known:
            if at[1] >= value:
                found = min(found, at)
            elif before is None or at > before:
                before = at
        low, top = max(low, before[0] if before else -1), min(top, found[0])
        if top - low <= 1:
            return found[0]
        if not blindly:
            a, b = (before, found) if before else (found, last)
            guess = a[0] + (value - a[1]) * (b[0] - a[0]) // max(b[1] - a[1], 1)
        elif low < 0:
            reach *= 4
            guess = top - reach
        else:
            guess = (low + top) // 2
        guess, blindly = min(max(guess, low + 1), top - 1), not blindly
        known = read((yield around(guess)))
        if not any(low < key < top for key, _ in known):
            blindly = True
            if known and known[0][0] >= top:
                top = guess  # no key from the guess up to the top
            else:
                low = guess  # none from `low` up to the guess


class DownwardHistory(History):
    """A history whose trades have their own ids for keys, and come a page at a time below an id, newest first."""

    way: ClassVar[str]
    """The one way in which it offers them."""

    @abstractmethod
    def below(self, native: str, key: int | None, limit: int) -> Ask:
        """Ask for at most `limit` trades with keys below `key`; None: for the newest."""

    def ways(self, host: str) -> Sequence[str]:
        """Single trades."""
        return (self.way,)

    def page(self, native: str, first: int, last: int, way: str) -> Ask:
        """Those below the id that follows."""
        return self.below(native, last + 1, max(min(last - first + 1, self.page_size), 1))

    def newest(self, native: str) -> Search[int | None]:
        """The first of the newest page."""
        page = self.read((yield self.below(native, None, 1)), 0, self.way)
        return page.keys[-1] if page.keys else None

    def first_id_at(self, native: str, at: int) -> Search[int | None]:
        """By looking for it among the ids; of a time before the first that there is, that one."""

        def known(body: bytes) -> list[Known]:
            page = self.read(body, 0, self.way)
            times = ((key, row.timestamp) for key, row in zip(page.keys, page.rows, strict=True))
            return [(key, time) for key, time in times if time is not None]

        size = self.page_size
        newest = self.below(native, None, size)
        return (yield from smallest_key(at, newest, lambda key: self.below(native, key + 1 + size // 2, size), known))


def raw_list(body: bytes) -> list[bytes]:
    """The elements of a JSON list, as they stand in it.

    Raises: WrongAnswer: If it is none.
    """
    try:
        return [bytes(raw).strip() for raw in _list(body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise WrongAnswer(f"not a list of trades: {shown(body)}", next_step=_OTHER_HOST) from None


def shown(body: bytes) -> str:
    """The beginning of an answer, for a message."""
    text = " ".join(body[:200].decode("utf-8", "replace").split())
    return repr(text[:80] + ("…" if len(text) > 80 else ""))


_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_OTHER_HOST = "check that rest_host is the exchange's, and that no proxy answers in its place"
