"""A day's work: fetch and land its trades, judge what came in, count the tables, write the report.

The daily workflow on AWS (infra/modules/step-functions) is the same but for the report; verdict and figures are shared.
Each step may be repeated: what has landed is not fetched again, and a report is replaced.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from coattail.amounts import count
from coattail.config import Settings
from coattail.connectors.asking import PATIENCE
from coattail.errors import CoattailError, UsageError
from coattail.home import Home
from coattail.stores.cloudwatch import Statistic
from coattail.stores.figures import FACT, CatalogFigures, figures
from coattail.stores.gate import RAW_TRADES, GateEvent, Verdict, verdict
from coattail.stores.opening import open_hot, open_metrics, open_outlines
from coattail.workspace.backfill import Backfill, backfill
from coattail.workspace.documents.daily import DailyDocument, DailyStep, StepState
from coattail.workspace.loading import Wish
from coattail.workspace.opening import open_stores
from coattail.workspace.progress import OnProgress, unheard
from coattail.workspace.report import Report, report
from coattail.workspace.shown import Headline, Tabular
from coattail.workspace.state import state
from coattail.workspace.text import pairs, size

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger(__name__)

THRESHOLD = 95.0
"""Percent of the records that must have passed: where the alarm on quality is, too."""
SUCCESS, FAILURE = "WorkflowSuccess", "WorkflowFailure"
"""Metrics of CloudWatch: one of them is 1 for every run."""

_STEPS = ("load", "judge", "count", "report")
_DAY = timedelta(days=1)
_LANDING = timedelta(seconds=60)
"""How long an engine that runs on the home is waited for: it lands what was fetched."""
_AGAIN = "run it again: what has landed is not fetched again"


class StepFailed(CoattailError):
    """A step has come to its end, and what it found is not good enough."""


@dataclass(frozen=True, repr=False)
class Daily(Tabular):
    """What a day's work came to. Printing it shows it step by step."""

    document: DailyDocument
    history: Backfill | None
    """What was fetched; None where that failed before it began."""
    report: Report | None
    """None where a step before it failed."""

    @property
    def tables(self) -> pl.DataFrame:
        """How the tables stand; columns of `TableFigures`. Empty where they were not counted."""
        import polars as pl

        found = self.document.tables
        return pl.DataFrame([msgspec.structs.asdict(one) for one in found.tables] if found else [])

    @property
    def passed(self) -> bool:
        """Whether every step was done."""
        return self.document.passed

    def said(self) -> list[str]:
        """The day, and its steps."""
        its = self.document
        steps = pairs([(step.name, step.told()) for step in its.steps], width=8)
        return [Headline(f"{its.day:%Y-%m-%d}, UTC"), steps, self.ended()]

    def ended(self) -> str:
        """Whether the day is done, in a line."""
        its = self.document
        return f"the day is {'done' if its.passed else 'not done'}: {its.seconds:.1f} s"

    def to_polars(self) -> pl.DataFrame:
        """The steps; columns of `DailyStep`."""
        import polars as pl

        return pl.DataFrame([msgspec.structs.asdict(one) | {"state": str(one.state)} for one in self.document.steps])


@dataclass
class _Found:
    """What the steps have found so far."""

    history: Backfill | None = None
    verdict: Verdict | None = None
    tables: CatalogFigures | None = None
    report: Report | None = None
    steps: list[DailyStep] = field(default_factory=list)


def daily(
    home: Home,
    settings: Settings,
    *,
    day: date | None = None,
    symbols: tuple[str, ...] = (),
    exchanges: tuple[str, ...] | None = None,
    threshold: float = THRESHOLD,
    out: str | Path | None = None,
    on_step: Callable[[DailyStep], None] = lambda _: None,
    on_progress: OnProgress = unheard,
    on_trouble: Callable[[str], None] = lambda _: None,
    patience: timedelta = PATIENCE,
    stop: threading.Event | None = None,
) -> Daily:
    """Do a day's work, up to the first step that fails.

    day: In UTC; None means yesterday. symbols: Like BTC-USDT or binance:BTC-USDT; none: those of the settings.
    exchanges: None means those of the settings. threshold: Percent of the records that must have passed.
    out: The report, or a folder for it; None means report-DATE.html in the current folder.
    on_step: Called with each step when it has ended. patience: How long an exchange is asked again while it is silent.
    Raises: UsageError: If the wish makes no sense; before anything is fetched.
    """
    if not 0 <= threshold <= 100:
        raise UsageError(f"threshold {threshold:g} is not a share in percent", next_step="give one from 0 to 100")
    now, clock = datetime.now(UTC), time.monotonic()
    day = day or (now - _DAY).date()
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    wish = Wish(symbols=symbols, exchanges=exchanges, since=begin, until=begin + _DAY)
    wish.check(now)
    if begin + _DAY > now:
        raise UsageError(
            f"{day:%Y-%m-%d} ends at midnight UTC, and is not over",
            next_step=f"give a day before it, or fetch what there is of it: coattail backfill --since {day:%Y-%m-%d}",
        )
    found = _Found()

    def load() -> str:
        found.history = backfill(
            home, settings, wish, on_progress=on_progress, on_trouble=on_trouble, patience=patience, stop=stop
        )
        return _loaded(home, settings, found.history, day)

    def judge() -> str:
        found.verdict = verdict(open_outlines(home, settings).of(RAW_TRADES), GateEvent(threshold=threshold, since=now))
        if not found.verdict.passed:
            raise StepFailed(found.verdict.reason, next_step="see which, and why: coattail dlq list")
        return found.verdict.reason

    def count_tables() -> str:
        found.tables = figures(open_outlines(home, settings).all())
        with closing(open_hot(home, settings, writable=True)) as hot:
            hot.put_fact(FACT, msgspec.to_builtins(found.tables), now=datetime.now(UTC))
        its = found.tables
        return f"{count(len(its.tables), 'table')}, {count(its.rows, 'row')}, {size(its.size_bytes)}"

    def write() -> str:
        with open_stores(home, settings=lambda: settings) as stores:
            found.report = report(stores, out, day=day, on_progress=on_progress)
        return f"{found.report.out}: {found.report.headline}"

    for name, do in zip(_STEPS, (load, judge, count_tables, write), strict=True):
        step = _ended(name, do)
        found.steps.append(step)
        on_step(step)
        if step.state is StepState.FAILED:
            break
    document = _document(found, day, threshold, time.monotonic() - clock)
    _record(settings, document)
    return Daily(document, found.history, found.report)


