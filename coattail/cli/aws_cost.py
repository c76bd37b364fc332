"""`coattail aws cost`: what an environment on AWS costs, by list prices or yours."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.aws import aws
from coattail.errors import UsageError

if TYPE_CHECKING:
    from coattail.config import Settings
    from coattail.prices import ListPrice, PriceTable

PlanOption = Annotated[
    Path | None,
    typer.Option("--plan", metavar="FILE", help="Price this plan: what `terraform show -json PLAN` prints; -: stdin."),
]
RegionOption = Annotated[
    str | None, typer.Option("--region", metavar="NAME", help="Take its prices. [default: the plan's, or us-west-2]")
]
RatesOption = Annotated[
    Path | None, typer.Option("--rates", metavar="FILE", help="Take prices and a discount of yours (docs/COST.md).")
]
ArchitectureOption = Annotated[
    str | None,
    typer.Option("--architecture", metavar="NAME", help="Of jobs: arm64 or x86_64. [default: the plan's, or arm64]"),
]
ZonesOption = Annotated[
    int | None,
    typer.Option("--zones", metavar="N", min=1, max=3, help="Without a plan: in how many zones. [default: 1]"),
]
RateOption = Annotated[float | None, typer.Option("--rate", metavar="N", help="Land N trades a second. [default: 100]")]
BytesOption = Annotated[
    float | None, typer.Option("--bytes", metavar="N", help="Of a trade in the stream. [default: 165]")
]
TriggerOption = Annotated[
    float | None, typer.Option("--trigger", metavar="N", help="Seconds from batch to batch. [default: engine.trigger]")
]
AlertsOption = Annotated[float | None, typer.Option("--alerts", metavar="N", help="An hour. [default: 60]")]
CallsOption = Annotated[float | None, typer.Option("--calls", metavar="N", help="Of the API, an hour. [default: 360]")]
QueriesOption = Annotated[
    float | None, typer.Option("--queries", metavar="N", help="Of Athena, an hour, 10 MB each. [default: 6]")
]
StoredOption = Annotated[float | None, typer.Option("--stored", metavar="N", help="GB in S3. [default: 5]")]
MinutesOption = Annotated[
    float | None, typer.Option("--minutes", metavar="N", help="Of a daily run's job. [default: 10]")
]
HoursOption = Annotated[
    float | None, typer.Option("--hours", metavar="N", min=0, help="Say what N hours of streaming cost, too.")
]
FromHomeOption = Annotated[
    bool, typer.Option("--from-home", help="Land as many trades a second as this home did, on the average.")
]


@command(
    "cost",
    examples=[
        "coattail aws cost",
        "coattail aws cost --tier large --rate 2000 --hours 8",
        "coattail aws cost --plan plan.json --json",
        "coattail aws cost --rates ours.yaml --architecture x86_64",
    ],
    under=aws,
)
def cost(
    session: Session, *, plan: PlanOption = None, region: RegionOption = None, rates: RatesOption = None,
    architecture: ArchitectureOption = None, zones: ZonesOption = None, rate: RateOption = None,
    per_trade: BytesOption = None, trigger: TriggerOption = None, alerts: AlertsOption = None,
    calls: CallsOption = None, queries: QueriesOption = None, stored: StoredOption = None,
    minutes: MinutesOption = None, hours: HoursOption = None, from_home: FromHomeOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Estimate what AWS bills for a tier or a plan.

    An estimate from list prices; no service is asked, and no account is needed. A plan that holds what has no price
    here is refused, with its address (exit code 1). Prices older than 180 days are a warning.

    JSON: {"of", "tier", "architecture", "region", "prices", "dated", "emulated", "streaming", "hourly", "idle_daily",
    "forgotten_daily", "daily_run", "hours", "total", "items", "unbilled", "load", "old", "evidence"}; see docs/CLI.md.
    """
    import msgspec

    from coattail.aws.costs.estimate import cost_of_plan, cost_of_tier
    from coattail.aws.costs.streams import StreamedLoad
    from coattail.aws.costs.words import words_of
    from coattail.cli.output import print_json

    settings = _settings_here(session)
    given = {
        "trades_per_second": _rate(session, rate, from_home=from_home), "bytes_per_trade": per_trade,
        "trigger_seconds": settings.engine.trigger.total_seconds() if trigger is None else trigger,
        "alerts_per_hour": alerts, "api_calls_per_hour": calls, "queries_per_hour": queries, "stored_gb": stored,
        "daily_minutes": minutes,
    }  # fmt: skip
    load = StreamedLoad(**{name: value for name, value in given.items() if value is not None})
    document = None if plan is None else _document(plan)
    prices = _prices(region, rates, document)
    if document is not None:
        if zones is not None:
            raise UsageError("a plan says its zones itself", next_step="leave out --zones, and plan with zones=[…]")
        found = cost_of_plan(document, prices, load, tier=session.tier, architecture=architecture)
    else:
        found = cost_of_tier(settings.tier, prices, load, architecture=architecture or "arm64", zones=zones or 1)
    names = [price.name for price in warn_of_old(prices)]
    total = None if hours is None else hours * found.hourly
    found = msgspec.structs.replace(found, hours=hours, total=total, old=names)
    print_json(found) if as_json else print(words_of(found, terminal=sys.stdout.isatty()))


