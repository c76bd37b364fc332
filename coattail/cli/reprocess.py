"""`coattail reprocess`: the alerts again, from the trades as they were, perhaps with other settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.alerts import DISCLAIMER
from coattail.cli.app import JsonOption, Session, command
from coattail.cli.changes import SetOption, settings_asked
from coattail.cli.hints import line
from coattail.cli.options import EngineOption, SinceOption, UntilOption
from coattail.cli.output import print_json
from coattail.cli.screen import Screen
from coattail.errors import StoreError
from coattail.workspace.times import maybe_when

if TYPE_CHECKING:
    from coattail.engines.promote import Condition
    from coattail.engines.reprocess import Reprocessed

AsOfOption = Annotated[
    str | None,
    typer.Option("--as-of", metavar="WHEN", help="Read a snapshot, by its id, a tag, or a time. [default: newest]"),
]
IntoOption = Annotated[
    str | None,
    typer.Option("--into", metavar="TABLE", help="Write into this table, or branch:NAME: alerts on a branch."),
]
PromoteOption = Annotated[bool, typer.Option("--promote", help="Make the recomputed alerts the current ones.")]


@command(
    "reprocess",
    examples=[
        "coattail reprocess --as-of daily-20250304 --set volume-anomaly.budget=2",
        "coattail reprocess --since 2025-03-04T12:00 --until 2025-03-04T18:00 --set spread-calculator.fee_pct=0.2",
        "coattail reprocess --set volume-anomaly.budget=2 --promote",
    ],
)
def reprocess(
    session: Session, *, as_of: AsOfOption = None, since: SinceOption = None, until: UntilOption = None,
    set_: SetOption = None, into: IntoOption = None, promote: PromoteOption = False, engine: EngineOption = "local",
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Recompute alerts from the trades of a snapshot, and compare.

    What --set, --preset and --config change is asked for; the home's own settings (coattail.yaml) are the original
    ones. --since and --until are about when it happened in the market. --promote makes the recomputed alerts the
    current ones if the original settings reproduce the original alerts; no engine may run meanwhile.

    JSON: {"run", "into", "written", "as_of", "settings", "counts", "differences", "promote", …}. See docs/CLI.md.
    """
    now = datetime.now(UTC)
    start, end = maybe_when(since, "--since", now=now), maybe_when(until, "--until", now=now)
    both = settings_asked(session, set_ or [])
    home = session.home(write=True)

    from coattail.workspace.questions import words
    from coattail.workspace.questions.reprocess import reprocess as asked

    with Screen(silent=as_json) as screen:

        def compared(done: Reprocessed, found: Sequence[Condition]) -> None:
            said = words.compared(done, line=screen.alert_line)
            for sentence in (*said, *words.conditions(found, asked=promote)):
                screen.say(sentence)

        made = asked(
            home, both, as_of=as_of, since=start, until=end, into=into, promote=promote, engine=engine,
            on_compared=compared,
        )  # fmt: skip
        if as_json:
            print_json(made.document)
        else:
            for sentence in (*made.words(line=lambda *words: line(home.path, *words)), DISCLAIMER):
                screen.say(sentence)
    if promote and not made.possible:
        raise StoreError("not promoted: nothing was changed", next_step="the checks above say what is in the way")
