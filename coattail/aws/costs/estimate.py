"""What an environment costs: of any Terraform plan, or of a tier without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Literal, NamedTuple

import msgspec

from coattail.aws.costs.items import CostItem, Unbilled, total
from coattail.aws.costs.running import daily_items, stored_items, streaming_items
from coattail.aws.costs.standing import PlannedResource, standing_items, unbilled
from coattail.aws.costs.streams import StreamedLoad
from coattail.errors import UsageError
from coattail.jobs.emr_request import ARCHITECTURES
from coattail.prices import PriceTable, list_prices
from coattail.service_url import is_loopback
from coattail.tiers import workers_of

ENDPOINTS = 4
"""Interface endpoints of a plan that says nothing else; a test holds it against infra/variables.tf."""
_STREAM = "aws_kinesis_stream"


class CostEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """A sum of list prices; nobody was asked, and nothing was measured in an account."""

    of: str
    """What it is of: `tier small`, `plan, environment dev`."""
    tier: str
    architecture: str
    region: str
    prices: str
    """Which they are: `list prices of us-west-2, 2026-11-27`."""
    dated: date
    """The day of the oldest."""
    emulated: bool
    """Whether the plan is for a local emulation, which nobody bills."""
    streaming: bool
    """Whether there is a stream."""
    hourly: float
    """Dollars in an hour as it is: of streaming, where there is a stream."""
    idle_daily: float
    """Dollars in a day on which it is stopped."""
    forgotten_daily: float
    """Dollars in a day on which nothing runs, and nobody has stopped it."""
    daily_run: float
    """Dollars of a daily run: its batch job, functions and workflow."""
    hours: float | None = None
    """Of which the sum was asked for."""
    total: float | None = None
    """What that many hours cost, in dollars."""
    items: list[CostItem]
    unbilled: list[Unbilled]
    """Types of the plan without an item: free, or billed by use. Empty for a tier."""
    load: dict[str, float]
    """What was assumed: see `StreamedLoad`."""
    old: list[str] = []
    """Names of prices that nobody has looked at for half a year."""
    evidence: Literal["estimate"] = "estimate"


class PlanFacts(NamedTuple):
    """What a plan says of the environment."""

    environment: str | None
    region: str | None
    tier: str
    architecture: str
    emulated: bool


def cost_of_plan(
    document: Mapping[str, Any], prices: PriceTable | None = None, load: StreamedLoad | None = None, *,
    tier: str | None = None, architecture: str | None = None,
) -> CostEstimate:  # fmt: skip
    """What the resources of a plan cost, and, where it holds a stream, what an hour of streaming uses.

    document: As `terraform show -json PLAN` prints it, or `terraform show -json` of what is there. prices: None means
    list prices of the plan's region. load: None means the defaults of `StreamedLoad`. tier, architecture: None means
    as the plan says.
    Raises: UsageError: If it is not a plan. UnpricedResource: If it holds what is not priced here. ConfigError: If
    prices of its region, or its tier, are not known.
    """
    resources, facts = list(_resources(document)), facts_of(document)
    size = tier or facts.tier
    if prices is None:
        if facts.region is None:
            raise UsageError("the plan does not say its region", next_step="choose the prices: --region us-west-2")
        prices = list_prices(facts.region)
    where = "plan" if facts.environment is None else f"plan, environment {facts.environment}"
    return _estimate(
        where, resources, size, architecture or facts.architecture, prices, load or StreamedLoad(),
        emulated=facts.emulated,
    )  # fmt: skip


def cost_of_tier(
    tier: str, prices: PriceTable, load: StreamedLoad | None = None, *, architecture: str = "arm64", zones: int = 1
) -> CostEstimate:
    """What a tier costs with a stream, a key and interface endpoints, as infra/ makes them.

    zones: In each of which every interface endpoint is billed. Raises: ConfigError: If there is no such tier.
    """
    subnets = [PlannedResource(f"aws_subnet.{n}", "aws_subnet", {"availability_zone": n}) for n in range(zones)]
    interface = {"vpc_endpoint_type": "Interface"}
    endpoints = [PlannedResource(f"aws_vpc_endpoint.{n}", "aws_vpc_endpoint", interface) for n in range(ENDPOINTS)]
    stream = PlannedResource(f"{_STREAM}.trades", _STREAM, {"stream_mode_details": [{"stream_mode": "ON_DEMAND"}]})
    made = [stream, PlannedResource("aws_kms_key.this", "aws_kms_key", {}), *subnets, *endpoints]
    found = _estimate(f"tier {tier}", made, tier, architecture, prices, load or StreamedLoad())
    return msgspec.structs.replace(found, unbilled=[])


def facts_of(document: Mapping[str, Any]) -> PlanFacts:
    """What a plan says of the environment; where it says nothing, what infra/ takes by itself."""
    said = {name: one.get("value") for name, one in (document.get("variables") or {}).items()}
    return PlanFacts(
        environment=said.get("environment"), region=said.get("region"), tier=said.get("tier") or "small",
        architecture=said.get("architecture") or "arm64", emulated=is_loopback(said.get("endpoint")),
    )  # fmt: skip


def _estimate(
    of: str, resources: list[PlannedResource], tier: str, architecture: str, prices: PriceTable, load: StreamedLoad,
    *, emulated: bool = False,
) -> CostEstimate:  # fmt: skip
    if architecture not in ARCHITECTURES:
        raise UsageError(f"unknown architecture {architecture!r}", next_step=f"choose {' or '.join(ARCHITECTURES)}")
    workers = workers_of(tier)
    items = standing_items(resources, prices)
    streams = [each for each in resources if each.type == _STREAM]
    kept = max((each.values.get("retention_period") or 0 for each in streams), default=0)
    load = load if kept <= load.kept_hours else msgspec.structs.replace(load, kept_hours=kept)
    if streams:
        endpoints = any(each.service == "VPC" for each in items)
        items += streaming_items(load, workers, architecture, prices, endpoints=endpoints)
    if resources:
        items += stored_items(load, prices)
    items += daily_items(load, workers, architecture, prices)
    return CostEstimate(
        of=of, tier=tier, architecture=architecture, region=prices.region, prices=prices.said, dated=prices.of,
        emulated=emulated, streaming=bool(streams),
        hourly=total(items, "always", "streaming"), idle_daily=24 * total(items, "always"),
        forgotten_daily=24 * total([each for each in items if not each.by_use or each.when == "always"],
                                   "always", "streaming"),
        daily_run=total(items, "daily run"), items=items, unbilled=unbilled(resources),
        load=msgspec.structs.asdict(load),
    )  # fmt: skip


def _resources(document: Mapping[str, Any]) -> Iterator[PlannedResource]:
    """Every resource that would be there, or is."""
    held = document.get("planned_values") or document.get("values") if isinstance(document, Mapping) else None
    if not isinstance(held, Mapping) or "format_version" not in document:
        raise UsageError(
            "this is not a plan of Terraform",
            next_step="write one: terraform plan -out=plan; terraform show -json plan",
        )
    yield from _inside(held.get("root_module") or {})


def _inside(module: Mapping[str, Any]) -> Iterator[PlannedResource]:
    for one in module.get("resources", ()):
        if one.get("mode", "managed") == "managed":
            yield PlannedResource(one["address"], one["type"], one.get("values") or {})
    for child in module.get("child_modules", ()):
        yield from _inside(child)
