"""Options that choose an engine and a stream, for every command that runs one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from coattail.errors import UsageError

if TYPE_CHECKING:
    from coattail.engines.engine import Engine

ENGINES = ("local", "spark")

EngineOption = Annotated[
    str, typer.Option("--engine", metavar="NAME", help="local, or spark (needs Java 17). Same results.")
]
StreamOption = Annotated[
    str | None,
    typer.Option("--stream", metavar="URL", help="Another stream than the home's: kinesis://NAME?region=…"),
]


def engine_class(name: str) -> type[Engine]:
    """The class of an engine.

    Raises: UsageError: If there is none of that name.
    """
    if name == "local":
        from coattail.engines.local import LocalEngine

        return LocalEngine
    if name == "spark":
        from coattail.engines.spark import SparkEngine

        return SparkEngine
    raise UsageError(f"unknown engine {name!r}", next_step=f"choose one of: {', '.join(ENGINES)}")


def stream_flag(url: str | None) -> dict[str, object]:
    """The setting that `--stream` overrides."""
    return {} if url is None else {"stream.url": url}
