"""`coattail reprocess`: the alerts again, from the trades as they were, perhaps with other settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.compared import lines_for_the_home, outcome_json, say_checks, say_outcome
from coattail.cli.engines import EngineOption
from coattail.cli.hints import line
from coattail.cli.output import print_json
from coattail.cli.screen import Screen
from coattail.cli.terminal import clock
from coattail.cli.when import SinceOption, UntilOption
from coattail.errors import StoreError, UsageError
from coattail.workspace.past import snapshot_meant
from coattail.workspace.times import parse_when

if TYPE_CHECKING:
    from collections.abc import Callable

    from coattail.config import Settings
    from coattail.engines.recompute import TradeFacts
    from coattail.engines.reprocess import Reprocessed
    from coattail.home import Home
    from coattail.stores.hot import HotStore
    from coattail.stores.lake import Lake

_BRANCH = "branch:"

AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="WHEN", help="A snapshot's id, a tag, or a time. [default: newest]")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="DETECTOR.PARAM=VALUE", help="Another parameter; may be given several times."),
]
IntoOption = Annotated[
    str | None,
    typer.Option("--into", metavar="TABLE", help="Where the outcome goes; branch:NAME: alerts on a branch."),
]
PromoteOption = Annotated[bool, typer.Option("--promote", help="Make the recomputed alerts the current ones.")]


@command(
    "reprocess",
    examples=[
        "coattail reprocess --as-of daily-20250304 --set volume-anomaly.z_threshold=3",
        "coattail reprocess --since 2025-03-04T12:00 --until 2025-03-04T18:00 --set whale-detector.medium=250000",
        "coattail reprocess --set volume-anomaly.z_threshold=3 --promote",
    ],
)
def reprocess(
    session: Session,
    *,
    as_of: AsOfOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    set_: SetOption = None,
    into: IntoOption = None,
    promote: PromoteOption = False,
    engine: EngineOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Recompute alerts from the stored trades as of a snapshot, and compare.

    What --set, --preset and --config change is asked for; the home's own settings (coattail.yaml) are the original
    ones. --since and --until are about when it happened in the market. --promote makes the recomputed alerts the
    current ones if the original settings reproduce the original alerts; no engine may run meanwhile.

    JSON: {"run", "into", "written", "as_of", "settings", "counts", "differences", "promote", …}. See docs/CLI.md.
    """
    now = datetime.now(UTC)
    start = parse_when(since, "--since", now=now) if since else None
    end = parse_when(until, "--until", now=now) if until else None
    if start is not None and end is not None and start >= end:
        raise UsageError(f"--since {clock(start)} is not before --until {clock(end)}")
    branch = _branch_asked(into, promote)
    original, asked = settings_asked(session, set_ or [])
    home = session.home(write=True)

    from coattail.alerts import DISCLAIMER
    from coattail.engines.promote import checks
    from coattail.engines.reprocess import REPROCESSED, Request, outcome_table, record
    from coattail.engines.reprocess import reprocess as recomputed
    from coattail.sql.views import VIEWS
    from coattail.stores.opening import open_hot, open_lake
    from coattail.tables import RAW_TRADES

    table = None if branch is not None else outcome_table(into or REPROCESSED.name, VIEWS)
    with ExitStack() as stack, Screen(silent=as_json) as screen:
        if promote:
            stack.enter_context(home.engine_lock("reprocess --promote"))
        lake = open_lake(home, original, writable=home.catalog_db.exists())
        stack.callback(lake.close)
        meant = snapshot_meant(lake, RAW_TRADES.name, as_of, now=now)
        request = Request(as_of=meant, original=original, asked=asked, since=start, until=end)
        with _facts_by(engine, home, asked) as facts_of:
            done = recomputed(lake, request, facts_of=facts_of)
        say_outcome(screen, done)
        found = checks(lake, done)
        say_checks(screen, found, asked=promote)
        passed = all(check.passed for check in found)
        written, revised = False, 0
        if table is not None:
            written = record(lake, table, done, now=datetime.now(UTC))
            screen.say(_recorded(home, table.name, request.run_id, written))
        elif passed or not promote:
            hot = open_hot(home, asked, writable=True)
            stack.callback(hot.close)
            name = branch or f"reprocess-{request.run_id}"
            revised = _on_a_branch(screen, lake, hot, name, done, promoted=promote)
            written = bool(revised)
        if promote and passed:
            screen.say(_advice(original, asked))
    if as_json:
        shown = [{"check": c.name, "passed": c.passed, "detail": c.detail} for c in found]
        verdict = {"possible": passed, "promoted": promote and passed, "revised": revised, "checks": shown}
        into = table.name if table is not None else _BRANCH + (branch or f"reprocess-{request.run_id}")
        print_json(
            {**outcome_json(done), "into": into, "written": written, "promote": verdict, "disclaimer": DISCLAIMER}
        )
    else:
        screen.say(DISCLAIMER)
    if promote and not passed:
        raise StoreError("not promoted: nothing was changed", next_step="the checks above say what is in the way")


