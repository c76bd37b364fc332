"""The alerts again, from the trades of a snapshot, perhaps under other settings: compared, kept, or promoted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from coattail.alerts import DISCLAIMER
from coattail.config import Settings
from coattail.engines.kinds import engine_class
from coattail.engines.promote import Condition, branch_of, checks, promote, write_branch
from coattail.engines.reduction import TradeFacts
from coattail.engines.reprocess import REPROCESSED, Reprocessed, Request, outcome_table, record
from coattail.engines.reprocess import reprocess as recomputed
from coattail.errors import UsageError
from coattail.home import Home
from coattail.stores.files import TableFiles
from coattail.stores.history import checked_name
from coattail.stores.opening import open_lease
from coattail.tables import RAW_TRADES, Table
from coattail.workspace.documents.questions import Promotion, PromotionCheck, ReprocessDocument, compared_fields
from coattail.workspace.opening import Stores, open_stores
from coattail.workspace.past import snapshot_meant
from coattail.workspace.progress import OnProgress, Step, unheard
from coattail.workspace.questions import words
from coattail.workspace.questions.settings import Both, lines_for_the_home
from coattail.workspace.shown import Tabular
from coattail.workspace.text import command_line
from coattail.workspace.times import refuse_backwards

if TYPE_CHECKING:
    import polars as pl

    from coattail.charts.chart import Chart

BRANCH = "branch:"

OnCompared = Callable[[Reprocessed, Sequence[Condition]], None]


def uncompared(done: Reprocessed, found: Sequence[Condition]) -> None:
    """For when nobody listens."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Reprocessing(Tabular):
    """A reprocessing that was done. Printing it shows the comparison, and where it went."""

    done: Reprocessed
    """Each alert in both states."""
    checks: Sequence[Condition]
    """The conditions of promoting."""
    into: str
    """A table, or `branch:NAME` of anomaly_alerts."""
    written: bool
    """False where this run was there already, or was not allowed."""
    revised: int
    """Alerts that are revised or retracted, on the branch or on main; 0 in a table."""
    asked_to_promote: bool
    promoted: bool
    """Whether the recomputed alerts are the current ones now."""
    both: Both
    """The settings that were compared."""

    @property
    def possible(self) -> bool:
        """Whether promoting is."""
        return all(check.passed for check in self.checks)

    def words(self, *, line: Callable[..., str] = command_line) -> list[str]:
        """Where the outcome went, and what keeps it; `line` says how a command is typed."""
        if self.asked_to_promote and not self.possible:
            return []
        run, branch = self.done.request.run_id, self.into.removeprefix(BRANCH)
        if branch == self.into:
            query = f"SELECT verdict, causes, detected_at, alert_type, reason FROM {branch} WHERE run_id = '{run}'"
            new, known = f"run {run} is written to {branch}", f"run {run} is in {branch} already: nothing was written"
            return [new if self.written else known, f"  look: {line('sql', query)}"]
        if self.promoted:
            done = f"promoted: {self.revised:,} alerts revised or retracted, in the tables and in the hot store"
            return [
                done if self.revised else "nothing to promote: the current alerts are these already",
                self._advice(),
            ]
        if not self.written:
            return [f"the branch {branch} holds this run already: nothing was written"]
        return [
            f"the branch {branch} of anomaly_alerts holds {self.revised:,} revisions; main is as it was",
            f"  look: SELECT * FROM anomaly_alerts FOR VERSION AS OF '{branch}'",
        ]

    def said(self) -> list[str]:
        """The comparison, what stands against promoting, and where it went."""
        against = words.conditions(self.checks, asked=self.asked_to_promote)
        return [*words.compared(self.done), *against, *self.words(), DISCLAIMER]

    def to_polars(self) -> pl.DataFrame:
        """A row for each alert: verdict, reason, detected_at, alert_type, exchange, symbol, severity, alert_id."""
        import polars as pl

        rows = [
            (c.verdict, c.reason, a.detected_at, a.alert_type, a.exchange, a.symbol, a.severity, c.alert_id)
            for c in self.done.compared
            for a in [c.alert]
        ]
        text = pl.String()
        schema = {"verdict": text, "reason": text, "detected_at": pl.Datetime("us", "UTC"), "alert_type": text,
                  "exchange": text, "symbol": text, "severity": text, "alert_id": text}  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _advice(self) -> str:
        """What keeps a later engine from undoing it."""
        wanted = lines_for_the_home(self.both)
        if not wanted:
            return "the settings are those of this home: engines go on with them"
        return (
            "an engine with other settings revises them again wherever new data reach; to go on with these, put this "
            f"line into coattail.yaml of the home:\n  {wanted}"
        )

    def chart(self) -> Chart:
        """The alerts over time, by what became of them: the same, appeared, vanished, changed."""
        from coattail.workspace.questions.drawn import comparison

        return comparison(self.done)

    @property
    def document(self) -> ReprocessDocument:
        """The JSON form."""
        return ReprocessDocument(
            **compared_fields(self.done),
            into=self.into,
            written=self.written,
            promote=Promotion(
                possible=self.possible,
                promoted=self.promoted,
                revised=self.revised,
                checks=[PromotionCheck(check=c.name, passed=c.passed, detail=c.detail) for c in self.checks],
            ),
            disclaimer=DISCLAIMER,
        )


