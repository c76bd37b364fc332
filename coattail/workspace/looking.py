"""The part of a `Workspace` by which people look at the market: trades, bars, candles, and the names there are."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, overload

from coattail.workspace import arguments as given
from coattail.workspace.opening import Stores
from coattail.workspace.shown import Displayed
from coattail.workspace.times import Moment, between, maybe_when

if TYPE_CHECKING:
    import polars as pl

    from coattail.workspace.candles import Candles
    from coattail.workspace.lags import Lags
    from coattail.workspace.watching import Glance
    from coattail.workspace.windows import Orders, Spreads, Volumes


class Tables(Displayed):
    """The tables and views by name: `ws.tables.bars`, or `ws.tables["bars"]`; Tab completes them."""

    def __init__(self, workspace: Looking) -> None:
        self._workspace = workspace

    def __dir__(self) -> list[str]:
        return self._names()

    def __getattr__(self, name: str) -> pl.DataFrame:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in (known := self._names()):
            near = difflib.get_close_matches(name, known, n=1)
            step = f"did you mean {near[0]}?" if near else f"known: {self!r}"
            raise AttributeError(f"there is no table {name!r}; {step}")
        return self[name]

    def __getitem__(self, name: str) -> pl.DataFrame:
        from coattail.workspace.queries import ask

        return ask(self._workspace.stores, f'SELECT * FROM "{name}"').frame()

    def said(self) -> list[str]:
        """Their names."""
        return [", ".join(self._names())]

    def _ipython_key_completions_(self) -> list[str]:
        return self._names()

    def _names(self) -> list[str]:
        from coattail.workspace.queries import names

        return names(self._workspace.stores)


class Symbols(Displayed, Sequence[str]):
    """The symbols of which anything is known, by name. Tab completes `ws.symbols["BTC…`; a name that is none is refused
    with the nearest."""

    def __init__(self, workspace: Looking) -> None:
        self._workspace = workspace

    @overload
    def __getitem__(self, place: int | str) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | str | slice) -> str | list[str]:
        from coattail.symbols import refuse_unseen

        if not isinstance(place, str):
            return self._names()[place]
        refuse_unseen("symbol", place, self._names())
        return place

    def __len__(self) -> int:
        return len(self._names())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._names() == list(other)

    __hash__ = None  # type: ignore[assignment]

    def said(self) -> list[str]:
        """Their names."""
        return [", ".join(self._names()) or "no symbol yet"]

    def _ipython_key_completions_(self) -> list[str]:
        return self._names()

    def _names(self) -> list[str]:
        from coattail.tables import COVERAGE

        return sorted(set(self._workspace.stores.lake.scan(COVERAGE, columns=["symbol"])["symbol"]))


class Looking:
    """What a workspace shows of the market."""

    tables: Tables
    symbols: Symbols

    if TYPE_CHECKING:

        @cached_property
        def stores(self) -> Stores: ...

    def newest_trade(self) -> datetime:
        """The time of the newest trade.

        Raises: UsageError: If nothing has landed yet.
        """
        from coattail.errors import UsageError
        from coattail.workspace.state import newest_trade

        newest = newest_trade(self.stores, self.stores.outlines.of("raw_trades").newest)
        if newest is None:
            step = "land trades first: coattail replay FILE, or look at the home of a demo: Workspace('.coattail-demo')"
            raise UsageError("nothing has landed yet", next_step=step)
        return newest

    def trades(
        self, symbol: str, *, exchange: str | None = None, since: Moment | None = None, until: Moment | None = None
    ) -> pl.DataFrame:
        """The trades of a symbol by exchange and id: the columns of `raw_trades` but what exchanges sent.

        exchange: None means every venue. since, until: Times of the market; None means no bound.
        """
        return self._of("raw_trades", symbol, exchange, since, until, ["exchange", "trade_id"])

    def bars(
        self, symbol: str, *, exchange: str | None = None, since: Moment | None = None, until: Moment | None = None
    ) -> pl.DataFrame:
        """The bars of 10 seconds of a symbol by exchange and time. Arguments: as in `trades`."""
        return self._of("bars", symbol, exchange, since, until, ["exchange", "bar_start"])

    def candles(
        self, symbol: str, every: str | timedelta = "1m", *, exchange: str | None = None,
        since: Moment | None = None, until: Moment | None = None,
    ) -> Candles:  # fmt: skip
        """Open, high, low, close and volume of a symbol; `.chart()` draws them with their alerts and gaps.

        every: How long a candle is: 10s, 1m, 1h, 1d. Other arguments: as in `trades`.
        """
        from coattail.workspace.candles import candles

        begin, end = between(since, until)
        return candles(
            self.stores, given.text(symbol, "symbol"), every, exchange=given.maybe_text(exchange, "exchange"),
            since=begin, until=end,
        )  # fmt: skip

    def volumes(
        self, symbol: str, *, exchange: str | None = None, since: Moment | None = None, until: Moment | None = None
    ) -> Volumes:
        """What was traded minute by minute, and what is usual. Arguments: those of `windows.volumes`."""
        from coattail.workspace.windows import volumes

        begin, end = between(since, until)
        name = given.text(symbol, "symbol").upper()
        return volumes(self.stores, name, exchange=given.maybe_text(exchange, "exchange"), since=begin, until=end)

    def spreads(
        self, symbol: str | None = None, *, since: Moment | None = None, until: Moment | None = None
    ) -> Spreads:
        """How far venues were apart, and why. Arguments: those of `windows.spreads`."""
        from coattail.workspace.windows import spreads

        begin, end = between(since, until)
        return spreads(self.stores, given.maybe_text(symbol, "symbol"), since=begin, until=end)

    def orders(
        self, symbol: str | None = None, *, exchange: str | None = None, since: Moment | None = None,
        until: Moment | None = None,
    ) -> Orders:  # fmt: skip
        """The large orders. Arguments: those of `windows.orders`."""
        from coattail.workspace.windows import orders

        begin, end = between(since, until)
        venue = given.maybe_text(exchange, "exchange")
        return orders(self.stores, given.maybe_text(symbol, "symbol"), exchange=venue, since=begin, until=end)

    def lags(
        self, *, exchange: str | None = None, source: str | None = None, since: Moment | None = None,
        until: Moment | None = None,
    ) -> Lags:  # fmt: skip
        """How late trades arrived; `.chart()` draws it. Arguments: those of `coattail.workspace.lags.lags`."""
        from coattail.workspace.lags import lags

        begin, end = between(since, until)
        return lags(
            self.stores, exchange=given.maybe_text(exchange, "exchange"), source=given.maybe_text(source, "source"),
            since=begin, until=end,
        )  # fmt: skip

    def live(
        self, *, symbol: str | None = None, severity: str | None = None, refreshes: int | None = None,
        every: float | timedelta = 2.0,
    ) -> Glance:  # fmt: skip
        """Look at the home every few seconds while an engine lands trades; Ctrl-C, or the stop button, ends it.

        every: Seconds between two looks. Other arguments: those of `coattail.workspace.watching.live`.
        """
        from coattail.workspace.watching import live

        self.stores.of_now("what comes next")
        return live(
            self.stores, symbol=given.maybe_text(symbol, "symbol"), severity=given.maybe_text(severity, "severity"),
            refreshes=refreshes, every=every if isinstance(every, timedelta) else timedelta(seconds=every),
        )  # fmt: skip

    def _of(
        self, table: str, symbol: str, exchange: str | None, since: Moment | None, until: Moment | None, by: list[str]
    ) -> pl.DataFrame:
        from coattail.landing.bars import merge_bars
        from coattail.symbols import refuse_unseen
        from coattail.workspace.past import rows_at

        symbol = given.text(symbol, "symbol").upper()
        refuse_unseen("symbol", symbol, self.symbols)
        now = datetime.now(UTC)
        rows = rows_at(
            self.stores, table, symbol=symbol, exchange=given.maybe_text(exchange, "exchange"), now=now,
            since=maybe_when(since, "since", now=now), until=maybe_when(until, "until", now=now),
        )  # fmt: skip
        return (merge_bars(rows) if table == "bars" and rows.height else rows).sort(by)
