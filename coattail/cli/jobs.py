"""`coattail jobs`: hand work over to a process of its own, or to EMR Serverless, and look at it from anywhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import JsonOption, Session, command, group
from coattail.cli.options import duration, pair

if TYPE_CHECKING:
    from coattail.jobs.base import Jobs
    from coattail.workspace.submitting import SubmittedJob

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="stream, reprocess, maintain, backfill or daily.")]
JobIdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="As `coattail jobs list`, or `coattail aws jobs`, shows it.")
]
OptionOption = Annotated[
    list[str] | None, typer.Option("--option", "-o", metavar="K=V", help="Set an option of the job; may be repeated.")
]
OnOption = Annotated[
    str | None,
    typer.Option("--on", metavar="URL", help="Let this run it: emr-serverless://APPLICATION?… [default: jobs.url]"),
]
TokenOption = Annotated[
    str | None, typer.Option("--token", metavar="TEXT", help="Submit it once, however often this token comes.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show the request as it would be sent.")]
WaitOption = Annotated[bool, typer.Option("--wait", help="Wait for its end; Ctrl-C ends the waiting only.")]
LimitOption = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="Show at most N.")]
TailOption = Annotated[int, typer.Option("--tail", metavar="N", min=1, help="Show the last N lines.")]
GraceOption = Annotated[str, typer.Option("--grace", metavar="TIME", help="Kill it if it has not stopped after this.")]

_jobs = group("jobs", "Submit work that runs on its own, and look after it.")


@command(
    "submit",
    examples=[
        "coattail jobs submit stream",
        "coattail jobs submit stream -o drain=true --wait",
        "coattail jobs submit daily -o day=2025-03-04 -o out=day.html --token daily-2025-03-04",
        "coattail jobs submit maintain --dry-run",
    ],
    under=_jobs,
)
def submit(
    session: Session, job: JobArgument, *, option: OptionOption = None, on: OnOption = None, token: TokenOption = None,
    dry_run: DryRunOption = False, wait: WaitOption = False, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Hand a job over; it goes on when this terminal closes.

    \b
    stream     land what the stream holds, and raise alerts: drain, engine
    reprocess  recompute alerts, and compare: changes, as_of, since, until, into, promote, engine
    maintain   few large files, few snapshots: table, older_than, engine
    backfill   fetch past trades: symbols, exchanges, since, until, gaps, source, files_from
    daily      the report of a day: day, out, symbols, light, share

    stream goes on until it is cancelled, or with -o drain=true until everything has landed. With --wait the exit code
    is 0 if the job succeeded, else 1.

    JSON: the job, {"id", "job", "place", "state", "progress", "reason", "result", "cost", …}; with --dry-run
    {"place", "request", "dollars_an_hour", "priced"}.
    """
    from coattail.cli.output import print_json
    from coattail.workspace import submitting
    from coattail.workspace.tasks import options_of

    options = options_of(job, dict(pair(text, "--option", "-o drain=true") for text in option or ()), written=True)
    jobs = _who(session, on, write=not dry_run)
    order = submitting.order_for(jobs, job, options, home=session.home(), chosen=session.chosen(), token=token)
    if dry_run:
        request = submitting.request_of(jobs, order)
        print_json(request) if as_json else print(request)
        return
    made = submitting.submit(jobs, order)
    if wait:
        made.wait(None if as_json else lambda line: print(line, flush=True))
    if as_json:
        print_json(made.document)
    elif not wait:
        _say(session, made, on)
    if wait and made.state != "succeeded":
        raise typer.Exit(1)


@command("list", examples=["coattail jobs list", "coattail jobs list --limit 5 --json"], under=_jobs)
def list_jobs(session: Session, *, limit: LimitOption = 20, on: OnOption = None, as_json: JsonOption = False) -> None:
    """List jobs, newest first.

    JSON: {"place", "jobs": [as `coattail jobs show` prints one]}.
    """
    from coattail.cli.output import print_json
    from coattail.workspace.submitting import list_jobs as listed

    there = listed(_who(session, on), limit)
    if as_json:
        print_json(there)
        return
    print(there.drawn(terminal=sys.stdout.isatty()) if there.jobs else there)


@command("show", examples=["coattail jobs show 7d5e17ec4f5b", "coattail jobs show 7d5e17ec4f5b --json"], under=_jobs)
def show(session: Session, identity: JobIdArgument, *, on: OnOption = None, as_json: JsonOption = False) -> None:
    """Show how a job is doing, and what it has cost.

    JSON: {"id", "job", "place", "state", "stage", "options", "submitted_at", "started_at", "ended_at", "progress",
    "reason", "result", "cost"}.
    """
    from coattail.cli.output import print_json

    job = _found(session, identity, on)
    print_json(job.document) if as_json else print(job)


@command("log", examples=["coattail jobs log 7d5e17ec4f5b --tail 50"], under=_jobs)
def log(
    session: Session,
    identity: JobIdArgument,
    *,
    tail: TailOption = 20,
    on: OnOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a job said last.

    JSON: {"id", "lines"}.
    """
    from coattail.cli.output import print_json

    job = _found(session, identity, on)
    print_json({"id": job.id, "lines": job.jobs.tail(job.id, tail)}) if as_json else print(job.log(tail))


@command(
    "cancel",
    examples=["coattail jobs cancel 7d5e17ec4f5b", "coattail jobs cancel 7d5e17ec4f5b --grace 5m"],
    under=_jobs,
)
def cancel(
    session: Session, identity: JobIdArgument, *, grace: GraceOption = "60s", wait: WaitOption = False,
    on: OnOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Have a job stop in order; what it has committed stays.

    It is asked by SIGTERM (on EMR Serverless by CancelJobRun), and killed after --grace if it has not stopped by then.
    A job that has ended stays as it is.

    JSON: as of `coattail jobs show`.
    """
    from coattail.cli.output import print_json

    within = duration(grace, "--grace")
    job = _found(session, identity, on).cancel(within)
    if wait:
        job.wait()
    print_json(job.document) if as_json else print(job)


def _who(session: Session, on: str | None, *, write: bool = False) -> Jobs:
    from coattail.workspace.submitting import jobs_of

    return jobs_of(session.home(write=write), session.settings(), on)


def _found(session: Session, identity: str, on: str | None) -> SubmittedJob:
    from coattail.workspace.submitting import found

    return found(_who(session, on), identity)


def _say(session: Session, made: SubmittedJob, on: str | None) -> None:
    from coattail.cli.hints import line

    print(made.document.line())
    there = () if on is None else ("--on", on)
    print(f"see how it is doing: {line(session.home_path(), 'jobs', 'show', made.id, *there)}")
