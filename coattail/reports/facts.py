"""What the tables say about a stretch of time. Bars and module tables are read, never the trades themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import polars as pl

from coattail.detectors import MODULE_TABLES, REGISTERED
from coattail.detectors.described import EVERY_MARKET
from coattail.detectors.spread import EXCHANGE_SPREADS
from coattail.detectors.volume import VOLUME_AGGREGATES
from coattail.detectors.whale import WHALE_TRADES
from coattail.engines.abstained import abstained
from coattail.engines.recovery import through
from coattail.landing.bars import merge_bars
from coattail.reports.quality import Quality, quality_of
from coattail.reports.why import about
from coattail.stores.commits import Commit
from coattail.stores.current import current_alerts
from coattail.stores.dlq import DeadLetters
from coattail.stores.hot import HotStore
from coattail.stores.lake import Lake
from coattail.stores.replies import Marks
from coattail.symbols import refuse_unseen
from coattail.tables import BARS, CORE_TABLES, COVERAGE, RAW_TRADES, Table

_BAR, _MINUTE = timedelta(seconds=10), timedelta(minutes=1)
_BAR_COLUMNS = (
    "exchange", "symbol", "bar_start", "first_trade_id", "first_timestamp", "first_price", "last_trade_id",
    "last_timestamp", "last_price", "high", "low", "trades", "quantity", "notional", "buy_trades", "buy_quantity",
    "buy_notional", "notional_squared", "buy_notional_squared", "orders",
)  # fmt: skip
_OWN_SECTION = (VOLUME_AGGREGATES, WHALE_TRADES, EXCHANGE_SPREADS)
"""Tables that a section of the report was written for; of others it draws what their detectors measure."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """since <= time < until, UTC."""

    since: datetime
    until: datetime

    @property
    def length(self) -> timedelta:
        return self.until - self.since


@dataclass(frozen=True, kw_only=True)
class ReportFacts:
    """Everything a report is made from; frames have the columns of their tables."""

    span: Span
    symbols: tuple[str, ...]
    """The symbols asked for; empty: all."""
    bars: pl.DataFrame
    """Merged: one row per exchange, symbol and 10 seconds."""
    alerts: pl.DataFrame
    """Current, newest first; `page_of` ranks them."""
    windows: pl.DataFrame
    """Rows of `volume_aggregates`: state only, one per verdict."""
    spreads: pl.DataFrame
    orders: pl.DataFrame
    others: Mapping[str, pl.DataFrame]
    """Rows of the tables of other modules, by the table's name."""
    coverage: pl.DataFrame
    """Rows of `coverage` that meet the span: see `covered_in`."""
    quality: Quality
    """Of the whole home."""
    commit: Commit | None
    """The state of `raw_trades` when reading began."""
    behind: int
    """By how many commits some table that was read lags behind it."""
    marks: Marks = field(default_factory=Marks)
    """What people had said of alerts by then."""
    abstained: Sequence[Mapping[str, Any]] = ()
    """Where a detector judged less than half of the span: see `engines.abstained`."""

    @property
    def empty(self) -> bool:
        """Whether nothing at all is known about that time."""
        return self.bars.is_empty() and self.alerts.is_empty() and self.coverage.is_empty()

    @cached_property
    def drawn(self) -> Span:
        """What charts show: the span, or its part with trades, alerts and gaps where that is less than nine tenths."""
        gaps = self.coverage.filter(pl.col("state") == "gap")
        missing = [gaps["first_ts"].fill_null(self.span.since), gaps["last_ts"].fill_null(self.span.until)]
        times = pl.concat([self.bars["bar_start"], self.alerts["detected_at"], *missing])
        first, last = times.min(), times.max()
        if not (isinstance(first, datetime) and isinstance(last, datetime)):
            return self.span
        since, until = first.replace(second=0, microsecond=0), last.replace(second=0, microsecond=0) + _MINUTE
        part = Span(since=max(since, self.span.since), until=min(until, self.span.until))
        return part if part.length * 10 < self.span.length * 9 else self.span

    @property
    def step_ms(self) -> int:
        """How long what is drawn as one point of a price is: a minute, or ten seconds of less than half an hour."""
        return 60_000 if self.drawn.length >= timedelta(minutes=30) else 10_000


def newest_day(lake: Lake) -> Span | None:
    """The UTC day of the newest trade, or None where nothing has landed."""
    files = lake.files(BARS.name) if lake.has(BARS.name) else []
    days = [day for file in files if len(file.partition) and isinstance(day := file.partition[0], int)]
    if not days:
        return None
    since = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=max(days))
    return Span(since=since, until=since + timedelta(days=1))


