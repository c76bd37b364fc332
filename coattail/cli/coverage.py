"""`coattail coverage`: which trades are here, and exactly which are not."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.output import print_json, print_table
from coattail.cli.terminal import bar, clock, percent
from coattail.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from coattail.workspace.opening import Stores

_WIDE = 116
"""Columns of a terminal that has room for ids too."""

ExchangeOption = Annotated[str | None, typer.Option("--exchange", metavar="NAME", help="For example binance.")]
SymbolOption = Annotated[str | None, typer.Option("--symbol", metavar="SYMBOL", help="For example BTC-USDT.")]
GapsOption = Annotated[bool, typer.Option("--gaps", help="List every gap with its ids and times.")]


@command("coverage", examples=["coattail coverage", "coattail coverage --symbol BTC-USDT --gaps"])
def coverage(
    session: Session,
    *,
    exchange: ExchangeOption = None,
    symbol: SymbolOption = None,
    gaps: GapsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show, per instrument, which trade ids are here, missing, rejected or were never watched.

    Coverage is landed / (landed + missing in gaps), rounded down. Ids between two sessions are unobserved, not
    missing; rejected ones are in the DLQ.

    JSON: {"instruments": [...], "gaps": [...] or null without --gaps}; see docs/CLI.md.
    """
    stores = session.stores()
    rows = _chosen(stores, exchange, symbol)
    instruments = _instruments(stores, rows)
    holes = _gaps(rows) if gaps else None
    if as_json:
        print_json({"instruments": instruments, "gaps": holes})
        return
    if not instruments:
        print("nothing has landed yet, so nothing can be missing")
        return
    _print(instruments)
    if holes:
        print()
        columns = ["exchange", "symbol", "first id", "last id", "missing", "after", "before"]
        listed = [
            (g["exchange"], g["symbol"], g["first_id"], g["last_id"], f"{g['missing']:,}", g["after"], g["before"])
            for g in holes
        ]
        print_table(columns, listed, right=columns[2:5])
    elif holes is not None:
        print("no gaps")


def _chosen(stores: Stores, exchange: str | None, symbol: str | None) -> pl.DataFrame:
    from coattail.tables import COVERAGE

    rows = everything = stores.lake.scan(COVERAGE)
    for column, value in (("exchange", exchange and exchange.lower()), ("symbol", symbol and symbol.upper())):
        if value:
            known = sorted(set(everything[column]))
            if known and value not in known:
                raise UsageError(f"--{column} {value!r} has no trades here", next_step=f"known: {', '.join(known)}")
            rows = rows.filter(rows[column] == value)
    return rows.sort("exchange", "symbol", "first_id")


def _instruments(stores: Stores, rows: pl.DataFrame) -> list[dict[str, Any]]:
    import polars as pl

    from coattail.landing.coverage import LANDED_STATES
    from coattail.tables import BARS

    key = ["exchange", "symbol"]
    trades = stores.lake.scan(BARS, columns=(*key, "trades")).group_by(key).agg(pl.col("trades").sum())
    ids, state = pl.col("last_id") - pl.col("first_id") + 1, pl.col("state")
    landed = state.is_in(list(LANDED_STATES))
    summed = rows.group_by(key, maintain_order=True).agg(
        pl.col("first_id").filter(landed).min(),
        pl.col("last_id").filter(landed).max(),
        pl.col("first_ts").filter(landed).min().alias("first_trade"),
        pl.col("last_ts").filter(landed).max().alias("last_trade"),
        ids.filter(landed).sum().alias("landed"),
        (state == "gap").sum().alias("gaps"),
        *(
            ids.filter(state == s).sum().alias(n)
            for n, s in (("missing", "gap"), ("unobserved",) * 2, ("rejected",) * 2)
        ),
    )
    found = summed.join(trades, on=key, how="left", maintain_order="left").with_columns(pl.col("trades").fill_null(0))
    return [{**row, "coverage_pct": _percent(row)} for row in found.iter_rows(named=True)]


def _percent(row: dict[str, Any]) -> float | None:
    """Rounded down to six digits: 100 only if nothing is missing."""
    whole = row["landed"] + row["missing"]
    return row["landed"] * 10**8 // whole / 10**6 if whole else None


def _gaps(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Every gap, with the times of the trades around it."""
    return [
        {
            "exchange": row["exchange"],
            "symbol": row["symbol"],
            "first_id": row["first_id"],
            "last_id": row["last_id"],
            "missing": row["last_id"] - row["first_id"] + 1,
            "after": row["first_ts"],
            "before": row["last_ts"],
            "cause": row["cause"],
            "noticed_at": row["noticed_at"],
        }
        for row in rows.filter(rows["state"] == "gap").iter_rows(named=True)
    ]


def _print(instruments: list[dict[str, Any]]) -> None:
    columns = ["instrument", "coverage", "trades", "gaps", "missing", "unobserved", "rejected"]
    wide = not sys.stdout.isatty() or shutil.get_terminal_size().columns >= _WIDE
    if wide:
        columns.append("ids")
    rows = []
    for i in instruments:
        whole = i["landed"] + i["missing"]
        share = f"{bar(i['landed'] / whole if whole else 0, 6)} {percent(i['landed'], whole, 3):>9}"
        numbers = (f"{i[name]:,}" for name in ("gaps", "missing", "unobserved", "rejected"))
        ids = ["-" if i["first_id"] is None else f"{i['first_id']}-{i['last_id']}"] if wide else []
        rows.append((f"{i['exchange']} {i['symbol']}", share, f"{i['trades']:,}", *numbers, *ids))
    print_table(columns, rows, right=columns[1:])
    times = [(i["first_trade"], i["last_trade"]) for i in instruments if i["first_trade"]]
    if times:
        print(f"from {clock(min(first for first, _ in times))} to {clock(max(last for _, last in times))}")
