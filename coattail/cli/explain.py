"""`coattail explain`: what an alert was computed from, in words, numbers and a chart, and whether it still holds."""

from __future__ import annotations

from typing import Annotated

import typer

from coattail.alerts import DISCLAIMER
from coattail.cli.app import JsonOption, Session, command
from coattail.cli.hints import line
from coattail.cli.output import print_json
from coattail.cli.screen import Screen
from coattail.workspace.text import levels

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The alert's id, or its beginning.")]


@command("explain", examples=["coattail explain 3fa9c1d20b7e", "coattail explain 3fa9c1d20b7e --json"])
def explain(session: Session, identity: IdArgument, *, as_json: JsonOption = False) -> None:
    """Show why an alert was raised, and compute it again.

    Its evidence names the detector's parameters, the version, the commit, and a hash of the bars it was computed
    from. Equal bars must give the equal alert: anything else is an error (exit code 1). If trades came later, it says
    so, and whether the verdict changed.

    JSON: {"alert", "revisions": [{"revision", "status", "severity", "recorded_at"}], "evidence", "now": {"inputs",
    "bars", "alert"}, "verdict": reproduced, same, revised, waiting or different, "commits_since", "disclaimer"}.
    """
    stores = session.stores()

    from coattail.engines.explain import DIFFERENT
    from coattail.workspace import explained as room

    found = room.explain(stores, identity)
    if as_json:
        print_json(found.document)
    else:
        screen = Screen()
        for text in found.lines(levels=levels()):
            screen.say(text)
        screen.say()
        screen.say(f"more: {line(stores.home.path, 'explain', found.alert.alert_id, '--json')}")
        screen.say(DISCLAIMER)
    if found.verdict == DIFFERENT:
        raise typer.Exit(1)
