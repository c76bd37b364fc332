"""`coattail aws bundle`: the archive that jobs on EMR Serverless run from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.aws import aws, there
from coattail.errors import UsageError

ArchitectureOption = Annotated[
    str | None,
    typer.Option(
        "--architecture",
        metavar="NAME",
        help="Choose arm64 or x86_64. [default: with --upload that of jobs.url, else arm64]",
    ),
]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="Keep the archive in this folder.")]
UploadOption = Annotated[bool, typer.Option("--upload", help="Put it where jobs.url says, with the entry points.")]
ToOption = Annotated[
    str | None, typer.Option("--to", metavar="URL", help="Put it there instead: s3://BUCKET/PREFIX?region=eu-central-1")
]


@command(
    "bundle",
    examples=[
        "coattail aws bundle --upload",
        "coattail aws bundle --architecture x86_64 --out build",
        "coattail aws bundle --to 's3://BUCKET/artifacts?region=eu-central-1'",
    ],
    under=aws,
)
def bundle(
    session: Session, *, architecture: ArchitectureOption = None, out: OutOption = None, upload: UploadOption = False,
    to: ToOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Pack what jobs run from, for either architecture, without Docker.

    The packages of requirements-emr.lock are fetched by uv, or by pip where it is missing; nothing is built, each has a
    hash, and each library is looked at. The name says the content: a bundle that is there already is not sent again.
    Put the name into jobs.url, as it is printed, and jobs say exactly what they run from.

    JSON: {"name", "architecture", "packed_bytes", "unpacked_bytes", "packages", "libraries", "path", "location",
    "sent", "jobs_url"}.
    """
    from coattail.aws.shipping import ship
    from coattail.cli.output import print_json, progress
    from coattail.jobs.artifacts import Artifacts
    from coattail.jobs.emr_request import ARCHITECTURES
    from coattail.jobs.opening import application_at

    artifacts = None if to is None else Artifacts(to, setting="--to")
    if upload and artifacts is None:
        on = application_at(there(session).settings().jobs.url or "")
        artifacts, architecture = Artifacts(on.url(), setting="jobs.url"), architecture or on.architecture
    if out is None and artifacts is None:
        raise UsageError("nothing says where the bundle goes", next_step="give --out FOLDER, --upload or --to URL")
    with progress(silent=as_json) as heard:
        made = ship(architecture or ARCHITECTURES[0], out=out, to=artifacts, on_progress=heard)
    print_json(made) if as_json else print(made)
