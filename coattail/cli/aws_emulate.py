"""`coattail aws emulate`: the services of AWS on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coattail.cli.app import Session, command
from coattail.cli.aws import aws

PortOption = Annotated[
    int, typer.Option("--port", metavar="N", min=0, max=65535, help="Listen on this port of 127.0.0.1; 0: any.")
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="FOLDER", help="Keep what the services hold there. [default: gone at the end]"),
]
_TRIED = (
    "coattail simulate --out market --hours 3 --rate 0.1",
    "coattail --place aws replay market --no-land",
    "coattail aws submit stream -o drain=true --wait",
    'coattail --place aws sql "SELECT symbol, count(*) AS trades FROM raw_trades GROUP BY symbol"',
)
_MADE_BY_TERRAFORM = ("coattail aws bootstrap --environment emulated", "coattail aws start")
EmptyOption = Annotated[bool, typer.Option("--empty", help="Make nothing in it: Terraform will.")]


@command(
    "emulate",
    examples=[
        "coattail aws emulate",
        "coattail aws emulate --port 4567 --data ./emulated",
        "coattail aws emulate --empty",
    ],
    under=aws,
)
def emulate(session: Session, *, port: PortOption = 4566, data: DataOption = None, empty: EmptyOption = False) -> None:
    """Try it without an account: emulate AWS here.

    Kinesis, S3, Glue, DynamoDB, SSM, EMR Serverless, Athena and Lake Formation answer at one address, until Ctrl-C.
    What coattail needs of them is made, and the home's aws.yaml names it. docs/AWS.md has a walk through it.
    """
    from coattail.aws.emulate.place import create, lines, write_settings
    from coattail.aws.emulate.serving import serve
    from coattail.home import Home

    home = Home.open(session.home_path(), create=True)

    def ready(endpoint: str) -> None:
        if not empty:
            create(endpoint)
            write_settings(home, endpoint)
        print(f"local emulation of AWS at {endpoint}: no account, nobody is billed. In another terminal:\n")
        print("\n".join(f"  {line}" for line in lines(home, endpoint)), end="\n\n")
        print("\n".join(f"  {line}" for line in (_MADE_BY_TERRAFORM if empty else _TRIED)), end="\n\n")
        print("permissions of Lake Formation are recorded, not enforced; Ctrl-C ends it, and", end=" ")
        print(f"{data} keeps what it holds" if data else "what it holds is gone then", flush=True)

    serve(port, data, ready)
