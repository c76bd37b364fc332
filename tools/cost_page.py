"""`python -m tools.cost_page docs/COST.md`: its tables, as `coattail aws cost` reckons them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

from coattail.aws.costs.estimate import CostEstimate, cost_of_tier
from coattail.aws.costs.items import by_service
from coattail.aws.costs.streams import StreamedLoad
from coattail.config import load_settings
from coattail.prices import DEFAULT_REGION, list_prices
from coattail.tiers import workers_of
from tools.page_tables import written

TIERS = ("small", "medium", "large")
RATES = (10, 100, 1_000, 10_000)
"""Trades a second."""
TRIGGERS = (timedelta(seconds=2), timedelta(seconds=10), timedelta(minutes=1))


def tables() -> dict[str, str]:
    """Name of a table on the page -> the table."""
    return {
        "tiers": _tiers(), "services": _services(), "forgotten": _forgotten(), "rates": _rates(), "prices": _prices()
    }  # fmt: skip


def _cost(tier: str = "small", *, architecture: str = "arm64", zones: int = 1, **load: float) -> CostEstimate:
    given = {"trigger_seconds": load_settings(None).engine.trigger.total_seconds(), **load}
    return cost_of_tier(
        tier, list_prices(DEFAULT_REGION), StreamedLoad(**given), architecture=architecture, zones=zones
    )


def _tiers() -> str:
    rows = []
    for tier in TIERS:
        workers, arm, x86 = workers_of(tier), _cost(tier), _cost(tier, architecture="x86_64")
        rows.append((
            tier, f"{workers.vcpus} / {workers.memory_gbs}", f"{arm.hourly:.2f}", f"{x86.hourly:.2f}",
            f"{arm.hourly * 8:.2f}", f"{arm.idle_daily:.3f}", f"{arm.daily_run:.3f}",
        ))  # fmt: skip
    heads = ("tier", "vCPU / GB", "an hour, arm64", "an hour, x86_64", "8 hours, arm64", "a day stopped", "a daily run")
    return _table(heads, rows)


def _services() -> str:
    found = _cost()
    rows = [(service, f"{dollars:.4f}", f"{dollars / found.hourly:.0%}") for service, dollars in
            by_service(found.items, "always", "streaming")]  # fmt: skip
    return _table(("service", "$ an hour", "share"), [*rows, ("all", f"{found.hourly:.4f}", "100%")])


def _forgotten() -> str:
    one, three = _cost(), _cost(zones=3)
    stream = 24 * next(each.dollars for each in one.items if each.unit == "stream-hour")
    ends = [24 * next(each.dollars for each in e.items if each.unit.startswith("endpoint-hour")) for e in (one, three)]
    rows = [
        ("the stream", f"{stream:.2f}", f"{stream * 30:.0f}"),
        ("four interface endpoints, one zone", f"{ends[0]:.2f}", f"{ends[0] * 30:.0f}"),
        ("four interface endpoints, three zones", f"{ends[1]:.2f}", f"{ends[1] * 30:.0f}"),
        ("a job of the tier small that follows the stream", f"{_job():.2f}", f"{_job() * 30:.0f}"),
    ]
    return _table(("what goes on", "$ a day", "$ in 30 days"), rows)


def _job() -> float:
    return 24 * sum(each.dollars for each in _cost().items if each.service == "EMR Serverless" and each.by_use
                    and each.when == "streaming")  # fmt: skip


def _rates() -> str:
    heads = ("trades a second", *(f"a batch every {t.total_seconds():g} s" for t in TRIGGERS))
    rows = [
        (f"{rate:,}", *(f"{_cost(trades_per_second=rate, trigger_seconds=t.total_seconds()).hourly:.2f}"
                        for t in TRIGGERS))
        for rate in RATES
    ]  # fmt: skip
    return _table(heads, rows)


def _prices() -> str:
    oregon, virginia = list_prices(DEFAULT_REGION), list_prices("us-east-1")
    rows = [
        (f"`{name}`", price.service, f"{price.dollars:.10f}".rstrip("0"), price.per, price.of.isoformat(), price.source,
         virginia.lines[name].confirmed or "-")
        for name, price in oregon.lines.items()
    ]  # fmt: skip
    return _table(("name", "service", "$", "for", "of", "source", "confirmed, us-east-1"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (heads, *rows)]
    return "\n".join([lines[0], "|---" * len(heads) + "|", *lines[1:]])


def main(page: Path) -> None:
    """Write the tables into the page. Raises: UsageError: If it has no place for one."""
    text = page.read_text(encoding="utf-8")
    for name, table in tables().items():
        text = written(text, name, table)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