def reprocess(
    home: Home,
    both: Both,
    *,
    as_of: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    into: str | None = None,
    promote: bool = False,
    engine: str = "local",
    on_compared: OnCompared = uncompared,
    on_progress: OnProgress = unheard,
) -> Reprocessing:
    """Recompute alerts from the trades of a snapshot, compare them with those there are, and keep what came out.

    both: The home's own settings, whose alerts are the original ones, and those asked for.
    as_of: A snapshot's id, a tag, or a time; None means the newest.
    since, until: When it happened in the market: since <= detected_at < until; None means no bound.
    into: A table, or `branch:NAME` of anomaly_alerts; None means the table anomalies_reprocessed, or with `promote` a
    branch named by the run.
    promote: Make the recomputed alerts the current ones, if every check passes. No engine may run meanwhile.
    engine: What reduces the trades: local, or spark.
    on_compared: Called with the comparison and the checks before anything is written.
    on_progress: Called with what is being done.
    Raises: UsageError: If a name, the range, the snapshot or the engine makes no sense. HomeError: If an engine runs,
    with `promote`. StoreError: If nothing has landed.
    """
    engine_class(engine)  # refuses an unknown name before anything is read
    refuse_backwards(since, until)
    branch = _branch_asked(into, promote)
    table = None if branch is not None else _table_asked(into)
    with ExitStack() as stack:
        tenure = None
        if promote:
            tenure = stack.enter_context(open_lease(home, both.asked).held("reprocess --promote"))
        stores = stack.enter_context(open_stores(home, write=True, settings=lambda: both.asked))
        if tenure is not None:
            tenure.fence(stores.lake)
        meant = snapshot_meant(stores.lake, RAW_TRADES.name, as_of, now=datetime.now(UTC))
        request = Request(as_of=meant, original=both.original, asked=both.asked, since=since, until=until)
        on_progress(Step("computing alerts from trades"))
        with _facts_by(engine, home, both.asked) as facts_of:
            done = recomputed(stores.lake, request, facts_of=facts_of)
        found = checks(stores.lake, done)
        on_compared(done, found)
        on_progress(Step("writing the outcome"))
        passed = all(check.passed for check in found)
        written, revised, name = False, 0, branch or f"reprocess-{request.run_id}"
        if table is not None:
            written = record(stores.lake, table, done, now=datetime.now(UTC))
        elif passed or not promote:
            written, revised = _on_a_branch(stores, name, done, promoted=promote)
    return Reprocessing(
        done=done,
        checks=found,
        into=table.name if table is not None else f"{BRANCH}{name}",
        written=written,
        revised=revised,
        asked_to_promote=promote,
        promoted=promote and passed,
        both=both,
    )


def _branch_asked(into: str | None, promote: bool) -> str | None:
    """The name after `branch:`; empty for one that is named by the run, None where a table is asked for."""
    if into is not None and into.startswith(BRANCH):
        name = into.removeprefix(BRANCH)
        return name if name.startswith("reprocess-") else checked_name(name, "branch")
    if promote and into is not None:
        raise UsageError(
            f"--promote needs a branch, and --into {into} is a table",
            next_step=f"leave it out, or use --into {BRANCH}NAME",
        )
    return "" if promote else None


def _on_a_branch(stores: Stores, name: str, done: Reprocessed, *, promoted: bool) -> tuple[bool, int]:
    """Make the branch and, to promote it, move main to it: whether anything was written, and alerts revised."""
    now = datetime.now(UTC)
    if promoted:
        revised = len(promote(stores.lake, stores.hot, name, done, now=now))
        return revised > 0, revised
    if branch_of(stores.lake, name, done.request.run_id) is not None:
        return False, 0
    return True, len(write_branch(stores.lake, stores.hot, name, done, now=now).revised)


def _table_asked(into: str | None) -> Table:
    if into is None:
        return REPROCESSED
    from coattail.sql.views import VIEWS  # DuckDB comes with them

    return outcome_table(into, VIEWS)


@contextmanager
def _facts_by(engine: str, home: Home, settings: Settings) -> Iterator[Callable[[TableFiles], TradeFacts] | None]:
    """What reduces the trades: this process (None), or Spark."""
    if engine == "local":
        yield None
        return
    from coattail.engines.spark_batch import facts_by
    from coattail.spark.session import spark_session, stop_session

    session = spark_session(
        "coattail-reprocess",
        cores=settings.spark.cores,
        log_file=home.path / "logs" / "spark.log",
        conf={"spark.driver.memory": f"{settings.spark.driver_memory // 1024}k"},
    )
    try:
        yield facts_by(session)
    finally:
        stop_session(session)
