"""What an engine says for serving: the newest of every symbol, asset and venue, put into the hot store.

What it takes is bounded: a live engine says it at most every few seconds, and never for more than a fiftieth of its
time; a drain with its derived tables.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from coattail import __version__
from coattail.detectors import BaseDetector
from coattail.detectors.spread import EXCHANGE_SPREADS
from coattail.detectors.volume import VOLUME_AGGREGATES
from coattail.detectors.whale import WHALE_TRADES, whole_orders, with_impact
from coattail.engines.facts import FactStore
from coattail.engines.lately import Lately
from coattail.landing.coverage import Coverage, Instrument
from coattail.landing.ledger import Ledger
from coattail.landing.unique import UniqueLedger
from coattail.records import when
from coattail.stores.hot import HotStore
from coattail.stores.lake import Lake
from coattail.stores.served import (
    ASSET,
    GAPS,
    MARKET,
    ORDERS,
    PAIRS,
    SPREADS,
    SYMBOL,
    WINDOWS,
    AssetFact,
    FreshnessFact,
    GapFact,
    MarketFact,
    OrderFact,
    PairFact,
    SymbolFact,
    VenueFact,
    WindowsFact,
)
from coattail.stores.totals import Totals, quality_score
from coattail.symbols import USD_QUOTES, base_of, quote_of
from coattail.tables import Table

EVERY = timedelta(seconds=5)
"""Half of what a page waits between two looks."""
_SHARE = 50
"""One part in so many of the time goes into it, at most."""
_HOUR, _DAY, _MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
_KEY = ["exchange", "symbol"]
_PAIR = ["exchange_a", "symbol_a", "exchange_b", "symbol_b"]
_SHOWN = ((VOLUME_AGGREGATES, _HOUR + _MINUTE), (EXCHANGE_SPREADS, _HOUR), (WHALE_TRADES, _DAY))
"""Tables of modules, and how far back from the newest trade their rows are shown."""
_DIGITS = 7


class _Held(NamedTuple):
    """What the ledger of an instrument says."""

    landed: int
    missing: int
    gaps: list[GapFact]
    contiguous: bool


class Serving:
    """The facts of one engine; `put` writes those that have changed since it was last called."""

    def __init__(
        self, lake: Lake, hot: HotStore, detectors: Sequence[BaseDetector], *, preset: str, simulated: bool
    ) -> None:
        self._lake, self._hot = lake, hot
        self._preset, self._simulated = preset, simulated
        self._volume = next((d for d in detectors if d.table is VOLUME_AGGREGATES), None)
        self._lately = {table.name: Lately(table, span) for table, span in _SHOWN}
        self._begun = False
        self._known = Coverage()
        """What was said last."""
        self._held: dict[Instrument, _Held] = {}
        self._judged: list[pl.Series] = []
        """Symbols of which something was judged since."""
        self._next = 0.0

    def note(self, detector: BaseDetector, rows: pl.DataFrame) -> None:
        """Take closed rows of a module's table as they are judged."""
        if (lately := self._lately.get(detector.table.name)) is not None:
            lately.add(rows)
            if set(_KEY) <= set(rows.columns):
                self._judged.append(rows["symbol"])

    @property
    def due(self) -> bool:
        """Whether enough time has passed since `put` was last called."""
        return time.monotonic() >= self._next

    def put(
        self, facts: FactStore, coverage: Coverage, totals: Totals, *, now: datetime, everything: bool = True
    ) -> None:
        """Write what is known; without `everything`, of those symbols of which something has landed or was judged."""
        began = time.monotonic()
        landed = set(coverage.changed_since(self._known).iter_rows())
        for exchange, symbol in landed:
            self._held[exchange, symbol] = _held(exchange, coverage.ledgers[exchange, symbol])
        newest = coverage.newest()
        found: dict[str, Any] = {}
        traded: dict[str, int] = {}
        if newest:
            at = when(max(newest.values()))
            self._begin(at)
            judged = {symbol for rows in self._judged for symbol in rows.unique()}
            symbols = {symbol for _, symbol in (self._held if everything else landed)} | judged
            bars = facts.bars(at - 2 * _HOUR, at)
            traded = _traded(bars, newest)
            found = {**self._symbols(bars, symbols, at), **self._assets({base_of(name) for name in symbols}, at)}
        self._hot.put_facts({**found, MARKET: self._market(newest, totals, traded)}, now=now)
        self._known, self._judged = coverage, []
        took = time.monotonic() - began
        self._next = began + max(EVERY.total_seconds(), _SHARE * took) if newest else began  # the first trades are news

    def _begin(self, at: datetime) -> None:
        """Take what earlier engines have written of this time."""
        if self._begun:
            return
        self._begun = True
        for table, span in _SHOWN:
            if self._lake.has(table.name):
                lately, mine = self._lately[table.name], self._lately[table.name].rows()
                rows = self._lake.scan(table, since=at - span).filter(pl.col("preset") == self._preset)
                lately.add(rows.sort("revision"))
                lately.add(mine)  # newer than what was written

    # -- symbols ---------------------------------------------------------------------------------------------

    def _symbols(self, bars: pl.DataFrame, symbols: set[str], at: datetime) -> dict[str, SymbolFact]:
        bars = bars.filter(pl.col("symbol").is_in(symbols)).sort(*_KEY, "bar_start")
        venues = self._venues(bars)
        windows = self._windows(bars, at)
        orders = self._orders(symbols, at)
        gaps: dict[str, list[GapFact]] = {}
        for (_, symbol), held in self._held.items():
            gaps.setdefault(symbol, []).extend(g for g in held.gaps if g.until is None or g.until >= at - _DAY)
        found = {}
        for symbol in sorted(symbols):
            found[SYMBOL + symbol] = SymbolFact(
                symbol=symbol,
                base=base_of(symbol),
                venues=venues.get(symbol, []),
                windows=windows.get(symbol, []),
                orders=orders.get(symbol, []),
                gaps=sorted(gaps.get(symbol, []), key=lambda gap: gap.since or gap.until or at, reverse=True)[:GAPS],
            )
        return found

    def _venues(self, bars: pl.DataFrame) -> dict[str, list[VenueFact]]:
        """The newest price of each venue; `bars`: of two hours, by time."""
        newest = pl.col("last_timestamp").max().over(_KEY)
        ago = pl.col("last_timestamp") <= newest - _HOUR
        last = bars.group_by(_KEY, maintain_order=True).agg(
            pl.col("last_price").last().alias("price"),
            pl.col("last_timestamp").max().alias("at"),
            pl.col("last_price").filter(ago).last().alias("before"),
            pl.col("notional").filter(~ago).sum().cast(pl.Float64).alias("volume"),
            pl.col("trades").filter(~ago).sum().alias("trades"),
        )
        found: dict[str, list[VenueFact]] = {}
        for exchange, symbol, price, at, before, volume, trades in last.iter_rows():
            held = self._held[exchange, symbol]
            whole = held.landed + held.missing
            fact = VenueFact(
                exchange=exchange,
                price=price,
                at=at,
                change_1h_pct=None if before is None else round((price / before - 1) * 100, 4),
                volume_1h=round(volume, 2),
                trades_1h=trades,
                coverage_pct=held.landed * 100_000 // whole / 1000 if held.contiguous and whole else None,
                missing=held.missing,
            )
            found.setdefault(symbol, []).append(fact)
        return found

    def _windows(self, bars: pl.DataFrame, at: datetime) -> dict[str, list[WindowsFact]]:
        """The minutes of the last hour, those of the venue with most volume first."""
        first = at.replace(second=0, microsecond=0) - (WINDOWS - 1) * _MINUTE
        minutes = (
            bars.filter(pl.col("bar_start") >= first)
            .group_by(*_KEY, pl.col("bar_start").dt.truncate("1m").alias("window_start"))
            .agg(pl.col("notional").sum().cast(pl.Float64).alias("traded"), pl.col("last_price").last().alias("close"))
        )
        judged, measure, scale, threshold = self._verdicts(at)
        joined = judged.filter(pl.col("window_start") >= first).join(
            minutes, on=[*_KEY, "window_start"], how="full", coalesce=True
        )
        columns = (
            joined.join(minutes.select(_KEY).unique(), on=_KEY, how="semi")
            .sort(*_KEY, "window_start")
            .group_by(_KEY, maintain_order=True)
            .agg(
                pl.col("window_start").dt.epoch("s").alias("start"),
                pl.col("traded").fill_null(0.0).round_sig_figs(_DIGITS).alias("volume"),
                pl.col("close"),
                pl.col("measured", "usual", "rarity").round_sig_figs(_DIGITS),
                pl.col("state").fill_null("open"),
            )
        )
        found: dict[str, list[WindowsFact]] = {}
        for row in columns.iter_rows(named=True):
            fact = WindowsFact(
                **{name: value for name, value in row.items() if name != "symbol"},
                measure=measure, scale=scale, threshold=threshold,
            )  # fmt: skip
            found.setdefault(row["symbol"], []).append(fact)
        for facts in found.values():
            facts.sort(key=lambda fact: (-sum(fact.volume), fact.exchange))
        return found

    def _verdicts(self, at: datetime) -> tuple[pl.DataFrame, str, str, float | None]:
        """Minutes that were judged (measured, usual, rarity, state), what is measured, on which scale, and from where
        on it is an alert."""
        rows = self._rows(VOLUME_AGGREGATES, at)
        budget, z = (getattr(self._volume, name, None) for name in ("budget", "z_threshold"))
        columns, measure, scale, threshold = ("volume", "baseline_mean", "z_score"), "volume", "z_score", z
        if budget is not None:
            columns, measure, scale = ("orders", "expected_orders", "return_days"), "orders", "return_days"
            threshold = 1 / budget
        named = zip(("measured", "usual", "rarity"), columns, strict=True)
        verdicts = rows.select(*_KEY, "window_start", *(pl.col(c).cast(pl.Float64).alias(n) for n, c in named), "state")
        return verdicts, measure, scale, threshold

    def _orders(self, symbols: set[str], at: datetime) -> dict[str, list[OrderFact]]:
        """The large orders of the last day, the newest first."""
        rows = with_impact(whole_orders(self._rows(WHALE_TRADES, at).filter(pl.col("symbol").is_in(symbols))))
        newest = rows.sort("timestamp", "exchange", "trade_id", descending=True).group_by("symbol", maintain_order=True)
        found: dict[str, list[OrderFact]] = {}
        for row in newest.head(ORDERS).iter_rows(named=True):
            symbol = row["symbol"]
            fact = OrderFact(
                exchange=row["exchange"],
                at=row["timestamp"],
                side=row["side"],
                fills=row["fills"],
                notional=float(row["notional"]),
                dollars=row["notional_usd"] or (float(row["notional"]) if quote_of(symbol) in USD_QUOTES else None),
                price=row["last_price"],
                impact_bps=None if row["impact_bps"] is None else round(row["impact_bps"], 2) + 0.0,
            )
            found.setdefault(symbol, []).append(fact)
        return found

    # -- assets ----------------------------------------------------------------------------------------------

    def _assets(self, bases: set[str], at: datetime) -> dict[str, AssetFact]:
        """The spreads of these assets, the widest first."""
        rows = self._rows(EXCHANGE_SPREADS, at).with_columns(pl.col("symbol").str.split("-").list.first().alias("base"))
        size = pl.coalesce("net_pct", "spread_pct").abs().max()
        pairs = (
            rows.filter(pl.col("base").is_in(bases))
            .sort("base", *_PAIR, "window_start")
            .group_by("base", *_PAIR, maintain_order=True)
            .agg(
                size.alias("size"),
                pl.col("window_start").dt.epoch("s").tail(SPREADS).alias("start"),
                pl.col("spread_pct").tail(SPREADS).alias("raw"),
                pl.col("net_pct").tail(SPREADS).alias("net"),
                pl.col("fees_pct").tail(SPREADS).alias("fees"),
                pl.col("state").tail(SPREADS),
            )
            .sort("size", descending=True, nulls_last=True, maintain_order=True)
        )
        found: dict[str, AssetFact] = {}
        for row in pairs.iter_rows(named=True):
            base = row.pop("base")
            del row["size"]
            of = found.setdefault(ASSET + base, AssetFact(base=base, pairs=[])).pairs
            if len(of) < PAIRS:
                of.append(PairFact(**row))
        return found

    def _rows(self, table: Table, at: datetime) -> pl.DataFrame:
        return self._lately[table.name].rows(at)

    # -- the market ------------------------------------------------------------------------------------------

    def _market(self, newest: Mapping[str, int], totals: Totals, traded: dict[str, int]) -> MarketFact:
        contiguous = [held for held in self._held.values() if held.contiguous]
        landed, missing = sum(held.landed for held in contiguous), sum(held.missing for held in contiguous)
        return MarketFact(
            newest=when(max(newest.values())) if newest else None,
            venues=[
                FreshnessFact(
                    exchange=exchange,
                    newest=when(us),
                    symbols=sum(name == exchange for name, _ in self._held),
                    trades_1h=traded.get(exchange, 0),
                    missing=sum(held.missing for (name, _), held in self._held.items() if name == exchange),
                )
                for exchange, us in sorted(newest.items())
            ],
            symbols=len({symbol for _, symbol in self._held}),
            quality_score=quality_score(totals.landed, totals.rejected),
            coverage_pct=landed * 100_000 // (landed + missing) / 1000 if landed + missing else None,
            open_gaps=sum(len(held.gaps) for held in self._held.values()),
            missing=missing,
            simulated=self._simulated,
            preset=self._preset,
            version=__version__,
        )


def _held(exchange: str, ledger: Ledger | UniqueLedger) -> _Held:
    if isinstance(ledger, UniqueLedger):
        return _Held(0, 0, [], contiguous=False)
    gaps = [row for row in ledger.rows() if row[4] == "gap"]
    return _Held(
        landed=sum(last - first + 1 for first, last in ledger.landed),
        missing=sum(last - first + 1 for first, last, *_ in gaps),
        gaps=[
            GapFact(
                exchange=exchange,
                since=None if before is None else when(before),
                until=None if after is None else when(after),
                trades=last - first + 1,
                cause=cause,
            )
            for first, last, before, after, _, cause, *_ in gaps
        ],
        contiguous=True,
    )


def _traded(bars: pl.DataFrame, newest: Mapping[str, int]) -> dict[str, int]:
    """Trades of each venue in the last hour of its own time."""
    ends = pl.DataFrame({"exchange": list(newest), "end": list(newest.values())})
    timed = bars.join(ends, on="exchange").filter(
        pl.col("bar_start").dt.epoch("us") > pl.col("end") - _HOUR // timedelta(microseconds=1)
    )
    return dict(timed.group_by("exchange").agg(pl.col("trades").sum()).iter_rows())