def _settings_here(session: Session) -> Settings:
    """The settings of this machine: those of a place on AWS would have to be asked for."""
    from coattail.config import load_settings

    return load_settings(
        session.home_path(), tier=session.tier, preset=session.preset, config_file=session.config_file,
        overrides=session.single or None,
    )  # fmt: skip


def _rate(session: Session, given: float | None, *, from_home: bool) -> float | None:
    """Trades a second."""
    if not from_home:
        return given
    if given is not None:
        raise UsageError("--rate and --from-home both say how many trades come", next_step="give one of them")
    from coattail.workspace.upkeep import growth

    raw = next((table for table in growth(session.stores()).tables if table.table == "raw_trades"), None)
    if raw is None or raw.bytes_per_day is None or not raw.live_bytes:
        raise UsageError(
            "this home is too young to say how many trades come: 6 h of snapshots are needed",
            next_step="give --rate TRADES_A_SECOND, as `coattail quality` counts them",
        )
    return max(raw.bytes_per_day, 0.0) * raw.rows / raw.live_bytes / 86_400


def _document(file: Path) -> dict[str, Any]:
    """The plan in a file, or on the standard input."""
    import msgspec

    try:
        text = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        document = msgspec.json.decode(text)
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror})", next_step="check the path") from error
    except msgspec.DecodeError as error:
        raise UsageError(
            f"{file} is not JSON ({error})",
            next_step="write it with: terraform plan -out=plan; terraform show -json plan > plan.json",
        ) from error
    return document if isinstance(document, dict) else {}


def _prices(region: str | None, rates: Path | None, plan: dict[str, Any] | None) -> PriceTable:
    """Those of the plan's region, if nothing else is asked for."""
    from coattail.aws.costs.estimate import facts_of
    from coattail.prices import DEFAULT_REGION, given_prices, list_prices

    where = (facts_of(plan).region if plan is not None else None) or DEFAULT_REGION
    if rates is not None:
        return given_prices(rates, region, today=today(), otherwise=where)
    return list_prices(region or where)


def warn_of_old(prices: PriceTable) -> list[ListPrice]:
    """Prices that nobody has looked at for too long, after a warning of them."""
    from coattail.aws.costs.words import old_words

    old = prices.old(today())
    if warning := old_words(old, today()):
        print(f"warning: {warning}", file=sys.stderr)
    return old


def today() -> date:
    """In UTC, by the clock."""
    return datetime.now(UTC).date()
