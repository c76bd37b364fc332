"""What jobs have used, as EMR Serverless says it, at which price, and beside it what `cost` would have said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from coattail.jobs.base import JobCost, JobSeen
from coattail.prices import PriceTable
from coattail.tiers import Workers
from coattail.workspace.text import clock, printable, table

BILLED, USED, NOBODY = "billed by EMR Serverless", "used so far, not billed yet", "local emulation: nobody bills it"
"""Whose word quantities are."""


class ReceiptLine(msgspec.Struct, frozen=True, kw_only=True):
    """One job that has begun."""

    id: str
    job: str
    state: str
    started_at: datetime
    seconds: float
    vcpu_hours: float
    memory_gb_hours: float
    storage_gb_hours: float
    """Of disk beyond 20 GB a worker."""
    quantities: str
    """Whose word they are: one of `BILLED`, `USED` and `NOBODY`."""
    dollars: float
    """The quantities, at `prices`: an estimate, as no bill was read."""
    estimated: float
    """What `cost` says of as many seconds of such a job."""


class CostReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What jobs have used."""

    place: str
    since: datetime | None
    """None: of the jobs that were asked for."""
    prices: str
    tier: str
    emulated: bool
    jobs: list[ReceiptLine]
    """The last one first."""
    vcpu_hours: float
    memory_gb_hours: float
    storage_gb_hours: float
    dollars: float
    estimated: float
    ratio: float | None
    """dollars / estimated: above 1, they took more than the estimate knew; None where nothing was estimated."""


def receipt_of(
    seen: Sequence[JobSeen], prices: PriceTable, workers: Workers, architecture: str, *, place: str, tier: str,
    emulated: bool, since: datetime | None = None,
) -> CostReceipt:  # fmt: skip
    """The receipt of those of these jobs that have begun.

    workers: Of a job of the tier, for the estimate. since: For when jobs were asked.
    """
    per_hour = {"vcpu": prices[f"emr_vcpu_hour_{architecture}"].each, "gb": prices[f"emr_gb_hour_{architecture}"].each}
    storage = prices["emr_storage_gb_hour"].each
    estimated = (workers.vcpus * per_hour["vcpu"] + workers.memory_gbs * per_hour["gb"]) / 3600

    def line(job: JobSeen, started: datetime, cost: JobCost) -> ReceiptLine:
        vcpu, memory, disk = (cost.vcpu_hours or 0.0, cost.memory_gb_hours or 0.0, cost.storage_gb_hours or 0.0)
        return ReceiptLine(
            id=job.id, job=job.job, state=job.state.value, started_at=started, seconds=cost.seconds, vcpu_hours=vcpu,
            memory_gb_hours=memory, storage_gb_hours=disk,
            quantities=NOBODY if emulated else BILLED if cost.billed else USED,
            dollars=vcpu * per_hour["vcpu"] + memory * per_hour["gb"] + disk * storage,
            estimated=cost.seconds * estimated,
        )  # fmt: skip

    begun = [line(job, job.started_at, job.cost) for job in seen if job.started_at is not None and job.cost is not None]
    lines = sorted(begun, key=lambda each: (each.started_at, each.id), reverse=True)
    dollars, reckoned = sum(each.dollars for each in lines), sum(each.estimated for each in lines)
    return CostReceipt(
        place=place, since=since, prices=prices.said, tier=tier, emulated=emulated, jobs=lines,
        vcpu_hours=sum(each.vcpu_hours for each in lines), memory_gb_hours=sum(each.memory_gb_hours for each in lines),
        storage_gb_hours=sum(each.storage_gb_hours for each in lines), dollars=dollars, estimated=reckoned,
        ratio=dollars / reckoned if reckoned else None,
    )  # fmt: skip


def receipt_words(receipt: CostReceipt, *, terminal: bool = False) -> str:
    """It, as a person reads it. terminal: Whether colours may be used."""
    if not receipt.jobs:
        since = "" if receipt.since is None else f" since {clock(receipt.since)}"
        return f"no job has run on {receipt.place}{since}"
    columns = ("id", "job", "state", "started", "seconds", "vCPU-hours", "GB-hours", "$", "estimate $", "quantities")
    rows = [
        (each.id, printable(each.job), each.state, clock(each.started_at), f"{each.seconds:,.0f}",
         f"{each.vcpu_hours:.4f}", f"{each.memory_gb_hours:.4f}", f"{each.dollars:.4f}", f"{each.estimated:.4f}",
         each.quantities)
        for each in receipt.jobs
    ]  # fmt: skip
    ratio = "" if receipt.ratio is None else f"; it came to {receipt.ratio:.2f} times that"
    return "\n".join([
        str(table(columns, rows, right=columns[4:9], terminal=terminal)),
        "",
        f"{len(rows)} jobs: {receipt.vcpu_hours:.4f} vCPU-hours, {receipt.memory_gb_hours:.4f} GB-hours of memory, "
        f"{receipt.storage_gb_hours:.4f} of disk",
        f"about ${receipt.dollars:.4f} by {receipt.prices}",
        f"estimated for the tier {receipt.tier}: ${receipt.estimated:.4f}{ratio}",
    ])  # fmt: skip
