"""Step 2 of 7: a quiet market is told from a feed that has stalled, by what the exchange says is its newest trade."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import NamedTuple

from coattail.connectors.receipt import received_now

FRESH_SECONDS = 2.0
"""What says nothing for this long after its connection was made is compared with the exchange: trades were missed
while there was no connection, or it was not subscribed to."""
LINE_SECONDS, LINE_TIMES, LINE_ASKED = 2.0, 20, 10
"""A connection is compared once it has been silent for this many seconds, and for this many times its usual silence;
only its busiest instruments, this many of them, are asked about: few questions, however many it has."""
QUIET_SECONDS, QUIET_TIMES = 30.0, 10
"""The same for each instrument by itself, which is many questions."""
_AGAIN, _AGAIN_UNSUSPECTED, _LONGEST_PAUSE = 0.9, 30.0, 600.0
_IN_FLIGHT_SECONDS = 0.9
"""Longer than what has been sent is on its way to us."""


class _Suspicion(NamedTuple):
    """The exchange has a trade that we have not heard."""

    newest: int
    at: float


@dataclass(slots=True)
class _Hearing:
    """What is known of one instrument; times are those of the clock of receipt, in seconds."""

    newest: int = -1
    """Highest id heard live."""
    trades: int = 0
    at: float = 0.0
    """When the last was received."""
    asked: float = 0.0
    pause: float = _AGAIN
    """Seconds from then until it may be asked again."""
    suspicion: _Suspicion | None = None
    stalls: int = 0
    """How often it was found to have stalled since it was last heard."""
    mended: float = 0.0
    """When that was last."""


class QuietWatch:
    """Which instruments are to be compared with their exchange, and whose feed has stalled."""

    def __init__(self, symbols: Iterable[str], clock: Callable[[], float] = lambda: received_now() / 1e6) -> None:
        """`clock`: seconds; the one by which receipts and the opening of connections are timed."""
        self._clock = clock
        self._began = clock()
        self._all = {symbol: _Hearing() for symbol in symbols}

    def heard(self, symbol: str, newest: int, trades: int, at: float) -> None:
        """Trades came by the feed, the last at this time; `newest` is the highest of their ids."""
        hearing = self._all[symbol]
        hearing.newest, hearing.trades = max(hearing.newest, newest), hearing.trades + trades
        hearing.at, hearing.asked, hearing.pause = at, 0.0, _AGAIN
        hearing.suspicion, hearing.stalls = None, 0

    def told(self, symbol: str, newest: int | None, opened: float) -> bool:
        """Whether the feed of an instrument has stalled, now that the exchange says what its newest trade is.

        It has when the exchange goes on to trade, and nothing was heard meanwhile. `newest` None: it does not know.
        `opened`: when its connection was made.
        """
        hearing, now, before = self._all[symbol], self._clock(), self._all[symbol].suspicion
        if newest is not None and hearing.newest < 0:
            hearing.newest = newest  # what was before we listened is not expected
        if newest is None or newest <= hearing.newest:
            hearing.suspicion, hearing.pause = None, max(hearing.pause, _AGAIN_UNSUSPECTED)
        elif before is None or before.at < opened:
            hearing.suspicion, hearing.pause = _Suspicion(newest, now), _AGAIN
        elif newest == before.newest:  # it may be of the time before the connection was made
            hearing.pause = max(hearing.pause, _AGAIN_UNSUSPECTED)
        else:
            waited = min(2.0**hearing.stalls, _LONGEST_PAUSE)
            return now - before.at >= _IN_FLIGHT_SECONDS and now - hearing.mended >= waited
        return False

    def mend(self, symbols: Sequence[str], stalled: str) -> bool:
        """Note that a stalled feed is about to be mended; returns whether all symbols of its connection are silent."""
        hearing = self._all[stalled]
        since = self._clock() if hearing.suspicion is None else hearing.suspicion.at
        hearing.suspicion, hearing.stalls, hearing.mended = None, hearing.stalls + 1, self._clock()
        return all(self._all[symbol].at <= since for symbol in symbols)

    def due(self, symbols: Sequence[str], opened: float) -> Iterator[str]:
        """Those of a connection that was opened then whose newest trade the exchange is to be asked for now."""
        now, hearings = self._clock(), [self._all[symbol] for symbol in symbols]
        lasted = now - self._began
        trades = sum(hearing.trades for hearing in hearings)
        silent = now - max(opened, *(hearing.at for hearing in hearings))
        line_is_quiet = trades > 0 and silent >= max(LINE_SECONDS, LINE_TIMES * lasted / trades)
        busiest = nlargest(LINE_ASKED, symbols, key=lambda symbol: self._all[symbol].trades) if line_is_quiet else ()
        for symbol, hearing in zip(symbols, hearings, strict=True):
            if hearing.asked and now - hearing.asked < hearing.pause:
                continue
            quiet = now - max(hearing.at, opened)
            usual = lasted / hearing.trades if hearing.trades > 1 else 0.0
            fresh = hearing.at < opened and hearing.asked < opened and quiet >= FRESH_SECONDS
            long = quiet >= max(QUIET_SECONDS, QUIET_TIMES * usual)
            if fresh or long or hearing.suspicion is not None or symbol in busiest:
                hearing.pause = min(2 * hearing.pause, _LONGEST_PAUSE) if hearing.asked else hearing.pause
                hearing.asked = now
                yield symbol
