"""The part of a `Workspace` that says which trades are here, and which are missing."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from coattail.workspace.opening import Stores
from coattail.workspace.times import Moment

if TYPE_CHECKING:
    import polars as pl

    from coattail.workspace.covered import Covered


class Covering:
    """What a workspace knows of trade ids."""

    if TYPE_CHECKING:

        @cached_property
        def stores(self) -> Stores: ...

    def coverage(
        self, *, exchange: str | None = None, symbol: str | None = None, since: Moment | None = None,
        until: Moment | None = None,
    ) -> Covered:  # fmt: skip
        """The trade ids of each instrument: here, fetched, missing, rejected, never watched for.

        `.rows` is the frame, `.chart()` draws them over time. Arguments: those of `CoverageQuery`; `since` and `until`
        are times of the market.
        """
        from coattail.workspace.coverage import covered, ledger_query

        return covered(self.stores, ledger_query(exchange, symbol, since, until))

    def gaps(
        self, *, exchange: str | None = None, symbol: str | None = None, since: Moment | None = None,
        until: Moment | None = None,
    ) -> pl.DataFrame:  # fmt: skip
        """Every gap in the trade ids, with the times of the trades around it. Arguments: as in `coverage`."""
        from coattail.workspace.coverage import gaps, ledger_query

        return gaps(self.stores, ledger_query(exchange, symbol, since, until))
