"""`coattail quality`: how much of what came in was good, and why the rest was not."""

from __future__ import annotations

import sys

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.output import print_json


@command("quality", examples=["coattail quality", "coattail quality --json"])
def quality(session: Session, *, as_json: JsonOption = False) -> None:
    """Show how many records were good, and why others were not.

    The score is passed / (passed + failed); duplicates do not count. The last 24 hours count back from the newest
    commit. Rejected records are kept for some days: `coattail dlq list` shows them.

    JSON: {"all_time", "last_24h", "failures", "target", "alarm"}; see docs/CLI.md.
    """
    from coattail.workspace import quality as room

    found = room.quality(session.stores())
    if as_json:
        print_json(found)
    else:
        print(found.words(terminal=sys.stdout.isatty()))
