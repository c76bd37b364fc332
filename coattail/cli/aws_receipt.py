"""`coattail aws receipt`: what jobs on EMR Serverless have used."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.aws import aws, there
from coattail.cli.aws_cost import RatesOption, today, warn_of_old
from coattail.errors import UsageError

JobsArgument = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Only these jobs.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Jobs submitted since: 2h, 3d, ISO 8601. [default: 24h]")
]


@command(
    "receipt",
    examples=[
        "coattail aws receipt",
        "coattail aws receipt --since 7d --json",
        "coattail aws receipt 00fu1n3v8k2q2k09 --rates ours.yaml",
    ],
    under=aws,
)
def receipt(
    session: Session, identities: JobsArgument = None, *, since: SinceOption = None, rates: RatesOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Show what jobs have used, as EMR Serverless billed it.

    vCPU-hours and GB-hours are the service's own, of a job that goes on those it has used so far. The dollars are these
    at list prices, or yours; no bill is read. Beside them stands what `coattail aws cost` says of as long a job.

    JSON: {"place", "since", "prices", "tier", "emulated", "jobs": [{"id", "job", "state", "started_at", "seconds",
    "vcpu_hours", "memory_gb_hours", "storage_gb_hours", "quantities", "dollars", "estimated"}], "vcpu_hours",
    "memory_gb_hours", "storage_gb_hours", "dollars", "estimated", "ratio"}.
    """
    from coattail.aws.costs.receipts import receipt_of, receipt_words
    from coattail.cli.output import print_json
    from coattail.jobs.emr import EmrJobs
    from coattail.jobs.opening import application_at
    from coattail.prices import given_prices
    from coattail.workspace.times import parse_when

    if identities and since is not None:
        raise UsageError("--since and the ids of jobs both say which", next_step="give one of them")
    settings = there(session).settings()
    on = application_at(settings.jobs.url or "", tier=settings.tier)
    jobs = EmrJobs(on)
    begin = None if identities else parse_when(since or "24h")
    wanted = identities or [
        seen.id for seen in jobs.newest(sys.maxsize) if begin is not None and seen.submitted_at >= begin
    ]
    prices = on.prices if rates is None else given_prices(rates, today=today(), otherwise=on.prices.region)
    warn_of_old(prices)
    found = receipt_of(
        [jobs.billed(identity) for identity in wanted], prices, on.workers, on.architecture, place=jobs.place,
        tier=on.tier, emulated=on.emulated, since=begin,
    )  # fmt: skip
    print_json(found) if as_json else print(receipt_words(found, terminal=sys.stdout.isatty()))
