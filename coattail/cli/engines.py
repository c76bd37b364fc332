"""Options that choose an engine and a stream, for every command that runs one."""

from __future__ import annotations

from typing import Annotated

import typer

EngineOption = Annotated[
    str, typer.Option("--engine", metavar="NAME", help="local, or spark (needs Java 17). Same results.")
]
StreamOption = Annotated[
    str | None, typer.Option("--stream", metavar="URL", help="Another stream than the home's: kinesis://NAME?region=…")
]


def stream_flag(url: str | None) -> dict[str, object]:
    """The setting that `--stream` overrides."""
    return {} if url is None else {"stream.url": url}