def _ended(name: str, do: Callable[[], str]) -> DailyStep:
    """The step, once it is over."""
    began = time.monotonic()
    try:
        said, next_step, how = do(), "", StepState.DONE
    except CoattailError as error:
        if name == _STEPS[0] and isinstance(error, UsageError):
            raise  # the wish, of which nothing has been fetched
        said, next_step, how = error.message, error.next_step or _AGAIN, StepState.FAILED
    return DailyStep(name=name, state=how, said=said, next_step=next_step, seconds=round(time.monotonic() - began, 3))


def _loaded(home: Home, settings: Settings, made: Backfill, day: date) -> str:
    """What was fetched and landed, in a sentence.

    Raises: StepFailed: If it is not all.
    """
    its = made.document
    if its.stopped:
        raise StepFailed("it was stopped", next_step=_AGAIN)
    for one in its.instruments:
        if one.failed is not None:
            raise StepFailed(f"{one.exchange} {one.symbol}: {one.failed}", next_step=_AGAIN)
        if one.first_id is None:
            raise StepFailed(
                f"{one.exchange} has no trade of {one.symbol} on {day:%Y-%m-%d}",
                next_step="see whether it still lists it; leave it out with --exchange, or by naming the symbols",
            )
        if one.missing:
            why = f": {one.left[0].why}" if one.left else ""
            raise StepFailed(
                f"{count(one.missing, 'id')} of {one.exchange} {one.symbol} missing{why}", next_step=_AGAIN
            )
    trades, wanted, here = (sum(getattr(one, n) for one in its.instruments) for n in ("trades", "wanted", "here"))
    said = f"{count(trades, 'trade')} fetched, {here:,} of {wanted:,} ids were here"
    if its.engine is None:
        return said
    _wait_for_landing(home, settings)
    return f"{said}; {its.engine.command} (process {its.engine.pid}) lands them"


def _wait_for_landing(home: Home, settings: Settings) -> None:
    """Until nothing waits in the stream.

    Raises: StepFailed: If something still does after a minute.
    """
    until = time.monotonic() + _LANDING.total_seconds()
    while True:
        with open_stores(home, settings=lambda: settings) as stores:
            waiting = state(stores).stream.waiting_bytes
        if not waiting:
            return
        if time.monotonic() > until:
            raise StepFailed(f"{size(waiting)} still wait for the engine that runs here", next_step=_AGAIN)
        time.sleep(1.0)


def _document(found: _Found, day: date, threshold: float, seconds: float) -> DailyDocument:
    ended = found.steps
    later = [DailyStep(name=name, state=StepState.NOT_REACHED) for name in _STEPS[len(ended) :]]
    return DailyDocument(
        day=day, passed=not later and ended[-1].state is StepState.DONE, threshold=threshold, steps=[*ended, *later],
        history=None if found.history is None else found.history.document, verdict=found.verdict, tables=found.tables,
        report=None if found.report is None else found.report.document, seconds=round(seconds, 3),
    )  # fmt: skip


def _record(settings: Settings, document: DailyDocument) -> None:
    """Into the log, and, if the settings name a place for metrics, there."""
    if document.passed:
        log.info("the day %s is done", document.day)
    else:
        [failed] = [step for step in document.steps if step.state is StepState.FAILED]
        log.info("the day %s is not done: %s: %s; %s", document.day, failed.name, failed.said, failed.next_step)
    if (metrics := open_metrics(settings)) is not None:
        with closing(metrics):
            metrics.add({(SUCCESS if document.passed else FAILURE, None): Statistic.of(1)}, datetime.now(UTC))
