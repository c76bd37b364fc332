"""`coattail reprocess`: the alerts again, from the trades as they were, perhaps with other settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.changes import SetOption, settings_asked
from coattail.cli.compared import say_checks, say_outcome
from coattail.cli.engines import EngineOption
from coattail.cli.hints import line
from coattail.cli.output import print_json
from coattail.cli.screen import Screen
from coattail.cli.terminal import clock
from coattail.cli.when import SinceOption, UntilOption
from coattail.errors import StoreError, UsageError
from coattail.workspace.times import maybe_when

if TYPE_CHECKING:
    from coattail.engines.promote import Condition
    from coattail.engines.reprocess import Reprocessed
    from coattail.workspace.questions.reprocess import Reprocessing
    from coattail.workspace.questions.settings import Both

AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="WHEN", help="A snapshot's id, a tag, or a time. [default: newest]")
]
IntoOption = Annotated[
    str | None, typer.Option("--into", metavar="TABLE", help="Where the outcome goes; branch:NAME: alerts on a branch.")
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
    session: Session, *, as_of: AsOfOption = None, since: SinceOption = None, until: UntilOption = None,
    set_: SetOption = None, into: IntoOption = None, promote: PromoteOption = False, engine: EngineOption = "local",
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Recompute alerts from the stored trades as of a snapshot, and compare.

    What --set, --preset and --config change is asked for; the home's own settings (coattail.yaml) are the original
    ones. --since and --until are about when it happened in the market. --promote makes the recomputed alerts the
    current ones if the original settings reproduce the original alerts; no engine may run meanwhile.

    JSON: {"run", "into", "written", "as_of", "settings", "counts", "differences", "promote", …}. See docs/CLI.md.
    """
    now = datetime.now(UTC)
    start, end = maybe_when(since, "--since", now=now), maybe_when(until, "--until", now=now)
    if start is not None and end is not None and start >= end:
        raise UsageError(f"--since {clock(start)} is not before --until {clock(end)}")
    both = settings_asked(session, set_ or [])
    home = session.home(write=True)

    from coattail.workspace.questions.reprocess import reprocess as asked

    with Screen(silent=as_json) as screen:

        def compared(done: Reprocessed, found: Sequence[Condition]) -> None:
            say_outcome(screen, done)
            say_checks(screen, found, asked=promote)

        made = asked(
            home, both, as_of=as_of, since=start, until=end, into=into, promote=promote, engine=engine,
            on_compared=compared,
        )  # fmt: skip
        if as_json:
            print_json(made.document)
        else:
            for sentence in _kept(home.path, both, made, promote=promote):
                screen.say(sentence)
    if promote and not made.possible:
        raise StoreError("not promoted: nothing was changed", next_step="the checks above say what is in the way")


def _kept(home: Path, both: Both, made: Reprocessing, *, promote: bool) -> list[str]:
    """Where the outcome went, and what keeps it."""
    from coattail.alerts import DISCLAIMER
    from coattail.workspace.questions.reprocess import BRANCH

    run, branch = made.done.request.run_id, made.into.removeprefix(BRANCH)
    said: list[str] = []
    if branch == made.into:
        query = f"SELECT verdict, causes, detected_at, alert_type, reason FROM {made.into} WHERE run_id = '{run}'"
        written = f"run {run} is written to {made.into}"
        said.append(written if made.written else f"run {run} is in {made.into} already: nothing was written")
        said.append(f"  look: {line(home, 'sql', query)}")
    elif made.promoted:
        said.append(
            f"promoted: {made.revised:,} alerts revised or retracted, in the tables and in the hot store"
            if made.revised
            else "nothing to promote: the current alerts are these already"
        )
        said.append(_advice(both))
    elif not promote and not made.written:
        said.append(f"the branch {branch} holds this run already: nothing was written")
    elif not promote:
        said.append(f"the branch {branch} of anomaly_alerts holds {made.revised:,} revisions; main is as it was")
        said.append(f"  look: SELECT * FROM anomaly_alerts FOR VERSION AS OF '{branch}'")
    return [*said, DISCLAIMER]


def _advice(both: Both) -> str:
    """What keeps a later engine from undoing it."""
    from coattail.workspace.questions.settings import lines_for_the_home

    wanted = lines_for_the_home(both)
    if not wanted:
        return "the settings are those of this home: engines go on with them"
    return (
        "an engine with other settings revises them again wherever new data reach; to go on with these, put this line "
        f"into coattail.yaml of the home:\n  {wanted}"
    )
