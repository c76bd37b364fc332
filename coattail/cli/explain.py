"""`coattail explain`: what an alert was computed from, in words, numbers and a chart, and whether it still holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from coattail.alerts import DISCLAIMER
from coattail.cli.app import JsonOption, Session, command
from coattail.cli.hints import line
from coattail.cli.output import print_json
from coattail.cli.screen import Screen
from coattail.cli.terminal import clock, printable, sparkline
from coattail.workspace.documents import plain

if TYPE_CHECKING:
    from coattail.engines.explain import Explained

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The alert's id, or its beginning.")]

_WIDTH = 60


@command("explain", examples=["coattail explain 3fa9c1d20b7e", "coattail explain 3fa9c1d20b7e --json"])
def explain(session: Session, identity: IdArgument, *, as_json: JsonOption = False) -> None:
    """Show why an alert was raised, and compute it again from the tables.

    Its evidence names the detector's parameters, the version, the commit, and a hash of the bars it was computed
    from. Equal bars must give the equal alert: anything else is an error (exit code 1). If trades came later, it says
    so, and whether the verdict changed.

    JSON: {"alert", "revisions": [{"revision", "status", "severity", "recorded_at"}], "evidence", "now": {"inputs",
    "bars", "alert"}, "verdict": reproduced, same, revised, waiting or different, "commits_since", "disclaimer"}.
    """
    from coattail.engines.explain import DIFFERENT
    from coattail.workspace import explained as room
    from coattail.workspace.documents.explained import explained_document

    stores = session.stores()
    found = room.explain(stores, identity)
    if as_json:
        print_json(explained_document(found))
    else:
        screen = Screen()
        for text in _lines(found):
            screen.say(text)
        screen.say()
        screen.say(f"more: {line(stores.home.path, 'explain', found.alert.alert_id, '--json')}")
        screen.say(DISCLAIMER)
    if found.verdict == DIFFERENT:
        raise typer.Exit(1)


def _lines(found: Explained) -> list[str]:
    from coattail.reports.why import why

    alert = found.alert
    return [
        printable(alert.message),
        f"{alert.alert_type}, {alert.severity}, {alert.status}, {clock(alert.detected_at)}, preset {alert.preset}",
        f"id {alert.alert_id}",
        "",
        *why(alert.module_id, alert.preset, alert.details),
        "",
        *_numbers(alert.details),
        *_chart(found),
        "",
        *_history(found),
        *_origin(found),
        "",
        _verdict(found),
    ]


def _numbers(details: str) -> list[str]:
    """The details, one per line, names in one column."""
    import msgspec

    values: dict[str, Any] = msgspec.json.decode(details)
    width = max(map(len, values), default=0)
    return [f"  {name:{width}}  {_value(value)}" for name, value in values.items()]


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.6f}".rstrip("0").rstrip(".")
    return "-" if value is None else printable(str(plain(value)))


def _chart(found: Explained) -> list[str]:
    """What was measured before it, as a line of bars; the alert is the last one."""
    measure = found.measure
    if measure is None or found.rows.height < 2:
        return []
    rows = found.rows.tail(_WIDTH)
    values = [abs(float(v)) if v is not None else None for v in rows[measure.column]]
    first = rows["detected_at"][0]
    return [
        "",
        f"  {measure.title} from {first:%H:%M} to {found.alert.detected_at:%H:%M} UTC",
        f"  {sparkline(values)}",
    ]


def _history(found: Explained) -> list[str]:
    if len(found.revisions) < 2:
        return []
    said = [
        f"  revision {alert.revision}: {alert.status}, {alert.severity}, written {clock(written)}"
        for alert, written in found.revisions
    ]
    return ["revised since it was first written:", *said, ""]


def _origin(found: Explained) -> list[str]:
    evidence = found.evidence
    if evidence is None:
        return ["no evidence was kept with it: it was written by an older version"]
    return [
        f"computed from {evidence.bars:,} bars, {clock(evidence.since)} to {clock(evidence.until)}, "
        f"commit {evidence.commit} of raw_trades",
        f"inputs {evidence.inputs}, configuration {evidence.config}, coattail {evidence.code}",
    ]


def _verdict(found: Explained) -> str:
    later = f"{found.later:,} commit{'' if found.later == 1 else 's'} of trades later"
    now = "no such alert" if found.again is None else f"{found.again.severity}: {printable(found.again.message)}"
    return {
        "reproduced": "REPRODUCED: computed again from the tables, the same inputs give the same alert",
        "same": f"SAME: the inputs were revised since ({later}); computed again, the verdict is the same",
        "revised": f"REVISED SINCE: the inputs are others now ({later}), and give {now}",
        "waiting": "NOT YET: its trades have landed, but the tables of bars follow once a minute; ask again then",
        "different": f"MISMATCH: the same inputs give {now}. This is an error: please report it with the JSON",
    }[found.verdict]
