"""Resources of a Terraform plan -> what they cost as long as they are there.

A type is free, billed by use, or priced here. Anything else is an error with its address: a sum that leaves out what it
does not know is not an estimate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coattail.aws.costs.items import CostItem, Unbilled, item
from coattail.aws.costs.kinds import BY_USE, FREE, OTHERWISE
from coattail.errors import CoattailError
from coattail.prices import PriceTable

FREE_ALARMS, FREE_DASHBOARDS = 10, 3
"""Of an account, if it has no others. Source: aws.amazon.com/cloudwatch/pricing, free tier."""


class UnpricedResource(CoattailError):
    """A plan holds what is not priced here."""


@dataclass(frozen=True)
class PlannedResource:
    """One resource, as `terraform show -json` says it."""

    address: str
    type: str
    values: Mapping[str, Any]

    @property
    def module(self) -> str:
        """Where it is: `module.network`; empty at the root."""
        return self.address.rpartition(f"{self.type}.")[0]


def standing_items(resources: Sequence[PlannedResource], prices: PriceTable) -> list[CostItem]:
    """What they cost in an hour, used or not.

    Raises: UnpricedResource: With the address of each whose type, or setting, is not priced here.
    """
    wrong = [f"{each.address} ({why})" for each in resources if (why := _unpriced(each)) is not None]
    if wrong:
        raise UnpricedResource(
            f"it is not known here what {', '.join(wrong)} costs",
            next_step="leave it out of the plan, or say its price in coattail/aws/costs",
        )
    found: list[CostItem] = []
    for kind, priced in PRICED.items():
        if mine := [each for each in resources if each.type == kind]:
            found += priced(mine, resources, prices)
    return found


def unbilled(resources: Sequence[PlannedResource]) -> list[Unbilled]:
    """Types that cost nothing by being there, and why."""
    counts = Counter(each.type for each in resources)
    said = {**FREE, **{kind: f"billed {how}" for kind, how in BY_USE.items()}}
    return [Unbilled(type=kind, count=counts[kind], because=said[kind]) for kind in sorted(counts) if kind in said]


def _unpriced(resource: PlannedResource) -> str | None:
    kind = resource.type
    if kind not in FREE and kind not in BY_USE and kind not in PRICED:
        return kind
    why = OTHERWISE[kind](resource.values) if kind in OTHERWISE else None
    return None if why is None else f"{kind}: {why}"


_Priced = Callable[[Sequence[PlannedResource], Sequence[PlannedResource], PriceTable], Iterator[CostItem]]


def _streams(mine: Sequence[PlannedResource], _: Sequence[PlannedResource], prices: PriceTable) -> Iterator[CostItem]:
    yield item(prices, "kinesis_stream_hour", len(mine), _counted(len(mine), "stream"), by_use=False)


def _endpoints(
    mine: Sequence[PlannedResource], every: Sequence[PlannedResource], prices: PriceTable
) -> Iterator[CostItem]:
    """An endpoint is billed in each zone. Which subnets it has is known when they are there: in a plan it is in all of
    its module."""
    hours = 0
    interfaces = [each for each in mine if each.values.get("vpc_endpoint_type") == "Interface"]
    for each in interfaces:
        subnets = [one for one in every if one.type == "aws_subnet" and one.module == each.module]
        zones = {one.values.get("availability_zone") for one in subnets}
        hours += len(each.values.get("subnet_ids") or zones) or 1
    if interfaces:
        said = f"{_counted(len(interfaces), 'interface endpoint')} in {_counted(hours // len(interfaces), 'zone')}"
        yield item(prices, "endpoint_hour", hours, said, by_use=False)


def _keys(mine: Sequence[PlannedResource], _: Sequence[PlannedResource], prices: PriceTable) -> Iterator[CostItem]:
    yield item(
        prices, "kms_key_month", len(mine), _counted(len(mine), "key"), when="always", by_use=False, monthly=True
    )


def _alarms(mine: Sequence[PlannedResource], _: Sequence[PlannedResource], prices: PriceTable) -> Iterator[CostItem]:
    """By the metrics that they look at."""
    metrics = sum(
        max(sum(bool(query.get("metric")) for query in each.values.get("metric_query") or ()), 1) for each in mine
    )
    said = f"metrics of {_counted(len(mine), 'alarm')}, {FREE_ALARMS} of an account free"
    billed = max(metrics - FREE_ALARMS, 0)
    yield item(prices, "cloudwatch_alarm_month", billed, said, when="always", by_use=False, monthly=True)


def _dashboards(
    mine: Sequence[PlannedResource], _: Sequence[PlannedResource], prices: PriceTable
) -> Iterator[CostItem]:
    billed = max(len(mine) - FREE_DASHBOARDS, 0)
    said = f"{_counted(len(mine), 'dashboard')}, {FREE_DASHBOARDS} of an account free"
    yield item(prices, "cloudwatch_dashboard_month", billed, said, when="always", by_use=False, monthly=True)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


PRICED: Mapping[str, _Priced] = {
    "aws_kinesis_stream": _streams,
    "aws_vpc_endpoint": _endpoints,
    "aws_kms_key": _keys,
    "aws_cloudwatch_metric_alarm": _alarms,
    "aws_cloudwatch_dashboard": _dashboards,
}
"""Type -> the items of all its resources."""
