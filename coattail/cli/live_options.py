"""What the commands that listen to exchanges have in common."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.screen import Screen

if TYPE_CHECKING:
    from coattail.connectors import BaseConnector

SymbolsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SYMBOL]...",
        help="Listen to these instead of those in coattail.yaml: binance:BTC-USDT coinbase:BTC-USD.",
        show_default=False,
    ),
]
RecordOption = Annotated[
    str | None,
    typer.Option(
        "--record",
        metavar="DIR",
        help="Keep every frame in this folder or s3://BUCKET/FOLDER too; replay reads it back.",
    ),
]
SecondsOption = Annotated[
    float | None, typer.Option("--seconds", metavar="N", help="Stop after this long. [default: when stopped]")
]


@contextmanager
def noting_unlisted(screen: Screen, connectors: Sequence[BaseConnector]) -> Iterator[None]:
    """Say which instruments the exchanges do not list, as soon as they have answered: nothing waits for that."""
    from coattail.workspace import live

    def note() -> None:
        for sentence in live.unlisted(connectors):
            screen.say(f"note: {sentence}")

    asking = threading.Thread(target=note, name="unlisted", daemon=True)
    asking.start()
    try:
        yield
    finally:
        asking.join()  # it gives up within seconds
