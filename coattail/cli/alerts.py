"""`coattail alerts`: the current alerts, and new ones as they come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.alerts import DISCLAIMER
from coattail.cli.app import JsonOption, Session, command
from coattail.cli.hints import line, program
from coattail.cli.options import SinceOption, UntilOption
from coattail.cli.output import print_json, print_json_line
from coattail.cli.screen import Screen
from coattail.workspace.times import maybe_when

if TYPE_CHECKING:
    from coattail.home import Home
    from coattail.workspace.alerts import AlertQuery
    from coattail.workspace.opening import Stores
    from coattail.workspace.page import Page

_FOLLOWED, _LISTED = 10, 50

TypeOption = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help="Show only this type, like volume_spike.")
]
SymbolOption = Annotated[
    str | None, typer.Option("--symbol", metavar="SYMBOL", help="Show only this symbol, like BTC-USDT.")
]
ExchangeOption = Annotated[
    str | None, typer.Option("--exchange", metavar="NAME", help="Show only this exchange, like binance.")
]
SeverityOption = Annotated[
    str | None,
    typer.Option("--severity", metavar="LEVEL", help="Show this level and above: low, medium, high, critical."),
]
StatusOption = Annotated[
    str | None, typer.Option("--status", metavar="STATUS", help="Show only provisional, final, or retracted ones.")
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Show at most N. [default: 50]")]
CursorOption = Annotated[
    str | None, typer.Option("--cursor", metavar="TEXT", help="Continue after a page, by its next_cursor.")
]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Follow new ones until Ctrl-C.")]


@command("alerts", examples=["coattail alerts --severity high", "coattail alerts --symbol BTC-USDT --follow"])
def alerts(
    session: Session, *, type_: TypeOption = None, symbol: SymbolOption = None, exchange: ExchangeOption = None,
    severity: SeverityOption = None, status: StatusOption = None, since: SinceOption = None, until: UntilOption = None,
    limit: LimitOption = None, cursor: CursorOption = None, follow: FollowOption = False, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """List the current alerts, newest first.

    --since and --until are about when it happened in the market. With --follow, the newest ten come first, oldest
    on top, and every new, revised or retracted alert gets a line of its own. --follow --since TIME begins with all that
    happened, or was written, since then: with the recorded_at of the last line, it goes on where it stopped.

    JSON: {"alerts": [...], "count", "has_more", "next_cursor", "disclaimer"}; with --follow one alert per line. See
    docs/CLI.md.
    """
    from coattail.workspace.alerts import AlertQuery, find

    now = datetime.now(UTC)
    query = AlertQuery(
        type=type_, symbol=symbol, exchange=exchange, severity=severity, status=status, cursor=cursor,
        since=maybe_when(since, "--since", now=now), until=maybe_when(until, "--until", now=now),
        limit=limit or (_LISTED if not follow else _FOLLOWED if since is None else None),
    )  # fmt: skip
    stores = session.stores()
    if follow:
        _follow(stores, query, as_json=as_json)
        return
    page = find(stores, query, now=now)
    if as_json:
        print_json(page.document())
    else:
        _print(page, stores.home)


def _print(page: Page, home: Home) -> None:
    screen = Screen()
    for alert in page.alerts:
        screen.say(screen.alert_line(alert))
    for note in page.notes(line=screen.alert_line, shown=page.count, more="--limit shows more"):
        screen.say(note)
    if not page.count and not page.elsewhere:
        screen.say(f"  look: {line(home.path, 'status')}    see some: {program()} demo")
    screen.say(DISCLAIMER)


def _follow(stores: Stores, query: AlertQuery, *, as_json: bool) -> None:
    from coattail.workspace.alerts import follow

    screen = Screen()
    try:
        changes = follow(stores, query)
        if not as_json:
            screen.say(DISCLAIMER)
        for found in changes:
            if as_json:
                print_json_line(found.document())
            else:
                screen.say(screen.alert_line(found.alert, found.change))
    except KeyboardInterrupt:
        return
