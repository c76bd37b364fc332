"""`coattail coverage`: which trades are here, and exactly which are not."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.options import SinceOption, UntilOption
from coattail.cli.output import print_json, print_table
from coattail.workspace.text import bar, clock, percent, printable
from coattail.workspace.timeline import PIPED

if TYPE_CHECKING:
    from coattail.workspace.documents.coverage import GapDocument, InstrumentDocument

_WIDE, _BROAD = 126, 100
"""Columns of a terminal that has room for ids too, and for bars and what was rejected."""

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
    found = room.coverage(stores, query, with_gaps=gaps)
    if as_json:
        print_json(found)
    elif not found.instruments and query.timed:
        print("nothing of this time has landed, or is known to be missing")
    elif not found.instruments:
        print("nothing has landed yet, so nothing can be missing")
    else:
        _print(found.instruments)
        terminal = sys.stdout.isatty()
        columns = shutil.get_terminal_size().columns if terminal else PIPED
        print(f"\n{room.timeline(stores, query, columns=columns).words(terminal=terminal)}")
        if found.gaps is not None:
            _print_gaps(found.gaps)


def _print(instruments: list[InstrumentDocument]) -> None:
    columns = ["instrument", "coverage", "trades", "fetched", "gaps", "missing", "unobserved", "rejected", "ids"]
    room = _room()
    shown = len(columns) if room >= _WIDE else len(columns) - 1 if room >= _BROAD else len(columns) - 2
    rows = []
    for i in instruments:
        whole = i.landed + i.missing
        share = f"{percent(i.landed, whole, 3):>9}"
        if room >= _BROAD:
            share = f"{bar(i.landed / whole if whole else 0, 6)} {share}"
        if i.ids == "unique":
            share = "ids only unique"
        numbers = (f"{n:,}" for n in (i.trades, i.fetched, i.gaps, i.missing, i.unobserved, i.rejected))
        ids = "-" if i.first_id is None else f"{i.first_id}-{i.last_id}"
        rows.append((f"{i.exchange} {i.symbol}", share, *numbers, ids)[:shown])
    print_table(columns[:shown], rows, right=columns[1:])
    firsts, lasts = [i.first_trade for i in instruments], [i.last_trade for i in instruments]
    if any(firsts):
        print(f"from {clock(min(t for t in firsts if t))} to {clock(max(t for t in lasts if t))}")


def _print_gaps(gaps: list[GapDocument]) -> None:
    if not gaps:
        print("no gaps")
        return
    print()
    columns = ["exchange", "symbol", "first id", "last id", "missing", "after", "before", "cause"]
    shown = len(columns) if _room() >= _BROAD else len(columns) - 1
    rows = [
        (g.exchange, g.symbol, g.first_id, g.last_id, f"{g.missing:,}", clock(g.after), clock(g.before),
         printable(g.cause or "-"))[:shown]
        for g in gaps
    ]  # fmt: skip
    print_table(columns[:shown], rows, right=columns[2:5])


def _room() -> int:
    """Columns of the terminal; in a pipe there is room for all."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDE
