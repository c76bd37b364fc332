"""Options that several commands take."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from coattail.errors import UsageError

SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Start at this time: 2h, 3d, or ISO 8601 (UTC).")
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="End before this time: 2h, 3d, or ISO 8601 (UTC).")
]
EngineOption = Annotated[
    str, typer.Option("--engine", metavar="NAME", help="Run local, or spark (needs Java 17). Same results.")
]
StreamOption = Annotated[
    str | None,
    typer.Option("--stream", metavar="URL", help="Use another stream than the home's: kinesis://NAME?region=…"),
]


def stream_flag(url: str | None) -> dict[str, object]:
    """The setting that `--stream` overrides."""
    return {} if url is None else {"stream.url": url}


def pair(text: str, option: str, like: str) -> tuple[str, str]:
    """Name and value of an option that is written NAME=VALUE.

    Raises: UsageError: If it is not; `like` is how to write it.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"{option} {text!r} gives no value", next_step=f"write it like {like}")
    return name.strip(), value


def svg_file(out: Path | None) -> Path | None:
    """The file that `--out` names for a drawing.

    Raises: UsageError: If its name does not end in `.svg`.
    """
    if out is not None and out.suffix.lower() != ".svg":
        raise UsageError(f"--out {out} names another format, and charts are SVG", next_step=f"name it {out.stem}.svg")
    return out


def duration(text: str, option: str) -> timedelta:
    """How long an option says. Raises: UsageError: If it says no time."""
    from coattail.values import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} is not a time", next_step="write it like 60s or 5m") from error
