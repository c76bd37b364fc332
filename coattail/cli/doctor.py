"""`coattail doctor`: is everything here that is needed, and is the home healthy?"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command

RepairOption = Annotated[
    bool, typer.Option("--repair", help="Rebuild a damaged catalog or hot store; what was there is set aside.")
]


@command("doctor", examples=["coattail doctor", "coattail doctor --json", "coattail doctor --repair"])
def doctor(session: Session, *, repair: RepairOption = False, as_json: JsonOption = False) -> None:
    """Check the installation and the home.

    Exit code 1 if something is broken; what to do about it is printed below the table. With --repair, a damaged
    catalog is rebuilt from the tables' own metadata and a damaged hot store from the alerts in the lakehouse first.

    JSON: {"healthy": bool, "findings": [{"name", "state": "ok"|"note"|"broken", "detail", "remedy"}], "repaired":
    [sentence]}.
    """
    from coattail.cli.output import print_json
    from coattail.workspace import health
    from coattail.workspace.documents.health import health_document

    repaired = health.repair(session.home(write=True), session.settings()) if repair else []
    findings = health.check_installation()
    findings += health.check(
        session.home_path(),
        expected=session.home_option is not None,
        place=lambda: session.place,
        settings=session.settings,
        home=session.home,
    )
    found = health_document(findings, repaired=repaired)
    if as_json:
        print_json(found)
    else:
        if repair and not repaired:
            print("nothing to repair")
        print(*found.words(terminal=sys.stdout.isatty()), sep="\n")
    if not found.healthy:
        raise typer.Exit(1)
