"""What a query on Athena has read, and what that costs at list prices."""

from __future__ import annotations

import msgspec

from coattail.prices import list_prices

COST = b"coattail.cost"
"""Key in the metadata of an answer's schema: JSON, a `QueryCost`."""

_PRICE = list_prices("us-east-1")["athena_tb"]
_TB, _MB = 2**40, 2**20
_LEAST_MB = 10
PRICED = f"list price of us-east-1, {_PRICE.of:%Y-%m}"
"""Of a TB scanned, rounded up to the megabyte, 10 MB at least. Source: aws.amazon.com/athena/pricing."""


class QueryCost(msgspec.Struct, frozen=True, kw_only=True):
    """A query that was run by somebody else."""

    query: str
    """Its id there."""
    place: str
    bytes: int
    """Scanned."""
    seconds: float
    """From asking to the answer."""
    emulated: bool
    note: str = ""
    """What the answer lacks; empty where it lacks nothing."""

    @property
    def dollars(self) -> float:
        """At list prices."""
        return max(-(-self.bytes // _MB), _LEAST_MB) * _MB / _TB * _PRICE.each

    @property
    def priced(self) -> str:
        """By which list."""
        return PRICED

    def said(self) -> str:
        """It, in a line, and its note in another."""
        amount = f"{self.bytes / 1e6:,.1f} MB" if self.bytes >= 1e5 else f"{self.bytes / 1e3:,.1f} kB"
        read = f"{amount} in {self.seconds:.1f} s"
        cost = f"about ${self.dollars:.5f} ({PRICED}: ${_PRICE.each:g} a TB, {_LEAST_MB} MB at least)"
        billed = f"nobody bills it; on AWS {cost}" if self.emulated else cost
        return f"{self.place} read {read}: {billed}" + (f"\n{self.note}" if self.note else "")
