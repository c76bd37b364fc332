"""Step 2 of 7: exchanges heard live: their frames packed and appended, what they left out fetched, until it is stopped.

Every `LINGER_SECONDS` what was heard goes to the stream. An append that fails is made again, in order, while the
inboxes fill; when they are full the sockets are read no more, so memory is bounded and the exchange feels it. Ids that
are missing are asked for after `GRACE_SECONDS`, because some arrive late; a feed that says nothing for unusually long
is compared with the exchange's own newest trade, which tells a quiet market from a stalled feed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import shutil
import ssl
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coattail.connectors.asking import Asker
from coattail.connectors.base import BaseConnector
from coattail.connectors.history import AskFailed
from coattail.connectors.receipt import received_now
from coattail.errors import StreamError, UsageError
from coattail.packing import Packer
from coattail.producer.feed import Feed, new_session
from coattail.producer.journal import (
    ExchangeState,
    InstrumentState,
    Journal,
    LineState,
    ProducerState,
)
from coattail.producer.refill import refill
from coattail.producer.replay import LINGER_SECONDS
from coattail.records import when
from coattail.service_url import BucketUrl
from coattail.streams.base import Stream

log = logging.getLogger(__name__)

GRACE_SECONDS = 1.0
"""A missing id is asked for after this long: exchanges seldom send trades in another order, and then by less."""
RESUME_WITHIN = timedelta(hours=24)
"""A run goes on with the session of the one before, and fetches what was missed between, if it ended at most this long
ago: a night, or a day of travel."""
LEAST_FREE = 1 << 30
"""Bytes of disk below which it stops: tables and stream need room to end in order."""

_COMPARE_SECONDS, _COMPARE_WITHIN = 0.5, timedelta(seconds=10)
_ROUND_SECONDS = 20.0
_JOURNAL_SECONDS = 1.0
_SLEPT_SECONDS = 15.0
_LAST_ATTEMPTS = 4
_APPEND_AGAIN, _APPEND_AGAIN_MOST = 0.5, 15.0


@dataclass(slots=True)
class Sent:
    """What has gone to the stream since the start."""

    records: int = 0
    bytes: int = 0
    failed: int = 0
    """Appends that failed and were made again."""


class Producer:
    """Several exchanges, one stream.

    Delivery: at least once, in the order of each connection; ids that are missing between two trades are fetched, also
    those of the time between two runs.
    """

    def __init__(
        self,
        stream: Stream,
        connectors: Sequence[BaseConnector],
        *,
        journal: Path | None = None,
        record: Path | BucketUrl | None = None,
        trust: ssl.SSLContext | None = None,
        resume_within: timedelta = RESUME_WITHIN,
        least_free: int = LEAST_FREE,
    ) -> None:
        """journal: The file by which a next run goes on; None means that each run is for itself.

        record: A folder for raw frames, here or in a bucket; None keeps none. trust: Who certifies exchanges; None
        means the system's authorities. least_free: Bytes of disk beside journal or recording below which it stops.

        Raises: UsageError: If there is nothing to listen to, or nothing can be written to `record`.
        """
        if not any(connector.symbols for connector in connectors):
            raise UsageError(
                "there is nothing to listen to",
                next_step="name symbols in `exchanges` of coattail.yaml, or as arguments",
            )
        if isinstance(record, Path):
            try:
                record.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(
                    f"the folder {record} for recordings cannot be made ({error.strerror})",
                    next_step="name another one",
                ) from error
        self._stream = stream
        self._journal = None if journal is None else Journal(journal)
        before = {} if self._journal is None else self._journal.resumed(resume_within)
        earlier = None if self._journal is None or not before else self._journal.read()
        ended = None if earlier is None else earlier.at
        self.feeds: list[Feed] = []
        for connector in connectors:
            session, floors = before.get(connector.exchange, (new_session(), {}))
            if not connector.ids_contiguous:
                session = new_session()  # what was missed since the last run would not show
            self.feeds.append(Feed(connector, session, floors=floors, ended=ended, record=record, trust=trust))
        self.sent = Sent()
        self.stopping = ""
        """Why it stops by itself; empty while it goes on."""
        self._started = datetime.now(UTC)
        self._packer = Packer()
        self._stop = asyncio.Event()
        self._watched = [path for path in (journal and journal.parent, record) if isinstance(path, Path)]
        self._least_free = least_free

    def stop(self, why: str = "") -> None:
        """End in order: what was heard is sent. From the event loop's thread."""
        self.stopping = self.stopping or why
        self._stop.set()

    async def run(self) -> None:
        """Listen until `stop` is called.

        Raises: StreamError: If the stream is damaged.
        """
        self._watch_disk()
        wall = lambda: received_now() / 1e6  # noqa: E731
        async with (
            Asker(wall=wall) as asker,
            Asker(wall=wall, patience=_COMPARE_WITHIN, on_trouble=log.info) as inquirer,
            asyncio.TaskGroup() as group,
        ):
            tasks = [group.create_task(feed.listener.run()) for feed in self.feeds]
            for feed in self.feeds:
                if feed.connector.ids_contiguous:
                    tasks.append(group.create_task(self._refill(feed, asker)))
                    tasks.append(group.create_task(self._compare(feed, inquirer)))
            tasks.append(group.create_task(self._watch()))
            tasks.append(group.create_task(self._keep_journal()))
            pumping = group.create_task(self._pump())
            await self._stop.wait()
            for task in tasks:
                task.cancel()
            await pumping
        for feed in self.feeds:
            feed.close()
        self._try_journal(stopped=True)

    # -- to the stream -----------------------------------------------------------------------------------------------

    async def _pump(self) -> None:
        while not self._stop.is_set():
            taken = time.monotonic()
            await self._flush()
            await self._linger(taken + LINGER_SECONDS - time.monotonic())
        await self._flush()

    async def _linger(self, seconds: float) -> None:
        """Wait for what is left of the time after which it takes again: an append is part of it."""
        try:
            await asyncio.wait_for(self._stop.wait(), max(seconds, 0.0))
        except TimeoutError:
            return

    async def _flush(self) -> None:
        """Everything heard goes to the stream; however long that takes, nothing is left out and nothing overtakes."""
        for feed in self.feeds:
            feed.take(self._packer)
        records, packs = self._packer.records, self._packer.take()
        begun = any([feed.begun() for feed in self.feeds])
        floors = [(feed, feed.floors()) for feed in self.feeds]
        wait, tried = _APPEND_AGAIN, 0
        while packs:
            try:
                if begun:
                    self._write_journal()
                    begun = False
                await asyncio.to_thread(self._stream.append, packs)
                break
            except (OSError, StreamError) as error:
                self.sent.failed += 1
                log.warning("the stream did not take %d records: %s", records, error)
                tried += 1
                if self._stop.is_set() and tried >= _LAST_ATTEMPTS:
                    raise
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))
                wait = min(2 * wait, _APPEND_AGAIN_MOST)
        self.sent.records += records
        self.sent.bytes += sum(len(data) for _, data in packs)
        for feed, reached in floors:
            feed.sent_floors = reached

    # -- what is missing ---------------------------------------------------------------------------------------------

    async def _refill(self, feed: Feed, asker: Asker) -> None:
        """Ask for what is missing, again and again; a service that does not answer is asked later."""
        while True:
            await asyncio.sleep(GRACE_SECONDS)
            try:
                await self._fetch(feed, asker)
                feed.refilling = ""
            except AskFailed as error:
                feed.refilling = f"what is missing cannot be fetched: {error}"
                log.warning("%s: %s", feed.exchange, feed.refilling)
                await asyncio.sleep(_SLEPT_SECONDS * random.uniform(0.5, 1.0))

    async def _fetch(self, feed: Feed, asker: Asker) -> None:
        missing = sorted(feed.holes(), key=lambda ids: ids.last - ids.first)  # what was just missed before the night
        if not missing:
            return
        until = time.monotonic() + _ROUND_SECONDS
        async with aclosing(refill(missing, feed.connector, asker, newest_first=True, session=feed.session)) as steps:
            async for step in steps:
                if step.batch is not None:
                    while self._packer.full:
                        await asyncio.sleep(LINGER_SECONDS)
                    feed.add(step.batch, self._packer)
                    feed.heard[step.range.symbol].refilled += step.ids
                for lacking in step.lacking:
                    given_up = feed.lack(lacking.symbol, lacking.first, lacking.last)
                    log.warning(
                        "%s %s: ids %d to %d %s: %s", feed.exchange, lacking.symbol, lacking.first, lacking.last,
                        "are given up" if given_up else "did not come and are asked for later", lacking.why,
                    )  # fmt: skip
                if time.monotonic() > until:
                    break  # and see what is missing by now

    async def _compare(self, feed: Feed, asker: Asker) -> None:
        """Ask for the newest trade of what is quiet for unusually long; a feed that does not tell of it has stalled."""
        while True:
            await asyncio.sleep(_COMPARE_SECONDS)
            for symbol in feed.unusually_quiet():
                history = feed.connector.history(symbol)
                host = feed.connector.rest_host or history.host
                try:
                    newest = await asker.search(host, history, history.newest(feed.connector.native(symbol)))
                except AskFailed as error:  # one that is no longer listed must not keep the others from being asked for
                    log.warning("%s does not say what was traded last of %s: %s", feed.exchange, symbol, error)
                    newest = None
                feed.told(symbol, newest)

    # -- the machine -------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Notice that the computer slept, and that the disk is nearly full."""
        wall, steady = time.time(), time.monotonic()
        while True:
            await asyncio.sleep(1.0)
            wall_now, steady_now = time.time(), time.monotonic()
            jump = (wall_now - wall) - (steady_now - steady)
            if jump > _SLEPT_SECONDS:
                log.warning("the clock went on by %.0f s at once: the computer slept, or its clock was set", jump)
                for feed in self.feeds:
                    feed.listener.begin_anew("the computer slept")
            elif jump < -1.0:
                log.warning("the clock was set back by %.1f s", -jump)
            wall, steady = wall_now, steady_now
            self._watch_disk()

    def _watch_disk(self) -> None:
        for folder in self._watched:
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
            if free < self._least_free:
                least = self._least_free / 1e9
                self.stop(f"{free / 1e9:.1f} GB are free at {folder}, and less than {least:.1f} GB is too little")

    async def _keep_journal(self) -> None:
        while True:
            self._try_journal()
            await asyncio.sleep(_JOURNAL_SECONDS)

    def _try_journal(self, *, stopped: bool = False) -> None:
        """Write the journal if it can be written: an older one costs the next run some requests, and no trade."""
        try:
            self._write_journal(stopped=stopped)
        except OSError as error:
            log.warning("the journal cannot be written: %s", error)

    def _write_journal(self, *, stopped: bool = False) -> None:
        if self._journal is not None:
            self._journal.write(self.state(stopped=stopped))

    def state(self, *, stopped: bool = False) -> ProducerState:
        """How it is doing."""
        return ProducerState(
            pid=os.getpid(),
            started=self._started,
            at=datetime.now(UTC),
            stopped=stopped,
            sent=self.sent.records,
            sent_bytes=self.sent.bytes,
            failed=self.sent.failed,
            exchanges=tuple(_exchange_state(feed) for feed in self.feeds),
        )


def _exchange_state(feed: Feed) -> ExchangeState:
    return ExchangeState(
        exchange=feed.exchange,
        session=feed.session,
        lines=tuple(
            LineState(
                symbols=line.symbols,
                state=line.state,
                since=datetime.fromtimestamp(line.since, UTC),
                reconnects=line.reconnects,
                renewals=line.renewals,
                problem=line.problem,
                refused=line.refused,
            )
            for line in feed.listener.health
        ),
        instruments=tuple(
            InstrumentState(
                symbol=symbol,
                trades=heard.trades,
                last_id=heard.last_id,
                price=heard.price,
                traded=None if heard.traded is None else when(heard.traded),
                received=None if heard.received is None else when(heard.received),
                missing=feed.missing[symbol],
                gaps=heard.gaps,
                refilled=heard.refilled,
                lacking=heard.lacking,
                floor=feed.sent_floors.get(symbol),
            )
            for symbol, heard in feed.heard.items()
        ),
        messages=feed.received["messages"],
        malformed=feed.received["malformed"],
        waiting_bytes=feed.listener.inbox.bytes,
        waits=feed.listener.inbox.waits,
        problem="; ".join(part for part in (feed.problem, feed.refilling) if part),
    )
