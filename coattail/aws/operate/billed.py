"""What costs money by the hour, as the services themselves say it.

Terraform is not asked, so that what it has forgotten is found, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from coattail.aws.operate.account import Services
from coattail.aws.operate.applications import UP, all_applications, runs_at_work
from coattail.aws.operate.environment import Environment
from coattail.errors import CoattailError
from coattail.jobs.emr_applications import LABEL
from coattail.prices import PriceTable, known_regions, list_prices
from coattail.tiers import workers_of
from coattail.workspace.text import table


class HourlyThings(msgspec.Struct, frozen=True, kw_only=True):
    """Things of one kind that cost money while they are there."""

    kind: str
    """streams, interface endpoints, NAT gateways, job runs or started applications."""
    names: list[str]
    """Those of the environment."""
    others: list[str]
    """Those of the account and region that are not the environment's."""
    unknown: str | None = None
    """Why nobody knows; None: it was asked and answered."""


class BilledDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What of an environment is billed by the hour. Printing it shows a line for each kind."""

    nothing: bool
    """Whether every service was asked, and nothing of the environment is there."""
    kinds: list[HourlyThings]

    def __str__(self) -> str:
        rows = [
            (each.kind, "?" if each.unknown else len(each.names), each.unknown or ", ".join(each.names) or "none",
             ", ".join(each.others) or None)
            for each in self.kinds
        ]  # fmt: skip
        return str(table(["billed by the hour", "count", "of this environment", "of others"], rows, right=["count"]))


def billed(services: Services) -> BilledDocument:
    """Ask each service what is there. One that does not answer is said, and is not taken for nothing."""
    kinds = [
        _found(kind, ask, services)
        for kind, ask in (
            ("streams", _streams), ("interface endpoints", _endpoints), ("NAT gateways", _gateways),
            ("job runs", _jobs), ("started applications", _started),
        )
    ]  # fmt: skip
    return BilledDocument(nothing=not any(each.names or each.unknown for each in kinds), kinds=kinds)


def prices_of(at: Environment) -> PriceTable:
    """List prices of the environment's region, or of the first whose prices are known: their table says which."""
    known = known_regions()
    return list_prices(at.region if at.region in known else known[0])


def hourly_dollars(found: BilledDocument, at: Environment) -> float | None:
    """What it costs an hour, by list prices: streams, endpoints in each zone, and workers of jobs. None where a service
    has not answered, or a NAT gateway is there, which infra/ never makes.
    """
    if at.emulated:
        return 0.0
    prices, workers = prices_of(at), workers_of(at.tier)
    named = {each.kind: each.names for each in found.kinds}
    if any(each.unknown for each in found.kinds) or named["NAT gateways"]:
        return None
    job = prices[f"emr_vcpu_hour_{at.architecture}"].each * workers.vcpus
    job += prices[f"emr_gb_hour_{at.architecture}"].each * workers.memory_gbs
    zones = len(at.variables.get("zones", ["a"]))
    return (
        prices["kinesis_stream_hour"].each * len(named["streams"])
        + prices["endpoint_hour"].each * len(named["interface endpoints"]) * zones
        + job * len(named["job runs"])
    )


_Split = Iterator[tuple[str, bool]]
"""A name, and whether it is of the environment."""


def _found(kind: str, ask: Callable[[Services], _Split], services: Services) -> HourlyThings:
    try:
        found = list(ask(services))
    except CoattailError as error:
        return HourlyThings(kind=kind, names=[], others=[], unknown=error.message)
    own, others = ([name for name, ours in found if ours is wanted] for wanted in (True, False))
    return HourlyThings(kind=kind, names=own, others=others)


def _streams(services: Services) -> _Split:
    for name in services.pages("kinesis", "list_streams", "StreamNames", "Kinesis"):
        yield name, services.environment.owns(name)


def _networks(services: Services) -> set[str]:
    """The environment's VPCs, by the name that infra/ gives them."""
    of_name = [{"Name": "tag:Name", "Values": [services.environment.name]}]
    return {each["VpcId"] for each in services.pages("ec2", "describe_vpcs", "Vpcs", "the VPCs", Filters=of_name)}


def _endpoints(services: Services) -> _Split:
    ours = _networks(services)
    kind = [{"Name": "vpc-endpoint-type", "Values": ["Interface"]}]
    for each in services.pages("ec2", "describe_vpc_endpoints", "VpcEndpoints", "the endpoints", Filters=kind):
        if each["VpcEndpointType"] == "Interface" and each.get("State", "").lower() not in ("deleted", "deleting"):
            yield each["ServiceName"].rpartition(".")[2], each["VpcId"] in ours or _is_named(each, services)


def _gateways(services: Services) -> _Split:
    ours = _networks(services)
    for each in services.pages("ec2", "describe_nat_gateways", "NatGateways", "the NAT gateways"):
        if each["State"] in ("pending", "available"):
            yield each["NatGatewayId"], each["VpcId"] in ours or _is_named(each, services)


def _is_named(thing: dict[str, Any], services: Services) -> bool:
    return any(tag["Key"] == "Name" and services.environment.owns(tag["Value"]) for tag in thing.get("Tags", []))


def _jobs(services: Services) -> _Split:
    for each, ours in all_applications(services):
        for run in runs_at_work(services, each["id"]):
            yield f"{run.get('name', 'job')} {run['id']}", ours


def _started(services: Services) -> _Split:
    for each, ours in all_applications(services):
        if each["state"] in UP and each["name"] != LABEL:
            yield each["name"], ours
