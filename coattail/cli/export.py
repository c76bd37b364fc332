"""`coattail export`: rows of a table for other programs."""

from __future__ import annotations

from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.options import SinceOption, UntilOption
from coattail.errors import UsageError

TableArgument = Annotated[str, typer.Argument(metavar="TABLE", help="A table, or a view: raw_trades, alerts.")]
OutOption = Annotated[
    str, typer.Option("--out", metavar="F.parquet|F.csv|DIR/", help="Write this file, or DIR/ for one per day.")
]
SymbolOption = Annotated[str | None, typer.Option("--symbol", metavar="S", help="Export only this symbol: BTC-USDT.")]
ExchangeOption = Annotated[str | None, typer.Option("--exchange", metavar="NAME", help="Export only this exchange.")]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="WHEN", help="Read a snapshot, by its id, a tag, or a time: 2h.")
]
ColumnsOption = Annotated[
    str | None, typer.Option("--columns", metavar="A,B", help="Export only these columns, in this order.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
PayloadOption = Annotated[
    bool, typer.Option("--with-payload", help="Include raw_event_payload: what exchanges sent, word for word.")
]


@command(
    "export",
    examples=[
        "coattail export raw_trades --out trades.parquet --since 2d --symbol BTC-USDT",
        "coattail export alerts --out alerts.csv",
        "coattail export raw_trades --out archive/ --as-of daily-20250304",
    ],
)
def export(
    session: Session, *, table: TableArgument, out: OutOption, since: SinceOption = None, until: UntilOption = None,
    symbol: SymbolOption = None, exchange: ExchangeOption = None, as_of: AsOfOption = None,
    columns: ColumnsOption = None, force: ForceOption = False, with_payload: PayloadOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write rows of a table or view into Parquet or CSV files.

    An engine may run meanwhile. A file gets its name when it is whole. In CSV, a text that a spreadsheet would take
    for a formula begins with an apostrophe.

    JSON: {"table", "snapshot_id", "columns", "rows", "bytes", "files": [path], "since", "until", "seconds"}.
    """
    from datetime import UTC, datetime

    from coattail.cli.output import print_json, progress
    from coattail.workspace.times import maybe_when

    now = datetime.now(UTC)
    stores = session.stores()

    from coattail.workspace import exports

    with progress(silent=as_json) as heard:
        made = exports.export(
            stores, table, out, since=maybe_when(since, "--since", now=now),
            until=maybe_when(until, "--until", now=now), symbol=symbol, exchange=exchange, as_of=as_of,
            columns=None if columns is None else _names(columns), force=force, with_payload=with_payload,
            on_progress=heard,
        )  # fmt: skip
    if as_json:
        print_json(made.document)
        return
    print(made)


def _names(columns: str) -> list[str]:
    names = [name.strip() for name in columns.split(",") if name.strip()]
    if not names:
        raise UsageError("--columns names none", next_step="write it like exchange,symbol,price")
    return names
