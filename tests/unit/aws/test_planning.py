"""What a plan says to a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from coattail.aws.costs.estimate import cost_of_tier
from coattail.aws.operate.environment import Environment
from coattail.aws.operate.planning import PlanDocument, PlannedChange
from coattail.aws.operate.starting import question
from coattail.prices import list_prices

DEV = Environment(environment="dev", account_id="123456789012", region="us-west-2")
COST = cost_of_tier("small", list_prices("us-west-2"))
STREAM = PlannedChange(address="module.kinesis.aws_kinesis_stream.trades[0]", action="create")


def planned(*changes: PlannedChange, drift: tuple[PlannedChange, ...] = (), emulated: bool = False) -> PlanDocument:
    return PlanDocument(
        environment="dev", emulated=emulated, streaming=True, changes=[*changes], drift=[*drift], cost=COST,
        log=Path("plan.jsonl"),
    )  # fmt: skip


def test_a_plan_says_what_it_makes_what_others_have_done_and_what_it_costs() -> None:
    deleted = PlannedChange(address=STREAM.address, action="delete")
    said = str(planned(STREAM, drift=(deleted,))).splitlines()
    assert said[:3] == [
        "resources: make 1", "  create   kinesis.aws_kinesis_stream.trades[0]",
        "  deleted by somebody else: kinesis.aws_kinesis_stream.trades[0]",
    ]  # fmt: skip
    assert f"about ${COST.hourly:.2f} an hour until it is stopped" in said[3]
    assert "list prices of us-west-2" in said[3]


def test_of_many_changes_the_first_are_shown_and_where_the_others_are() -> None:
    said = str(planned(*[STREAM] * 20))
    assert said.count("aws_kinesis_stream") == 12
    assert "… and 8 more: plan.jsonl" in said
    changed = [PlannedChange(address=f"aws_vpc.n{n}", action="update") for n in range(13)]
    gone = PlannedChange(address="aws_vpc.gone", action="delete")
    said = str(planned(STREAM, drift=(*changed, gone)))
    assert said.index("deleted by somebody else: aws_vpc.gone") < said.index("changed by somebody else: aws_vpc.n0")
    assert "… and 2 more that somebody else has changed" in said


@pytest.mark.parametrize("emulated", [True, False])
def test_the_question_before_a_start_has_the_price(emulated: bool) -> None:
    asked = question(DEV, planned(emulated=emulated), with_job=False)
    assert asked.startswith("start dev (account 123456789012, us-west-2, tier small): no change of services, no job; ")
    assert ("it costs nothing: local emulation" in asked) is emulated
    assert (f"${COST.hourly:.2f} an hour" in asked) is not emulated
