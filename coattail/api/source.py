"""The hot store behind the API: opened at the first question, and anew after it failed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from coattail.api.refusal import Refusal
from coattail.errors import CoattailError
from coattail.stores.hot import AlertCount, HotStore
from coattail.stores.served import MARKET, SYMBOL, MarketFact, said

log = logging.getLogger(__name__)
T = TypeVar("T")

PATIENCE = timedelta(milliseconds=50)
"""How long a question waits for a store that somebody has locked: meanwhile no other one is answered."""
DAY = timedelta(hours=24)
_MOST_TOLD = 200
"""Answers that are kept for whoever asks the same."""
_SAME = timedelta(seconds=1)
"""How long an answer holds where nothing is written: by then an alert may have expired."""
_KEPT_SECONDS = 1.0
"""How old a count may be that many requests need: counting 10,000 alerts takes longer than all else they ask."""


class HotSource:
    """What handlers read.

    opener: Opens the hot store read-only, with `PATIENCE`. clock: The time, by which alerts expire.
    engine_runs: Whether an engine holds the home now; None where nobody can know but by its heartbeat.
    seconds: Only grow; by them counts are kept for a second.
    """

    def __init__(
        self, opener: Callable[[], HotStore], *, clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        engine_runs: Callable[[], bool] | None = None, seconds: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._opener, self.clock, self.engine_runs, self._seconds = opener, clock, engine_runs, seconds
        self._hot: HotStore | None = None
        self._kept: dict[Hashable, tuple[float, object]] = {}
        self._told: dict[Hashable, tuple[Hashable, datetime, object]] = {}

    @contextmanager
    def reading(self) -> Iterator[HotStore]:
        """The store, for the time of a question.

        Raises: Refusal: 503, if it cannot be read; the next question opens it anew.
        """
        try:
            if self._hot is None:
                self._hot = self._opener()
            yield self._hot
        except Refusal:
            raise
        except (CoattailError, msgspec.MsgspecError) as error:
            log.warning("the hot store cannot be read: %s", error)
            self.close()
            locked = "locked" in str(error)
            raise Refusal(
                503, "unavailable",
                "the hot store is locked by somebody" if locked else "the hot store cannot be read",
                next_step="ask again soon" if locked else "ask again later; whoever runs the server finds why in its "
                "log, and what to do",
                retry_after=1 if locked else 10,
            ) from error  # fmt: skip

    def close(self) -> None:
        """Close the store; the next question opens it again."""
        hot, self._hot = self._hot, None
        if hot is not None:
            hot.close()

    def kept(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` said within the last second, or says now."""
        now = self._seconds()
        before = self._kept.get(key)
        if before is not None and now - before[0] < _KEPT_SECONDS:
            return before[1]  # type: ignore[return-value]
        found = compute()
        self._kept[key] = now, found
        return found

    def told(self, key: Hashable, hot: HotStore, compute: Callable[[], T]) -> T:
        """What `compute` said within the last second, if nothing was written since; or says now."""
        version = hot.version()
        if version is None:
            return compute()
        now, before = self.clock(), self._told.get(key)
        if before is not None and before[0] == version and abs(now - before[1]) < _SAME:
            return before[2]  # type: ignore[return-value]
        found = compute()
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told[key] = version, now, found
        return found

    def market(self, hot: HotStore) -> MarketFact | None:
        """What an engine says of all that lands; None before one has."""
        found = said(hot, MARKET, MarketFact)
        return None if found is None else found[0]

    def newest(self, hot: HotStore) -> datetime | None:
        """Time of the newest trade; where no engine says it, of the newest alert; None without either."""
        market = self.market(hot)
        if market is not None:
            return market.newest
        return max((count.newest for count in hot.tally(now=self.clock())), default=None)

    def tally(self, hot: HotStore) -> list[AlertCount]:
        """Counts of the alerts of the last 24 hours that stand, at most a second old."""

        def count() -> list[AlertCount]:
            newest = self.newest(hot)
            return hot.tally(since=None if newest is None else newest - DAY, now=self.clock())

        return self.kept("tally", count)

    def symbols(self, hot: HotStore) -> list[str]:
        """The symbols that have trades here, by an engine's facts, at most a second old."""
        return self.kept("symbols", lambda: [name.removeprefix(SYMBOL) for name in hot.facts(SYMBOL)])
