"""`coattail backfill`: history from the exchanges, landed like live trades."""

from __future__ import annotations

from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.options import EngineOption, SinceOption, StreamOption, UntilOption, stream_flag

WantedArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SYMBOL", help="Instruments, like BTC-USDT or binance:BTC-USDT. [default: those of the settings]"
    ),
]
ExchangesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--exchange", metavar="NAME", help="Ask this exchange; may come again. [default: those of the settings]"
    ),
]
SourceOption = Annotated[
    str,
    typer.Option(
        "--source", metavar="rest|bulk|files", help="Ask by id, read Binance's daily files, or those of a loader."
    ),
]
BulkFromOption = Annotated[
    str | None,
    typer.Option("--bulk-from", metavar="URL", help="Take daily files from this mirror, or from this folder."),
]
FilesFromOption = Annotated[
    str | None,
    typer.Option(
        "--files-from", metavar="URL", help="Where a loader put its files: s3://BUCKET/FOLDER?region=…, or a folder."
    ),
]
GapsOption = Annotated[bool, typer.Option("--gaps", help="Ask only for what is missing between trades that are here.")]
NewestFirstOption = Annotated[bool, typer.Option("--newest-first", help="Begin at the end.")]


@command(
    "backfill",
    examples=[
        "coattail backfill BTC-USDT BTC-USD --since 2d",
        "coattail backfill BTC-USDT --exchange binance --since 2025-03-01 --until 2025-03-02",
        "coattail backfill BTC-USDT --source bulk --since 2025-03-01 --until 2025-03-08",
        "coattail backfill --source files --files-from s3://coattail-raw/historical",
        "coattail backfill --gaps",
    ],
)
def backfill(
    session: Session,
    *,
    symbols: WantedArgument = None,
    since: SinceOption = None,
    until: UntilOption = None,
    exchange: ExchangesOption = None,
    source: SourceOption = "rest",
    bulk_from: BulkFromOption = None,
    files_from: FilesFromOption = None,
    gaps: GapsOption = False,
    newest_first: NewestFirstOption = False,
    engine: EngineOption = "local",
    stream: StreamOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch past trades from the exchanges, and land them.

    What has landed is not asked for again: after Ctrl-C or a kill the same command goes on where it was. At the end
    every id is accounted for; exit code 1 says that some are still missing, with why. With --gaps only what is missing
    between trades that are here is asked for (with --since or --until also what nobody listened to then).
    docs/BACKFILL.md.
    """
    from coattail.cli.firing import AlertLog
    from coattail.cli.output import print_json, progress
    from coattail.cli.screen import Screen
    from coattail.cli.stopping import stop_on_signals
    from coattail.workspace.times import between

    start, end = between(since, until)
    settings = session.settings(stream_flag(stream))
    home = session.home(create=True, write=True)

    from coattail.producer.bulk import BASE
    from coattail.workspace.backfill import backfill as load
    from coattail.workspace.loading import Wish

    wish = Wish(
        symbols=tuple(map(cased, symbols or ())),
        exchanges=tuple(name.lower() for name in exchange) if exchange else None,
        since=start,
        until=end,
        source=source,
        bulk_from=bulk_from or BASE,
        files_from=files_from,
        gaps=gaps,
    )
    with Screen(silent=as_json) as screen, stop_on_signals() as stop, progress(silent=as_json) as heard:
        done = load(
            home,
            settings,
            wish,
            newest_first=newest_first,
            engine=engine,
            alerts=AlertLog(screen, show=False),
            on_progress=heard,
            on_trouble=screen.say,
            stop=stop,
        )
    if as_json:
        print_json(done.document)
    else:
        for sentence in done.words():
            screen.say(sentence)
    if not done.document.complete:
        raise typer.Exit(1)


def cased(name: str) -> str:
    """An instrument as it is named, however it was typed."""
    exchange, colon, symbol = name.rpartition(":")
    return f"{exchange.lower()}{colon}{symbol.upper()}"
