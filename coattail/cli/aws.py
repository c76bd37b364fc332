"""`coattail aws`: what concerns services of AWS; jobs there are those of `coattail jobs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coattail.cli import jobs
from coattail.cli.app import JsonOption, Session, command, group
from coattail.cli.jobs import (
    DryRunOption,
    GraceOption,
    JobArgument,
    JobIdArgument,
    LimitOption,
    OptionOption,
    TailOption,
    TokenOption,
    WaitOption,
)
from coattail.config import AWS_FILE
from coattail.errors import UsageError
from coattail.place import AWS

MaybeJobIdArgument = Annotated[str | None, typer.Argument(metavar="[ID]", help="Show this one. [default: list all]")]

aws = group("aws", "Use services of AWS.")


@command(
    "submit",
    examples=[
        "coattail aws submit stream",
        "coattail aws submit stream -o drain=true --wait",
        "coattail aws submit maintain --dry-run",
    ],
    under=aws,
)
def submit(
    session: Session, job: JobArgument, *, option: OptionOption = None, token: TokenOption = None,
    dry_run: DryRunOption = False, wait: WaitOption = False, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Hand a job over to EMR Serverless.

    `coattail jobs submit --help` says which there are, and what each takes.

    JSON: as of `coattail jobs submit`.
    """
    jobs.submit(there(session), job, option=option, token=token, dry_run=dry_run, wait=wait, as_json=as_json)


@command("jobs", examples=["coattail aws jobs", "coattail aws jobs 00fu1n3v8k2q2k09 --json"], under=aws)
def list_jobs(
    session: Session, identity: MaybeJobIdArgument = None, *, limit: LimitOption = 20, as_json: JsonOption = False
) -> None:
    """List jobs on EMR Serverless, or show one.

    JSON: as of `coattail jobs list`; of one, as of `coattail jobs show`.
    """
    if identity is None:
        jobs.list_jobs(there(session), limit=limit, as_json=as_json)
    else:
        jobs.show(there(session), identity, as_json=as_json)


@command("logs", examples=["coattail aws logs 00fu1n3v8k2q2k09 --tail 50"], under=aws)
def logs(session: Session, identity: JobIdArgument, *, tail: TailOption = 20, as_json: JsonOption = False) -> None:
    """Show what a job said last.

    JSON: {"id", "lines"}.
    """
    jobs.log(there(session), identity, tail=tail, as_json=as_json)


@command("cancel", examples=["coattail aws cancel 00fu1n3v8k2q2k09 --grace 5m"], under=aws)
def cancel(
    session: Session, identity: JobIdArgument, *, grace: GraceOption = "60s", wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Have a job stop in order; what it has committed stays.

    JSON: as of `coattail jobs show`.
    """
    jobs.cancel(there(session), identity, grace=grace, wait=wait, as_json=as_json)


def there(session: Session) -> Session:
    """The same run, on AWS: in the place that was chosen, else that of the home's `aws.yaml`, else that of the only
    environment which the home knows.

    Raises: UsageError: If there are several, or no service is named that runs jobs.
    """
    if session.place is None:
        session.in_place(_usual_place(session.home_path()))
    if session.settings().jobs.url is None:
        raise UsageError(
            f"the place {session.place.name if session.place else ''} names nobody who runs jobs",
            next_step="set jobs.url there, as docs/AWS.md shows",
        )
    return session


def _usual_place(home: Path) -> str:
    from coattail.aws.operate.environment import environments, read_environment

    known = environments(home)
    if (home / AWS_FILE).exists() or not known:
        return AWS
    places = [read_environment(home, name).place for name in known]
    if len(places) > 1:
        raise UsageError(
            f"{home} knows {len(places)} environments: {', '.join(known)}",
            next_step=f"say which: coattail --place '{places[0]}' aws …",
        )
    return places[0]
