"""Lines of an estimate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from coattail.prices import PriceTable

HOURS_A_MONTH = 730
"""As AWS' own calculator has it."""

When = Literal["always", "streaming", "daily run"]
"""always: streaming or not. streaming: between start and stop. daily run: once for each."""


class CostItem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is billed."""

    service: str
    what: str
    quantity: float
    """Units in an hour; of a daily run, in the run."""
    unit: str
    price: float
    """Dollars for one unit."""
    dollars: float
    """In an hour; of a daily run, for it."""
    when: When
    by_use: bool
    """Whether it is billed only as far as it is used; else it is, as long as it is there."""
    confirmed: bool
    """Whether the price stands in a second place, or is yours."""


class Unbilled(msgspec.Struct, frozen=True, kw_only=True):
    """A type of resources of a plan without a line of its own."""

    type: str
    count: int
    because: str


def item(
    prices: PriceTable, name: str, quantity: float, what: str, *, when: When = "streaming", by_use: bool = True,
    monthly: bool = False,
) -> CostItem:  # fmt: skip
    """So many units of the price `name`, in an hour. monthly: The price is of a month, of which an hour is a part."""
    price = prices[name]
    amount = quantity / HOURS_A_MONTH if monthly else quantity
    return CostItem(
        service=price.service, what=what, quantity=amount, unit=price.unit, price=price.each,
        dollars=amount * price.each, when=when, by_use=by_use, confirmed=bool(price.confirmed),
    )  # fmt: skip


def total(items: Iterable[CostItem], *when: When) -> float:
    """Dollars in an hour of those, or of the run."""
    return sum(each.dollars for each in items if each.when in when)


def by_service(items: Sequence[CostItem], *when: When) -> list[tuple[str, float]]:
    """(Service, dollars), dearest first."""
    sums: dict[str, float] = defaultdict(float)
    for each in items:
        if each.when in when:
            sums[each.service] += each.dollars
    return sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))
