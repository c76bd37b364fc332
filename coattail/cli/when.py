"""Options for times: `--since 2h`, `--until 2024-08-08T12:00:00Z`."""

from __future__ import annotations

from typing import Annotated

import typer

SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="From this time on: 2h, 3d, or ISO 8601 (UTC).")
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Up to this time: 2h, 3d, or ISO 8601 (UTC).")
]
