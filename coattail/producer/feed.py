"""Step 2 of 7: one exchange heard live: frames in, packs out, and which ids are missing."""

from __future__ import annotations

import logging
import ssl
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from coattail.connectors.base import BaseConnector
from coattail.connectors.batch import Batch
from coattail.connectors.listening import Listener
from coattail.connectors.subscription import Notice, Subscription
from coattail.errors import StoreError
from coattail.intervals import Intervals
from coattail.packing import Packer
from coattail.producer.continuity import Continuity
from coattail.producer.quiet import QuietWatch
from coattail.producer.recorder import recorder_of
from coattail.producer.refill import MissingIds
from coattail.records import Row, when
from coattail.service_url import BucketUrl

log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = (5.0, 30.0, 300.0, 3600.0)
"""How long after each time ids that the exchange did not give are asked for again; then they are given up."""

_TIME = "%Y-%m-%d %H:%M:%SZ"


@dataclass(slots=True)
class HeardInstrument:
    """What was heard of one instrument since the start."""

    trades: int = 0
    last_id: int | None = None
    traded: int | None = None
    """When the newest trade happened, µs since 1970 UTC, by the exchange's clock."""
    received: int | None = None
    """When it arrived, by ours."""
    price: str | None = None
    """Of the newest trade, as the exchange wrote it."""
    refilled: int = 0
    """Trade ids that were missing and came from the exchange's REST service."""
    lacking: int = 0
    """Trade ids that were missing and that the exchange does not have."""
    gaps: int = 0
    """How often ids were missing."""


def new_session() -> str:
    """A name for one unbroken listening."""
    return f"live-{uuid.uuid4().hex[:12]}"


