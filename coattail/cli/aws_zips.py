"""`coattail aws zips`: what AWS Lambda runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.aws import aws

OutOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Write them into this folder.")]
ArchitectureOption = Annotated[
    str,
    typer.Option(
        "--architecture", metavar="NAME", help="Choose arm64 or x86_64, or here for emulated services on this machine."
    ),
]
PythonOption = Annotated[
    str | None,
    typer.Option(
        "--python", metavar="VERSION", help="The runtime's version, like 3.13. [default: that which runs this]"
    ),
]


@command(
    "zips",
    examples=[
        "coattail aws zips",
        "coattail aws zips --python 3.13 --out build",
        "coattail aws zips --architecture here",
    ],
    under=aws,
)
def zips(
    session: Session, *, out: OutOption = Path("build/lambdas"), architecture: ArchitectureOption = "arm64",
    python: PythonOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Pack the functions for AWS Lambda, without Docker.

    They are api, loader, gate and catalog, a zip each. The packages of requirements-lambda.lock are fetched by uv, or
    by pip where it is missing; nothing is built, and each has a hash. The same packages give the same bytes. zips.json,
    beside them, says what to tell Lambda of each.

    JSON: {"zips": [{"name", "file", "sha256", "handler", "runtime", "architecture", "packed_bytes", "unpacked_bytes",
    "files"}]}.
    """
    from coattail.aws.zips import make_zips
    from coattail.cli.output import print_json, progress
    from coattail.workspace.progress import Step

    with progress(silent=as_json) as heard:
        made = make_zips(out, architecture=architecture, python=python, said=lambda doing: heard(Step(doing)))
    if as_json:
        print_json(made)
        return
    for one in made.zips:
        size = f"{one.packed_bytes / 1e6:.1f} MB ({one.unpacked_bytes / 1e6:.1f} MB unpacked)"
        print(f"{out / one.file}  {size}  {one.runtime} {one.architecture}  {one.handler}")
