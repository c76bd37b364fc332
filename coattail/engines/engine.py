"""What every engine does: recover, judge, commit, publish, keep house. Each engine lands trades in its own way.

Each batch is one atomic commit of raw_trades that carries the stream offsets it reaches; alerts are written after
the trades that caused them; bars, coverage, metrics and the modules' tables follow at most once a minute and at
stop, and are rebuilt from raw_trades after a crash. So one engine may go on where another one stopped.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec

from coattail.alerts import Alert
from coattail.config import Settings
from coattail.detectors import detectors_for
from coattail.engines.abstained import Abstentions
from coattail.engines.counted import counted
from coattail.engines.facts import FactStore
from coattail.engines.judge import Judge
from coattail.engines.kept_lessons import KeptLessons
from coattail.engines.ledger import AlertLedger
from coattail.engines.recovery import position, rebuild, through
from coattail.engines.serving import Serving
from coattail.engines.upkeep import Noticed, commit_derived, commit_judged, keep_house
from coattail.home import Home
from coattail.landing import Checks, Coverage, Landed
from coattail.records import when
from coattail.stores.cloudwatch import Statistic
from coattail.stores.history import latest_event, newest_written
from coattail.stores.hot import Complete
from coattail.stores.opening import open_hot, open_lake, open_lease, open_letters, open_metrics
from coattail.stores.totals import Totals
from coattail.streams.base import Offsets, Stream
from coattail.streams.opening import open_stream
from coattail.tables import ALERTS, COVERAGE, RAW_TRADES

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile

log = logging.getLogger(__name__)

_MOST_WAITING_ROWS, _MOST_PENDING_ALERTS = 100_000, 5_000
"""Verdicts and alerts that a restart keeps in memory before it writes them down."""
_IN_FLIGHT = 1
"""Batches landed but not yet committed: what is done again after a kill, and what memory holds."""
_JUDGED_TOGETHER = 16
"""Batches of a drain that are judged at once: a verdict looks hours back, whether one batch is new or sixteen are."""


@dataclass(frozen=True, slots=True)
class DrainProgress:
    """How far a drain has come."""

    totals: Totals
    backlog_bytes: int
    """Compressed bytes of the stream that still wait."""


class Engine(ABC):
    """An engine on a home; a context manager that holds the place's lease.

    stream: What it lands; None means the stream of the home. detour: The stream is another one, read once: how far the
    home has come in its own stays as it is.

    Raises: HomeError: If another engine runs on the home. StoreError, StreamError: If a table or the stream cannot
    be used; whatever had been committed stays, and the next start continues from there.
    """

    name: ClassVar[str]

    def __init__(
        self,
        home: Home,
        settings: Settings,
        *,
        command: str = "land",
        stream: Stream | None = None,
        detour: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_alerts: Callable[[list[Alert]], None] | None = None,
        beside: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._beside = beside
        """What goes on while the engine runs live, but not during a drain: maintenance."""
        self._home = home
        self._settings = settings
        self._command = command
        self._stream = stream if stream is not None else open_stream(settings.stream.url, home.stream)
        self._detour = detour
        self._clock = clock
        self._on_alerts = on_alerts
        self._checks = Checks.of(settings.quality)
        self._detectors = detectors_for(settings)
        self._stack = ExitStack()
        self._writes: deque[Future[None]] = deque()
        self._write_failed = False

    # -- life ------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._tenure = stack.enter_context(open_lease(self._home, self._settings).held(self._command))
            self._lake = open_lake(self._home, self._settings, writable=True)
            stack.callback(self._lake.close)
            self._tenure.fence(self._lake)
            self._hot = open_hot(self._home, self._settings, writable=True)
            stack.callback(self._hot.close)
            self._letters = open_letters(self._home, self._settings)
            self._metrics = open_metrics(self._settings)
            if self._metrics is not None:
                stack.callback(self._metrics.close)
            self._writer = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="write-behind"))
            self._recover()
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def _start(self, stack: ExitStack) -> None:  # noqa: B027 - most engines need nothing else
        """Open what else this engine needs; what must be closed at its end goes onto the stack."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is None:
                self.commit_derived()
            else:
                log.warning("the engine stops after an error; derived tables are rebuilt at the next start")

    def _recover(self) -> None:
        started = time.monotonic()
        at = position(self._lake)
        self._sequence, self.totals = at.sequence, at.totals
        self._offsets: Offsets = {} if self._detour else at.offsets
        self._left_at = (at.stream_id, at.offsets) if self._detour else None
        if not self._detour and at.stream_id and at.stream_id != self._stream.stream_id:
            log.warning("the stream was recreated: reading it from its beginning, known trades are duplicates")
            self._offsets = {}
        self._facts = FactStore(self._lake)
        self._ledger = AlertLedger(
            self._lake, self._hot, preset=self._settings.preset, modules=[d.module_id for d in self._detectors]
        )
        self._abstentions = Abstentions(self._detectors)
        kept = KeptLessons(self._home.learned, self._detectors)
        preset, simulated = self._settings.preset, self._home.simulated
        self._serving = Serving(self._lake, self._hot, self._detectors, preset=preset, simulated=simulated)
        self._judge = Judge(self._detectors, self._settings, self._facts, self._ledger, kept, self._serving.note)
        self._unjudged: list[tuple[int, int]] = []
        state = self._derived_state()
        self._coverage, changed, outdated = rebuild(self._lake, self._letters)
        self._judge.lessons.recall("" if outdated else state)
        self._noticed = Noticed(self._lake)
        self._claim_alerts()
        committed = self._lake.newest(ALERTS.name)
        self._judge.watermark = int(committed.properties["watermark"]) if committed is not None else 0
        self._derived_through = -1 if outdated else through(self._lake, COVERAGE)  # committed last
        self._derived_at = time.monotonic()
        now = self._clock()
        if self._coverage.ledgers:
            self._judge_again(changed, now)
        self._serve(now)
        log.info("engine ready at commit %d in %.2f s", self._sequence, time.monotonic() - started)

    def _claim_alerts(self) -> None:
        """Have the hot store claim which alerts it holds all of: those later than any that it may lack."""
        written = newest_written(self._lake, ALERTS.name)
        claimed = self._hot.complete(now=self._clock())
        if claimed is None or claimed.snapshot != written:
            self._hot.claim(Complete(written, latest_event(self._lake, ALERTS)))

    def _judge_again(self, changed: Iterable[tuple[int, int]], now: datetime) -> None:
        """Whatever may have changed since the derived tables were written, which can be everything."""
        for revised in self._judge.by_day(self._coverage, changed, revision=self._sequence, now=now):
            self._publish(revised, now)
            if self._judge.waiting_rows > _MOST_WAITING_ROWS or len(self._ledger.pending) > _MOST_PENDING_ALERTS:
                commit_judged(self._lake, judge=self._judge, ledger=self._ledger, detectors=self._detectors, now=now)
                self._ledger.forget(when(self._judge.watermark) + timedelta(days=1))

    # -- loops -----------------------------------------------------------------------------------------------

    @abstractmethod
    def drain(self, progress: Callable[[DrainProgress], None] | None = None) -> Totals:
        """Land everything that waits in the stream; returns the home's running totals."""

    def run(self, stop: threading.Event) -> Totals:
        """Land what arrives, one batch per trigger, until `stop` is set; a batch that has begun is finished."""
        with self._beside():
            return self._follow(stop)

    @abstractmethod
    def _follow(self, stop: threading.Event) -> Totals:
        """What `run` does, without what goes on beside it."""

    # -- one batch -------------------------------------------------------------------------------------------

    def _take(
        self, landed: Landed, offsets: Offsets, files: list[DataFile] | None = None, *, judge: bool = True
    ) -> None:
        """Make a landed batch count: judge what it changed, and have it written; `files` already hold its trades.

        With `judge=False` a later batch is judged together with this one, or `_catch_up` does it.
        """
        self._tenure.check()
        now = self._clock()
        self._coverage = landed.coverage
        self._facts.add(landed.bars, landed.orders)
        self.totals = self.totals.plus(landed.counts)
        self._offsets = offsets
        self._sequence += 1
        self._unjudged += landed.changed
        revised = self._judged(now) if judge else []
        stream, reached = self._left_at or (self._stream.stream_id, offsets)
        properties = {
            "commit": str(self._sequence),
            "stream": stream,
            "offsets": _json(dict(reached)),
            "counts": _json(landed.counts.to_dicts()),
            "totals": _json(self.totals),
            "newest": str(max(self._coverage.newest().values(), default=0)),
        }
        while len(self._writes) >= _IN_FLIGHT:
            self._writes.popleft().result()
        self._writes.append(self._writer.submit(self._write, landed, files, properties, self._sequence, revised, now))

    def _judged(self, now: datetime) -> list[Alert]:
        """The alerts that differ after what changed since this was last called."""
        changed, self._unjudged = self._unjudged, []
        return self._judge.judge(self._coverage, changed, revision=self._sequence, now=now)

    def _catch_up(self) -> None:
        """Judge the batches that were landed without, and publish what is found once they are written."""
        if self._unjudged:
            now = self._clock()
            revised = self._judged(now)
            self._wait_for_writes()
            self._publish(revised, now)

    @staticmethod
    def _judged_after(number: int) -> bool:
        """Whether a drain judges after its batch of this number (from 1); the first ones soon, for whoever watches."""
        return number in (1, 4) or number % _JUDGED_TOGETHER == 0

    def _write(
        self,
        landed: Landed,
        files: list[DataFile] | None,
        properties: dict[str, str],
        sequence: int,
        revised: list[Alert],
        now: datetime,
    ) -> None:
        """Rejected rows first, then the one commit that decides, then what people see.

        Nothing after a batch that failed is written: its offsets would acknowledge the failed one too.
        """
        if self._write_failed:
            return
        self._write_failed = True
        self._letters.write(landed.rejected, landed.undecodable, stream=self._stream.stream_id, now=now)
        written = self._lake.write(RAW_TRADES, landed.trades) if files is None else files
        commit = self._lake.commit(RAW_TRADES, written, properties, after=sequence - 1)
        if self._metrics is not None:
            counts, newest, at = landed.counts.to_dicts(), landed.coverage.newest(), commit.committed_at
            self._metrics.add(counted(counts, newest, at), at)
        self._publish(revised, now)
        keep_house(self._lake, self._settings, sequence=sequence, derived=self._derived_through, now=now)
        self._write_failed = False

    def _publish(self, revised: list[Alert], now: datetime) -> None:
        if revised:
            self._letters.write_alerts(self._hot.put_alerts(revised, now=now), now=now)
            if self._on_alerts is not None:
                self._on_alerts(revised)

    def _wait_for_writes(self) -> None:
        while self._writes:
            self._writes.popleft().result()

    @staticmethod
    def _say_lost(lost: Iterable[str]) -> None:
        for loss in lost:
            log.error("%s: the ids they held are listed as gaps", loss)

    # -- derived tables --------------------------------------------------------------------------------------

    def _derived_due(self) -> bool:
        due = self._settings.engine.derived_commit_every.total_seconds()
        return self._sequence > self._derived_through and time.monotonic() - self._derived_at >= due

    def _look_after(self) -> None:
        """What is due between two batches of a live run: derived tables, or what is said for serving."""
        if self._derived_due():
            self.commit_derived()
        elif self._serving.due:
            self._serve(self._clock(), everything=False)

    def commit_derived(self) -> None:
        """Write bars, orders, modules' rows, alerts, metrics and coverage up to the newest commit."""
        self._wait_for_writes()
        self._derived_at = time.monotonic()
        self._tenure.check()
        if self._sequence == self._derived_through and not self._ledger.pending:
            return
        self._catch_up()
        now = self._clock()
        self._publish(self._judge.settle(self._coverage, revision=self._sequence, now=now), now)
        commit_derived(
            self._lake,
            facts=self._facts,
            judge=self._judge,
            ledger=self._ledger,
            detectors=self._detectors,
            coverage=self._coverage,
            noticed=self._noticed,
            abstentions=self._abstentions,
            sequence=self._sequence,
            now=now,
        )
        self._derived_through = self._sequence
        self._judge.lessons.keep(self._derived_state())
        self._hot.put_fact("abstained", {"of": self._abstentions.found()}, now=now)
        self._hot.carry(newest_written(self._lake, ALERTS.name))
        self._serve(now)
        if self._judge.watermark:
            self._ledger.forget(when(self._judge.watermark) - timedelta(days=3))
        self._letters.purge(keep=self._settings.dlq.retention, now=now)
        self._letters.write_summary(now=now)
        self._stream.trim(self._offsets, keep=self._settings.stream.retention)
        self._heartbeat()

    def _serve(self, now: datetime, *, everything: bool = True) -> None:
        """Say in the hot store what is known of the market."""
        self._serving.put(self._facts, self._coverage, self.totals, now=now, everything=everything)

    def _derived_state(self) -> str:
        """Names what the derived tables hold: coverage is committed last."""
        return f"{through(self._lake, COVERAGE)} {newest_written(self._lake, COVERAGE.name)}"

    def _heartbeat(self) -> int:
        """Note in the hot store that the engine runs and how far it is; returns the bytes that wait."""
        waiting = self.waiting_bytes
        if self._metrics is not None:
            self._metrics.add({("Backlog", None): Statistic.of(waiting)}, self._clock())
        self._hot.put_fact(
            "engine",
            {
                "pid": os.getpid(),
                "command": self._command,
                "engine": self.name,
                "commit": self._sequence,
                "watermark": self._judge.watermark,
                "backlog_bytes": waiting,
                "totals": msgspec.to_builtins(self.totals),
                **self._vitals(),
            },
            now=self._clock(),
        )
        return waiting

    def _vitals(self) -> dict[str, Any]:
        """What else this engine reports about itself."""
        return {}

    @property
    def waiting_bytes(self) -> int:
        """What the stream holds after the newest batch."""
        return self._stream.backlog(self._offsets).size_bytes

    @property
    def coverage(self) -> Coverage:
        """Which trade ids have landed, up to the newest batch."""
        return self._coverage

    @property
    def watermark(self) -> int:
        """Event time (µs) up to which verdicts are closed; 0 before the first trade."""
        return self._judge.watermark


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
