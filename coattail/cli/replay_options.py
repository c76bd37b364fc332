"""The options of `coattail replay`, and from their text to values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.errors import UsageError

if TYPE_CHECKING:
    from coattail.recordings.chosen import Chosen

PathsArgument = Annotated[
    list[str], typer.Argument(metavar="PATH", help="Recordings, or folders of them, here or at s3://BUCKET/FOLDER.")
]
ExchangeOption = Annotated[str | None, typer.Option("--exchange", metavar="NAME", help="Say whose recording it is.")]
FormatOption = Annotated[
    str, typer.Option("--format", metavar="NAME", help="Read as auto, or as a format of docs/FORMATS.md.")
]
MarketOption = Annotated[
    str | None, typer.Option("--market", metavar="NAME", help="Say which market: spot, usdm or coinm (futures).")
]
ColumnsOption = Annotated[
    str | None,
    typer.Option("--columns", metavar="F=C,…", help="Name a table's columns: time=ts,price=px,quantity=qty,id=n."),
]
SymbolOption = Annotated[
    str | None, typer.Option("--symbol", metavar="A-B", help="Name the instrument of a table or a bulk file (BTCUSDT).")
]
TimeUnitOption = Annotated[
    str | None,
    typer.Option("--time-unit", metavar="U", help="Read times as s, ms, us or ns (by size if left out); tables only."),
]
MakeIdsOption = Annotated[bool, typer.Option("--make-ids", help="Number the rows of a table that has no trade ids.")]
SideOption = Annotated[
    str | None,
    typer.Option("--side", metavar="buy=W,sell=W", help="Say what words of a table's column side mean: buy=0,sell=1."),
]
SymbolsOption = Annotated[
    str | None, typer.Option("--symbols", metavar="A,B", help="Take only these: BTC-USDT,ETH-USDT.")
]
SpeedOption = Annotated[
    str, typer.Option("--speed", metavar="max|Nx", help="Replay as fast as possible, or N times as fast.")
]
NoLandOption = Annotated[bool, typer.Option("--no-land", help="Only feed the stream.")]


@contextmanager
def files_of(paths: Sequence[str]) -> Iterator[list[Path]]:
    """The paths; what is in a bucket has been fetched into a folder that goes with the block."""
    with ExitStack() as stack:
        found: list[Path] = []
        for path in paths:
            if not path.startswith("s3:"):
                found.append(Path(path))
                continue
            from coattail.producer.recorder_bucket import fetched
            from coattail.service_url import bucket_url

            folder = stack.enter_context(TemporaryDirectory(prefix="coattail-"))
            found += fetched(bucket_url("the path", path), Path(folder))
        yield found


def recordings_of(
    paths: Sequence[Path], *, format: str, exchange: str | None, market: str | None, columns: str | None,
    symbol: str | None, time_unit: str | None, make_ids: bool, side: str | None, symbols: str | None,
) -> Chosen:  # fmt: skip
    """The recordings that the options name, and how they are to be read."""
    from coattail.recordings import RowHints
    from coattail.recordings.chosen import choose

    hints = RowHints(
        columns=None if columns is None else columns_of(columns),
        symbol=symbol,
        time_unit=time_unit,  # type: ignore[arg-type]
        make_ids=make_ids,
        sides=None if side is None else sides_of(side),
    )
    return choose(
        paths, format=format, exchange=exchange, market=market, hints=hints,
        symbols=None if symbols is None else symbols_of(symbols),
    )  # fmt: skip


def columns_of(text: str) -> dict[str, str]:
    """Column by field, of `time=ts,price=px`."""
    from coattail.recordings import FIELDS

    return pairs_of(text, "--columns", FIELDS, like="time=ts,price=px,quantity=qty,id=trade_id")


def sides_of(text: str) -> dict[str, str]:
    """Side by word, in small letters, of `buy=0,sell=1`."""
    found: dict[str, str] = {}
    for pair in text.split(","):
        side, equals, word = (part.strip().lower() for part in pair.partition("="))
        if side not in ("buy", "sell") or not (equals and word) or word in found:
            raise UsageError(
                f"--side {text!r} does not say which words mean buy and sell",
                next_step="write it like buy=0,sell=1; several words of a side: buy=b,buy=bid,sell=a",
            )
        found[word] = side
    return found


def pairs_of(text: str, option: str, fields: Sequence[str], *, like: str) -> dict[str, str]:
    """Column by field, of what an option says; `like` is how one writes it."""
    found: dict[str, str] = {}
    for pair in text.split(","):
        field, equals, column = (part.strip() for part in pair.partition("="))
        if not (field and equals and column) or field in found:
            raise UsageError(
                f"{option} {text!r} is not a list of FIELD=COLUMN, each field once",
                next_step=f"write it like {like}; fields: {', '.join(fields)}",
            )
        found[field] = column
    return found


def speed_of(text: str) -> float | None:
    """How many times as fast as recorded; None for `max`."""
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = math.nan
    if not (math.isfinite(speed) and speed > 0):
        raise UsageError(f"--speed {text!r} is not a speed", next_step="write max, 1x, 20x or 0.5x")
    return speed


def symbols_of(text: str) -> list[str]:
    """The symbols named, of `BTC-USDT,ETH-USDT`."""
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    if not wanted:
        raise UsageError(f"--symbols {text!r} names none", next_step="write them like BTC-USDT,ETH-USDT")
    return wanted