def _branch_asked(into: str | None, promote: bool) -> str | None:
    """The name behind `branch:`; empty for one that is named by the run, None where a table is asked for."""
    from coattail.stores.history import checked_name

    if into is not None and into.startswith(_BRANCH):
        name = into.removeprefix(_BRANCH)
        return name if name.startswith("reprocess-") else checked_name(name, "branch")
    if promote and into is not None:
        raise UsageError(
            f"--promote needs a branch, and --into {into} is a table",
            next_step=f"leave it out, or use --into {_BRANCH}NAME",
        )
    return "" if promote else None


def settings_asked(session: Session, given: Sequence[str]) -> tuple[Settings, Settings]:
    """The home's own settings, and those asked for.

    Raises: UsageError: If a `--set` is not understood. ConfigError: If there is no such detector or parameter.
    """
    from coattail.config import load_settings
    from coattail.detectors import detectors_for

    overrides = dict(map(_override, given))
    original = load_settings(session.home_path(), session.tier)
    asked = session.settings(overrides)
    detectors_for(original)
    detectors_for(asked)
    for key in overrides:
        name = key.split(".")[1]
        if name not in asked.modules:
            raise UsageError(
                f"the detector '{name}' is not among the modules here", next_step=f"modules: {', '.join(asked.modules)}"
            )
    return original, asked


def _override(text: str) -> tuple[str, object]:
    import yaml

    key, equals, value = text.partition("=")
    detector, dot, parameter = key.strip().partition(".")
    if not (equals and dot and detector and parameter and value.strip()) or "." in parameter:
        raise UsageError(f"--set {text!r} is not understood", next_step="write it like volume-anomaly.z_threshold=3")
    if parameter == "preset":
        raise UsageError(f"--set {text!r}: a preset is for all detectors", next_step="use --preset")
    try:
        return f"detectors.{detector}.{parameter}", yaml.safe_load(value)
    except yaml.YAMLError:
        raise UsageError(f"--set {text!r}: the value cannot be read", next_step="quote it as in YAML") from None


@contextmanager
def _facts_by(engine: str, home: Home, settings: Settings) -> Iterator[Callable[[Sequence[str]], TradeFacts] | None]:
    """Who reduces the trades: this process, or Spark."""
    from coattail.engines.kinds import engine_class

    engine_class(engine)  # refuses an unknown name
    if engine == "local":
        yield None
        return
    from coattail.engines.spark_batch import facts_by
    from coattail.spark.session import spark_session, stop_session

    session = spark_session(
        "coattail-reprocess",
        warehouse=home.warehouse,
        catalog_db=home.catalog_db,
        iceberg=False,
        cores=settings.spark.cores,
        log_file=home.path / "logs" / "spark.log",
        conf={"spark.driver.memory": f"{settings.spark.driver_memory // 1024}k"},
    )
    try:
        yield facts_by(session)
    finally:
        stop_session(session)


def _recorded(home: Home, table: str, run: str, written: bool) -> str:
    query = f"SELECT verdict, causes, detected_at, alert_type, reason FROM {table} WHERE run_id = '{run}'"
    said = f"run {run} is written to {table}" if written else f"run {run} is in {table} already: nothing was written"
    return f"{said}\n  look: {line(home.path, 'sql', query)}"


def _on_a_branch(screen: Screen, lake: Lake, hot: HotStore, name: str, done: Reprocessed, *, promoted: bool) -> int:
    """Make the branch and, if it is to be promoted, let main be it; returns how many alerts are revised."""
    from coattail.engines.promote import branch_of, promote, write_branch

    now = datetime.now(UTC)
    if promoted:
        revised = promote(lake, hot, name, done, now=now)
        screen.say(
            f"promoted: {len(revised):,} alerts revised or retracted, in the tables and in the hot store"
            if revised
            else "nothing to promote: the current alerts are these already"
        )
        return len(revised)
    made = branch_of(lake, name, done.request.run_id)
    if made is not None:
        screen.say(f"the branch {name} holds this run already: nothing was written")
        return 0
    made = write_branch(lake, hot, name, done, now=now)
    screen.say(f"the branch {name} of anomaly_alerts holds {len(made.revised):,} revisions; main is as it was")
    screen.say(f"  look: SELECT * FROM anomaly_alerts FOR VERSION AS OF '{name}'")
    return len(made.revised)


def _advice(original: Settings, asked: Settings) -> str:
    """What keeps a later engine from undoing it."""
    wanted = lines_for_the_home(original, asked)
    if not wanted:
        return "the settings are those of this home: engines go on with them"
    return (
        "an engine with other settings revises them again wherever new data reach; to go on with these, put this line "
        f"into coattail.yaml of the home:\n  {wanted}"
    )