def read_facts(
    lake: Lake,
    hot: HotStore,
    letters: DeadLetters,
    span: Span,
    symbols: tuple[str, ...] = (),
    *,
    marks: Marks,
    now: datetime,
) -> ReportFacts:
    """The facts of the span, for some symbols if any are named. marks: What people have said of alerts.

    Raises: UsageError: If a symbol has never been seen; the message names the nearest.
    """
    commit = lake.newest(RAW_TRADES.name)
    reached = [
        through(lake, table) for table in (*CORE_TABLES, *MODULE_TABLES) if table.derived_from and lake.has(table.name)
    ]
    coverage = lake.scan(COVERAGE)
    for symbol in symbols:
        refuse_unseen("symbol", symbol, coverage["symbol"])
    wanted = pl.col("symbol").is_in(list(symbols)) if symbols else pl.lit(value=True)
    bars = lake.scan(BARS, columns=_BAR_COLUMNS, since=span.since, until=span.until).filter(wanted)
    bars = merge_bars(bars, histograms=False) if bars.height else BARS.empty()
    spreads = _newest(lake, EXCHANGE_SPREADS, span)
    if symbols:
        spreads = spreads.filter(pl.any_horizontal(pl.col("symbol_a", "symbol_b").is_in(list(symbols))))
    others = {t.name: _newest(lake, t, span) for t in MODULE_TABLES if t not in _OWN_SECTION and lake.has(t.name)}
    windows = _newest(lake, VOLUME_AGGREGATES, span, also=("state",)).filter(wanted)
    others = {name: rows.filter(wanted) if "symbol" in rows.columns else rows for name, rows in others.items()}
    return ReportFacts(
        span=span,
        symbols=symbols,
        bars=bars,
        alerts=_concerning(
            current_alerts(lake, hot, now=now, since=span.since, until=span.until), symbols, coverage.filter(wanted)
        ),
        windows=windows,
        spreads=spreads,
        orders=_whole(_newest(lake, WHALE_TRADES, span)).filter(wanted),
        others=others,
        coverage=covered_in(coverage.filter(wanted), bars, span),
        quality=quality_of(lake, letters),
        commit=commit,
        behind=0 if commit is None else commit.sequence - min(reached, default=0),
        marks=marks,
        abstained=_abstained({VOLUME_AGGREGATES.name: windows, EXCHANGE_SPREADS.name: spreads, **others}),
    )


def _abstained(tables: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """Where a module judged less than half of its rows; `tables`: those rows, by the table's name."""
    found = []
    for detector in REGISTERED:
        rows = tables.get(detector.table.name)
        if rows is not None and "state" in rows.columns:
            found += abstained(rows.filter(pl.col("preset").is_in(detector.presets)), detector)
    return found


def _newest(lake: Lake, table: Table, span: Span, *, also: tuple[str, ...] | None = None) -> pl.DataFrame:
    """The newest row of each key; of several presets the one that judged last, as in a reprocessed home."""
    columns = None if also is None else (*table.latest_by, "revision", *also)
    rows = lake.scan(table, columns=columns, since=span.since, until=span.until)
    if rows.is_empty():
        return rows
    if rows["preset"].n_unique() > 1:
        last = rows.sort("revision")["preset"][-1]
        rows = rows.filter(pl.col("preset") == last)
    return rows.sort("revision").unique(table.latest_by, keep="last").sort(table.day_of or table.latest_by[0])


def _whole(orders: pl.DataFrame) -> pl.DataFrame:
    """The orders without those that turned out to be pieces of another."""
    over = ["exchange", "symbol"]
    rows = orders.sort(*over, "trade_id", "last_trade_id", descending=[False, False, False, True])
    reached = pl.col("last_trade_id").cum_max().shift(1).over(over)
    return rows.filter((pl.col("last_trade_id") > reached).fill_null(value=True)).sort("timestamp")


def _concerning(alerts: pl.DataFrame, symbols: tuple[str, ...], known: pl.DataFrame) -> pl.DataFrame:
    """Alerts about one of the symbols, about two venues of which one trades it, or about a whole venue that does.

    `known`: what is known of the symbols, by `exchange`.
    """
    if not symbols:
        return alerts
    venues = set(known["exchange"])

    def concerns(row: dict[str, Any]) -> bool:
        if row["symbol"] == EVERY_MARKET:
            return row["exchange"] in venues
        named = {value for name, value in about(row).items() if name.startswith("symbol")}
        return not (named or {row["symbol"]}).isdisjoint(symbols)

    return alerts.filter(pl.Series([concerns(row) for row in alerts.iter_rows(named=True)], dtype=pl.Boolean))


def covered_in(coverage: pl.DataFrame, bars: pl.DataFrame, span: Span) -> pl.DataFrame:
    """Ranges of ids that meet the span, by the times around them, or by the ids of its trades.

    Columns: those of `coverage`, and `inside`: how many ids. Of a landed range only those that lie between the span's
    own ids; of other ranges all. `bars`: the span's; first_trade_id and last_trade_id of each exchange and symbol.
    """
    key = ["exchange", "symbol"]
    own = bars.group_by(key).agg(
        pl.col("first_trade_id").min().alias("low"), pl.col("last_trade_id").max().alias("high")
    )
    rows = coverage.join(own, on=key, how="left")
    landed = pl.col("state").is_in(["live", "backfilled"])
    first = pl.when(landed).then(pl.max_horizontal("first_id", "low")).otherwise("first_id")
    last = pl.when(landed).then(pl.min_horizontal("last_id", "high")).otherwise("last_id")
    begun = pl.col("first_ts").fill_null(span.since) < span.until
    timed = begun & (pl.col("last_ts").fill_null(span.until) >= span.since)
    known = pl.col("first_ts").is_not_null() | pl.col("last_ts").is_not_null()
    held = (pl.col("first_id") <= pl.col("high")) & (pl.col("last_id") >= pl.col("low"))
    meets = pl.when(landed).then(held).otherwise(pl.when(known).then(timed).otherwise(held)).fill_null(value=False)
    return (
        rows.filter(meets)
        .with_columns(first.alias("first_id"), last.alias("last_id"))
        .with_columns((pl.col("last_id") - pl.col("first_id") + 1).alias("inside"))
        .drop("low", "high")
        .sort(*key, "first_id")
    )
