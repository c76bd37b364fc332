"""What the jobs of `tasks` do: the same functions that commands and notebooks call, from a process of their own."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from coattail.alerts import Alert
from coattail.config import Settings, load_settings
from coattail.errors import CoattailError, UsageError
from coattail.home import Home
from coattail.jobs.base import JobCount, JobOrder
from coattail.jobs.working import JobStopped
from coattail.values import parse_duration
from coattail.workspace.ordering import chosen_of, refuse_without_stores
from coattail.workspace.page import alert_line
from coattail.workspace.progress import OnProgress, Step
from coattail.workspace.standing import Standing, is_news
from coattail.workspace.tasks import (
    BackfillOptions,
    DailyOptions,
    MaintainOptions,
    ReprocessOptions,
    StreamOptions,
    struct_of,
)
from coattail.workspace.text import printable
from coattail.workspace.times import maybe_when

if TYPE_CHECKING:
    from coattail.engines.engine import Engine

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_LINE = 160
"""Characters of an alert in the log."""


class AtWork(Protocol):
    """What a job needs of the process that it runs in."""

    order: JobOrder
    stop: threading.Event
    interruptible: bool

    def progress(self, count: JobCount) -> None:
        """Take how far it is."""


def do(home: Home, at: AtWork) -> str:
    """Do what was ordered on this home; returns what it came to, in a sentence.

    Raises: JobStopped: If it was stopped before its end, in order. CoattailError: If it failed.
    """
    order = at.order
    log.info("%s %s on %s", order.job, order.options or "", home.path)
    settings = load_settings(home, **chosen_of(order, home))
    return _DONE[order.job](home, settings, struct_of(order.job, order.options), at)


def refuse_what_passes(home: Home, order: JobOrder) -> None:
    """Refuse an order that would leave something in a home that goes with the job.

    Raises: UsageError: If a store, or the report, would be there.
    """
    refuse_without_stores(order.job, load_settings(home, **chosen_of(order, home)))
    out = order.options.get("out")
    if order.job == "daily" and not str(out).startswith("s3://"):
        raise UsageError(
            f"the report would go with the job: out is {out or 'not said'}",
            next_step="write out=s3://BUCKET/FOLDER?region=eu-central-1",
        )


def _stream(home: Home, settings: Settings, options: StreamOptions, at: AtWork) -> str:
    from coattail.workspace.landing import land

    @contextmanager
    def watching(engine: Engine) -> Iterator[None]:
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(_LOOK_SECONDS):
                at.progress(JobCount(doing="landed since the home began", done=engine.totals.landed, unit="trades"))

        thread = threading.Thread(target=look, name="progress")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    alerts = _Logged()
    done, complete = land(
        home, settings, drain=options.drain, engine=options.engine, alerts=alerts, watching=watching, stop=at.stop,
        on_progress=_in(at, "bytes"),
    )  # fmt: skip
    if not done.conserved:
        raise CoattailError(f"{done.sum_words()} does not hold", next_step="please report this")
    return _ended(f"{done.sum_words()}; {alerts.words()}", complete=complete and options.drain)


def _reprocess(home: Home, settings: Settings, options: ReprocessOptions, at: AtWork) -> str:
    from coattail.workspace.questions.reprocess import reprocess
    from coattail.workspace.questions.settings import asked

    at.interruptible = True  # what it writes is one commit
    both = asked(home, options.changes, **chosen_of(at.order, home))
    made = reprocess(
        home, both, as_of=options.as_of, since=maybe_when(options.since), until=maybe_when(options.until),
        into=options.into, promote=options.promote, engine=options.engine,
    )  # fmt: skip
    if options.promote and not made.possible:
        raise CoattailError("not promoted: nothing was changed", next_step="; ".join(made.said()))
    said = ", ".join(f"{number:,} {verdict}" for verdict, number in made.done.counts().items())
    return f"alerts: {said}; {made.words()[0]}"


def _maintain(home: Home, settings: Settings, options: MaintainOptions, at: AtWork) -> str:
    from coattail.workspace.documents.upkeep import maintained_document
    from coattail.workspace.opening import open_stores
    from coattail.workspace.upkeep import growth, maintain

    at.interruptible = True
    age, steps = parse_duration(options.older_than), count()

    def heard(step: Step) -> None:
        at.progress(JobCount(doing=step.doing, done=next(steps), unit="steps done"))

    done = maintain(home, settings, table=options.table, older_than=age, engine=options.engine, on_progress=heard)
    with open_stores(home, settings=lambda: settings) as stores:
        return "; ".join(maintained_document(done, growth(stores)).freed_words())


def _backfill(home: Home, settings: Settings, options: BackfillOptions, at: AtWork) -> str:
    from coattail.workspace.backfill import backfill
    from coattail.workspace.loading import Wish

    wish = Wish(
        symbols=options.symbols, exchanges=options.exchanges, gaps=options.gaps, source=options.source,
        files_from=options.files_from, since=maybe_when(options.since), until=maybe_when(options.until),
    )  # fmt: skip
    made = backfill(
        home, settings, wish, on_progress=_in(at, "ids"), on_trouble=log.warning, stop=at.stop, alerts=_Logged()
    )
    document = made.document
    said = "; ".join(line.strip() for line in made.words())
    if not document.complete and not document.stopped:
        raise CoattailError(said, next_step="submit it again: what has landed is not asked for again")
    return _ended(said, complete=not document.stopped)


def _daily(home: Home, settings: Settings, options: DailyOptions, at: AtWork) -> str:
    from coattail.workspace.opening import open_stores
    from coattail.workspace.report import report

    at.interruptible = True  # a page is put in its place as a whole
    begin = maybe_when(options.day, "day", now=datetime.now(UTC))
    with open_stores(home, settings=lambda: settings) as stores, _reaching(options.out) as (out, send):
        made = report(
            stores, out, day=None if begin is None else begin.date(), symbols=options.symbols, light=options.light,
            share=options.share,
        )  # fmt: skip
        return f"{made.headline} ({send([made.out, *made.beside])})"


@contextmanager
def _reaching(out: str | None) -> Iterator[tuple[str | None, Callable[[list[Path]], object]]]:
    """Where to write files that are to be at `out`, a path or a folder of a bucket; and what then says where they are,
    having brought them there."""
    if out is None or not out.startswith("s3://"):
        yield out, lambda written: written[0].absolute()
        return
    from coattail.jobs.artifacts import Artifacts

    there = Artifacts(out, setting="out")
    with tempfile.TemporaryDirectory(prefix="coattail-out-") as folder:

        def send(written: list[Path]) -> str:
            places = [there.put(path.name, path) for path in written]
            return places[0]

        yield folder, send


_DONE: dict[str, Callable[[Home, Settings, Any, AtWork], str]] = {
    "stream": _stream, "reprocess": _reprocess, "maintain": _maintain, "backfill": _backfill, "daily": _daily,
}  # fmt: skip


class _Logged(Standing):
    """Writes into the log what is new about an alert."""

    def fired(self, revised: list[Alert]) -> None:
        for alert, before in self.take(revised):
            if is_news(alert, before):
                log.info("%s", printable(alert_line(alert), most=_LINE))


def _in(at: AtWork, unit: str) -> OnProgress:
    """Hands on how far it is, in this unit."""

    def heard(step: Step) -> None:
        at.progress(JobCount(doing=step.doing, done=step.done, total=step.total, unit=unit))

    return heard


def _ended(said: str, *, complete: bool) -> str:
    if complete:
        return said
    raise JobStopped(said)
