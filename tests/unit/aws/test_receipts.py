"""What jobs have used, at which price, beside the estimate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from coattail.aws.costs.receipts import BILLED, NOBODY, USED, CostReceipt, receipt_of, receipt_words
from coattail.jobs.base import JobCost, JobSeen, JobState
from coattail.prices import list_prices
from coattail.tiers import workers_of

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
DONE = JobSeen(
    id="00a", job="stream", place="EMR Serverless (00f1)", state=JobState.SUCCEEDED, stage="SUCCESS", submitted_at=NOON,
    started_at=NOON, ended_at=NOON + timedelta(hours=2),
    cost=JobCost(seconds=7200, billed=True, vcpu_hours=8.0, memory_gb_hours=16.0, storage_gb_hours=10.0, dollars=0,
                 priced=""),
)  # fmt: skip


def receipt(*seen: JobSeen, emulated: bool = False) -> CostReceipt:
    return receipt_of(
        seen, list_prices("us-west-2"), workers_of("small"), "arm64", place="EMR Serverless (00f1)", tier="small",
        emulated=emulated, since=NOON - timedelta(days=1),
    )  # fmt: skip


def test_quantities_are_the_services_and_dollars_are_of_list_prices() -> None:
    """Two hours of 4 vCPU and 8 GB, and 10 GB-hours of disk, reckoned by hand."""
    found = receipt(DONE)
    assert found.jobs[0].quantities == BILLED
    assert found.dollars == pytest.approx(8 * 0.042094 + 16 * 0.004628 + 10 * 0.000111)
    assert found.estimated == pytest.approx(2 * (4 * 0.042094 + 8 * 0.004628))
    assert found.ratio == pytest.approx(found.dollars / found.estimated)
    assert (found.vcpu_hours, found.memory_gb_hours, found.storage_gb_hours) == (8, 16, 10)


def test_jobs_are_summed_the_last_one_first_and_those_that_have_not_begun_are_left_out() -> None:
    assert DONE.cost is not None
    running = msgspec.structs.replace(
        DONE, id="00b", state=JobState.RUNNING, started_at=NOON + timedelta(hours=3), ended_at=None,
        cost=msgspec.structs.replace(DONE.cost, billed=False, storage_gb_hours=0.0),
    )  # fmt: skip
    waiting = msgspec.structs.replace(DONE, id="00c", state=JobState.SUBMITTED, started_at=None, cost=None)
    found = receipt(waiting, DONE, running)
    assert [(each.id, each.quantities) for each in found.jobs] == [("00b", USED), ("00a", BILLED)]
    assert found.vcpu_hours == 16
    assert found.dollars == pytest.approx(sum(each.dollars for each in found.jobs))
    words = receipt_words(found)
    for said in ("2 jobs: 16.0000 vCPU-hours, 32.0000 GB-hours of memory, 10.0000 of disk", BILLED, USED,
                 "about $0.8227 by list prices of us-west-2, 2026-11-27", "it came to 1.00 times that"):  # fmt: skip
        assert said in words


def test_an_emulation_is_billed_by_nobody() -> None:
    assert [each.quantities for each in receipt(DONE, emulated=True).jobs] == [NOBODY]


def test_nothing_has_no_ratio() -> None:
    found = receipt()
    assert (found.jobs, found.dollars, found.ratio) == ([], 0, None)
    assert receipt_words(found) == "no job has run on EMR Serverless (00f1) since 2026-11-26 12:00:00Z"
