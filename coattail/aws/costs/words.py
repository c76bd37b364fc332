"""An estimate as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from coattail.aws.costs.estimate import CostEstimate
from coattail.aws.costs.items import CostItem
from coattail.prices import MOST_AGE, ListPrice
from coattail.workspace.text import bar, table

_COLUMNS = ("service", "what", "amount", "unit", "$", "")
_GROUPS = {
    "always": "streaming or not, an hour",
    "streaming": "between start and stop, an hour",
    "daily run": "a daily run",
}


def words_of(estimate: CostEstimate, *, terminal: bool = False) -> str:
    """A table of what is billed, its sums, and what they rest on. terminal: Whether colours may be used."""
    parts = [f"{estimate.of}: {estimate.architecture}, estimate from {estimate.prices}"]
    if estimate.emulated:
        parts.append("local emulation: nobody bills it")
    for when, title in _GROUPS.items():
        if items := sorted((each for each in estimate.items if each.when == when), key=lambda each: -each.dollars):
            parts.append(f"\n{title}:\n{_drawn(items, terminal=terminal)}")
    return "\n".join([*parts, "", *_sums(estimate), "", *_grounds(estimate)])


def old_words(old: Sequence[ListPrice], today: date) -> str:
    """A warning that prices are old; empty where none is."""
    if not old:
        return ""
    oldest = min(old, key=lambda price: price.of)
    days = (today - oldest.of).days
    return (
        f"{len(old)} prices are older than {MOST_AGE.days} days, {oldest.name} by {days - MOST_AGE.days}: look at "
        f"{oldest.source}, and give what has changed with --rates FILE (docs/COST.md), or upgrade coattail"
    )


def _drawn(items: Sequence[CostItem], *, terminal: bool) -> str:
    most = max(each.dollars for each in items)
    rows = [
        (each.service, each.what, f"{each.quantity:,.4g}" if each.quantity < 1e4 else f"{each.quantity:,.0f}",
         each.unit, f"{each.dollars:.5f}", bar(each.dollars / most, 10) if most and each.dollars else "")
        for each in items
    ]  # fmt: skip
    return table(_COLUMNS, rows, right=("amount", "$"), terminal=terminal)


def _sums(estimate: CostEstimate) -> Iterator[str]:
    if estimate.streaming:
        yield f"{'an hour of streaming':24}${estimate.hourly:.3f}"
        if estimate.hours is not None:
            yield f"{f'{estimate.hours:g} hours of it':24}${estimate.total:.2f}"
    yield f"{'a day of it stopped':24}${estimate.idle_daily:.3f}"
    if estimate.streaming:
        yield f"{'a day of it forgotten':24}${estimate.forgotten_daily:.2f}, with nothing running and nothing stopped"
    yield f"{'a daily run':24}${estimate.daily_run:.3f}, if there is one"


def _grounds(estimate: CostEstimate) -> Iterator[str]:
    load = estimate.load
    if estimate.streaming:
        yield (
            f"assumed: {load['trades_per_second']:g} trades/s of {load['bytes_per_trade']:g} bytes, a batch every "
            f"{load['trigger_seconds']:g} s; an hour: {load['alerts_per_hour']:g} alerts, "
            f"{load['api_calls_per_hour']:g} calls of the API, {load['queries_per_hour']:g} queries"
        )
    yield f"assumed: {load['stored_gb']:g} GB stored, {load['daily_minutes']:g} minutes of a daily run's job"
    if free := [each for each in estimate.unbilled if not each.because.startswith("billed")]:
        yield f"free: {sum(each.count for each in free)} resources of {len(free)} types"
    if used := [each for each in estimate.unbilled if each.because.startswith("billed")]:
        yield f"billed by use: {', '.join(f'{each.count} {each.type}' for each in used)}"
    lacking = sum(not each.confirmed for each in estimate.items)
    if lacking:
        yield f"{lacking} of {len(estimate.items)} lines are by prices that nothing confirms (docs/COST.md)"
