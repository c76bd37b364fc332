"""`coattail coverage`: which trades are here, and exactly which are not."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.options import SinceOption, UntilOption
from coattail.cli.output import print_json, print_table
from coattail.workspace.covered import BROAD, WIDE
from coattail.workspace.text import clock, printable
from coattail.workspace.timeline import PIPED

if TYPE_CHECKING:
    import polars as pl

ExchangeOption = Annotated[
    str | None, typer.Option("--exchange", metavar="NAME", help="Show only this exchange, like binance.")
]
SymbolOption = Annotated[
    str | None, typer.Option("--symbol", metavar="SYMBOL", help="Show only this symbol, like BTC-USDT.")
]
GapsOption = Annotated[bool, typer.Option("--gaps", help="List every gap with its ids and times.")]


@command("coverage", examples=["coattail coverage", "coattail coverage --symbol BTC-USDT --gaps --since 2h"])
def coverage(
    session: Session, *, exchange: ExchangeOption = None, symbol: SymbolOption = None, gaps: GapsOption = False,
    since: SinceOption = None, until: UntilOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Draw which trade ids are here, and which are missing.

    Coverage is landed / (landed + missing in gaps), rounded down. Fetched ids, of those that landed, were not heard
    live. Ids between two sessions are unobserved, not missing; rejected ones are in the DLQ. Where an exchange's ids
    are only unique, no missing id can be noticed. In the drawing a gap marks every column that it meets, however short
    it is. --since and --until are times of the market, to 10 seconds.

    JSON: {"instruments": [...], "gaps": [...] or null without --gaps}; see docs/CLI.md.
    """
    from coattail.workspace import coverage as room

    query = room.ledger_query(exchange, symbol, since, until)
    stores = session.stores()
    if as_json:
        print_json(room.coverage(stores, query, with_gaps=gaps))
        return
    terminal = sys.stdout.isatty()
    columns = shutil.get_terminal_size().columns if terminal else PIPED
    found = room.covered(stores, query, columns=columns)
    if not len(found) and query.timed:
        print("nothing of this time has landed, or is known to be missing")
    elif not len(found):
        print("nothing has landed yet, so nothing can be missing")
    else:
        for part in found.counted(columns=_room(), terminal=terminal):
            print(part)
        print(f"\n{found.timeline.words(terminal=terminal)}")
        if gaps:
            _print_gaps(room.gaps(stores, query))


def _print_gaps(gaps: pl.DataFrame) -> None:
    if gaps.is_empty():
        print("no gaps")
        return
    print()
    columns = ["exchange", "symbol", "first id", "last id", "missing", "after", "before", "cause"]
    shown = len(columns) if _room() >= BROAD else len(columns) - 1
    rows = [
        (g["exchange"], g["symbol"], g["first_id"], g["last_id"], f"{g['missing']:,}", clock(g["after"]),
         clock(g["before"]), printable(g["cause"] or "-"))[:shown]
        for g in gaps.iter_rows(named=True)
    ]  # fmt: skip
    print_table(columns[:shown], rows, right=columns[2:5])


def _room() -> int:
    """Columns of the terminal; in a pipe there is room for all."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
