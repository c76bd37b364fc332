"""`coattail status`: what is in the home, how fresh it is, and whether an engine runs."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.hints import line
from coattail.cli.output import print_json


@command("status", examples=["coattail status", "coattail status --json"])
def status(session: Session, *, as_json: JsonOption = False) -> None:
    """Show the state of the home: engine, trades, tables, alerts.

    Alerts are those of the last 24 hours of the market, back from its newest trade.

    JSON: {"home", "engine", "producer", "commit", "trades", "stream", "time", "tables", "alerts", "abstained", "disk",
    "maintenance", "forecast", "notify"}; see docs/CLI.md.
    """
    from coattail.workspace.state import state

    now = datetime.now(UTC)
    found = state(session.stores(), now=now)
    if as_json:
        print_json(found)
        return
    print(found.words(now, terminal=sys.stdout.isatty()))
    if found.commit is None:
        home = Path(found.home.path)
        print(f"see everything: {line(home, 'demo')}    land a recording: {line(home, 'replay', 'FILE')}")