class Feed:
    """One exchange. It owns the listener, and counts.

    Where ids show what is missing, all that is heard is one session. Where they are only unique nothing would show it,
    so after a loss the symbols of that connection go on in a new session, and after a damaged trade its own symbol: the
    time between is not taken for observed.
    """

    def __init__(
        self,
        connector: BaseConnector,
        session: str,
        *,
        floors: dict[str, int],
        ended: datetime | None = None,
        record: Path | BucketUrl | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """floors: Symbol -> the id up to which an earlier run of this session left nothing missing.
        ended: When that run was last heard of; None means that there was none.
        """
        self.connector, self.session = connector, session
        self.listener = Listener(connector, trust=trust, on_notice=self._noticed, on_loss=self._lost)
        self.continuity = {symbol: Continuity(floors.get(symbol)) for symbol in connector.symbols}
        self.heard = {symbol: HeardInstrument() for symbol in connector.symbols}
        self.received = Counter[str]()
        """`messages`, `trades`, `malformed`, `other`, `bytes`, and `unsupported` ones, since the start."""
        self.refusals: list[str] = []
        """What the exchange refused, in its words, once each."""
        self.problem = ""
        """Why the recording ended before the feed; empty while it has not."""
        self.refilling = ""
        """Why what is missing cannot be fetched now; empty while it can."""
        self._ended = ended
        self.sent_floors: dict[str, int] = dict(floors)
        """Symbol -> the id up to which nothing is missing in the stream."""
        self._quiet = QuietWatch(connector.symbols)
        self.missing = Counter[str]()
        """Symbol -> how many ids are missing, as far as they did not only come late."""
        self._put_off: dict[str, dict[tuple[int, int], tuple[float, int]]] = defaultdict(dict)
        """Symbol -> ids that the exchange did not give -> (when they are asked for again, how often they were)."""
        self._due: set[tuple[str, int]] = set()
        """Holes that were there when `holes` was last asked, by symbol and first id."""
        self._losses: list[tuple[int, tuple[str, ...]]] = []
        """After how many of the messages that wait something was lost, and of which symbols."""
        self._later_sessions: dict[str, str] = {}
        """Symbol -> its session, if it is not the first one any more."""
        self._recorder = None if record is None else recorder_of(record, connector.exchange)

    @property
    def exchange(self) -> str:
        return self.connector.exchange

    def take(self, packer: Packer) -> None:
        """Pack what has arrived since the last time."""
        messages, received = self.listener.inbox.take()
        losses, self._losses = self._losses, []
        begin = 0
        for end, symbols in losses:
            self._pack(messages[begin:end], received[begin:end], packer)
            self._begin_session(symbols)
            begin = end
        self._pack(messages[begin:], received[begin:], packer)

    def _pack(self, messages: list[bytes], received: list[int], packer: Packer) -> None:
        if not messages:
            return
        batch = self.connector.batch(messages, received, source="live", session=self.session)
        damaged = [] if self.connector.ids_contiguous else self._damaged(batch)
        if damaged and len(messages) > 1:
            for message, at in zip(messages, received, strict=True):
                self._pack([message], [at], packer)
            return
        self._record(messages, received)
        self.received.update(messages=len(messages), bytes=sum(map(len, messages)))
        self.add(batch, packer)
        if damaged:
            self._begin_session(damaged)

    def _damaged(self, batch: Batch) -> Collection[str]:
        """Of which symbols a trade came damaged: of all where it does not say."""
        if batch.malformed or None in batch.parts:
            return self.continuity
        rows = {symbol: part.rows for symbol, part in batch.parts.items() if symbol is not None}
        return [s for s, own in rows.items() if not all(_is_whole(row) and row.trade_id is not None for row in own)]

    def _begin_session(self, symbols: Iterable[str]) -> None:
        """Go on with these in a new session, because something of them may be missing."""
        self._later_sessions |= dict.fromkeys(symbols, new_session())
        if self._recorder is not None:
            self._recorder.end_file()  # a file is a session when it is replayed

    def add(self, batch: Batch, packer: Packer) -> None:
        """Pack a batch, live or fetched, and note its ids."""
        self.received.update(
            malformed=len(batch.malformed), other=batch.other, unsupported=sum(batch.unsupported.values())
        )
        for symbol, part in batch.parts.items():
            shared = batch.shared(symbol)
            if symbol in self._later_sessions:
                shared = shared._replace(session=self._later_sessions[symbol])
            packer.add_rows(shared, part.rows, part.payloads)
            if symbol is None or symbol not in self.continuity:
                continue  # a row that the checks will judge
            heard, continuity = self.heard[symbol], self.continuity[symbol]
            if self.connector.ids_contiguous:
                live, reached = batch.source == "live", continuity.newest
                opened = continuity.hear([row for row in part.rows if _is_whole(row)] if live else part.rows)
                heard.gaps += len(opened)
                missed = [(hole.first, hole.last) for hole in opened]
                if not live and reached is not None and continuity.newest is not None and continuity.newest > reached:
                    missed = [(reached + 1, continuity.newest)]  # the exchange had said that there are such
                for first, last in missed:
                    packer.miss(shared, first, last, self._why_missed(symbol))
            if batch.source == "live":
                newest = part.rows[-1]
                heard.trades += len(part.rows)
                heard.last_id, heard.price = newest.trade_id, newest.price
                heard.traded, heard.received = newest.timestamp, newest.received
                ids = [row.last_trade_id or row.trade_id for row in part.rows if row.trade_id is not None]
                highest = max((i for i in ids if i is not None), default=-1)
                self._quiet.heard(symbol, highest, len(part.rows), newest.received / 1e6)
            self.received["trades"] += len(part.rows)
        for record in batch.malformed:
            packer.add(record)

    def _why_missed(self, symbol: str) -> str:
        """Why ids after the newest trade that was heard are missing, as far as it is known here."""
        line = next(line for line in self.listener.health if symbol in line.symbols)
        opened, received = f"{when(int(line.opened * 1e6)):{_TIME}}", self.heard[symbol].received
        if received is None and self._ended is not None:
            return f"nobody listened from {self._ended:{_TIME}} to {opened}"
        if received is None or received / 1e6 < line.opened:
            return (
                f"the connection was lost ({line.problem.replace(';', ',') or 'replaced'}), and made anew at {opened}"
            )
        return "left out by the exchange while the connection was open"

    def holes(self) -> list[MissingIds]:
        """What is to be asked for now: it was missing already when this was last asked, and has not been put off."""
        now = [(symbol, hole) for symbol, continuity in self.continuity.items() for hole in continuity.missing()]
        lasting = [(symbol, hole) for symbol, hole in now if (symbol, hole.first) in self._due]
        self._due = {(symbol, hole.first) for symbol, hole in now}
        self.missing = Counter()
        due = []
        for symbol, hole in lasting:
            self.missing[symbol] += hole.last - hole.first + 1
            later = Intervals.of(ids for ids, (at, _) in self._put_off[symbol].items() if at > time.monotonic())
            rest = Intervals([hole.first], [hole.last]).minus(later)
            due += [MissingIds(symbol, first, last, hole.after, hole.before) for first, last in rest]
        return due

    def lack(self, symbol: str, first: int, last: int) -> bool:
        """Note that the exchange did not give these ids; returns whether they are given up.

        Until then they stay missing and are asked for again: its history may be behind its feed.
        """
        at, tries = (
            time.monotonic(),
            max((t for ids, (_, t) in self._put_off[symbol].items() if ids[0] <= first <= ids[1]), default=0),
        )
        if tries < len(ASK_AGAIN_SECONDS):
            self._put_off[symbol][first, last] = at + ASK_AGAIN_SECONDS[tries], tries + 1
            return False
        self._put_off[symbol] = {ids: v for ids, v in self._put_off[symbol].items() if not first <= ids[0] <= last}
        self.continuity[symbol].account(first, last)
        self.heard[symbol].lacking += last - first + 1
        return True

    def unusually_quiet(self) -> list[str]:
        """What should be compared with the exchange now, by asking for its newest trade."""
        lines = [line for line in self.listener.health if line.state == "listening"]
        return [symbol for line in lines for symbol in self._quiet.due(line.symbols, line.opened)]

    def told(self, symbol: str, newest: int | None) -> None:
        """The exchange says which trade is its newest: what does not come is missing, and a stalled feed is mended.

        `newest` None: it does not know the instrument.
        """
        if newest is not None:
            self.continuity[symbol].promise(newest)
        line = next(line for line in self.listener.health if symbol in line.symbols)
        if self._quiet.told(symbol, newest, line.opened):
            if self._quiet.mend(line.symbols, symbol):
                self.listener.begin_anew(f"{symbol} was silent, and the exchange goes on to trade it", symbol)
            else:
                log.warning("%s: %s is silent, and the exchange goes on to trade it", self.exchange, symbol)
                self.listener.renew(symbol)

    def floors(self) -> dict[str, int]:
        """Symbol -> the id up to which nothing is missing."""
        return {symbol: c.floor for symbol, c in self.continuity.items() if c.floor is not None}

    def begun(self) -> bool:
        """Whether instruments have been heard for the first time, of which no floor was known; now it is.

        It must be written down before their trades are in the stream: a run that follows a kill goes on from there.
        """
        new = {s: c.before for s, c in self.continuity.items() if s not in self.sent_floors and c.before is not None}
        self.sent_floors.update(new)
        return bool(new)

    def close(self) -> None:
        """Close the recording."""
        if self._recorder is not None:
            self._recorder.close()

    def _record(self, messages: list[bytes], received: list[int]) -> None:
        if self._recorder is None:
            return
        try:
            self._recorder.write(messages, received)
        except (OSError, StoreError) as error:
            self.problem = f"the recording of {self.exchange} has ended: {error}"
            log.error("%s; the feed goes on", self.problem)
            self.close()
            self._recorder = None

    def _lost(self, line: Subscription) -> None:
        if not self.connector.ids_contiguous:
            self._losses.append((len(self.listener.inbox), line.symbols))

    def _noticed(self, notice: Notice) -> None:
        for symbol, newest in notice.newest.items():
            if symbol in self.continuity:
                self.told(symbol, newest)
        if notice.kind == "refused" and notice.words not in self.refusals:
            self.refusals.append(notice.words)
            log.warning("%s refused: %s", self.exchange, notice.words)


def _is_whole(row: Row) -> bool:
    """Whether nothing that a trade needs is lacking; what came damaged is fetched again."""
    return row.price is not None and row.quantity is not None and row.timestamp is not None
