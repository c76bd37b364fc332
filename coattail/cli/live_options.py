"""Options of the commands that listen to exchanges."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SymbolsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SYMBOL]...",
        help="Listen to these instead of those in coattail.yaml: binance:BTC-USDT coinbase:BTC-USD.",
        show_default=False,
    ),
]
RecordOption = Annotated[
    Path | None,
    typer.Option("--record", metavar="DIR", help="Keep every frame in this folder too; replay reads it back."),
]
SecondsOption = Annotated[
    float | None, typer.Option("--seconds", metavar="N", help="Stop after this long. [default: when stopped]")
]
