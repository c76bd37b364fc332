"""Which trades are here, and exactly which are missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from coattail.symbols import refuse_unseen
from coattail.workspace import arguments as given
from coattail.workspace.covered import Covered
from coattail.workspace.documents.coverage import CoverageDocument, GapDocument, InstrumentDocument
from coattail.workspace.opening import Stores
from coattail.workspace.timeline import PIPED, Timeline, cells_within
from coattail.workspace.times import Moment, between, refuse_backwards

if TYPE_CHECKING:
    import polars as pl

    from coattail.reports.facts import Span

_KEY = ["exchange", "symbol"]
_EVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class CoverageQuery:
    """Which part of the ledger is asked for; None means all.

    Raises: UsageError: If `since` is not before `until`.
    """

    exchange: str | None = None
    symbol: str | None = None
    """In any case, both."""
    since: datetime | None = None
    until: datetime | None = None
    """since <= time < until of the trades, counted in bars of 10 seconds. Missing ids lie between the trades around
    them."""

    @property
    def timed(self) -> bool:
        """Whether it is about a time."""
        return self.since is not None or self.until is not None

    @property
    def span(self) -> Span:
        """The time that it is about."""
        from coattail.reports.facts import Span

        return Span(since=self.since or _EVER[0], until=self.until or _EVER[1])

    @property
    def wanted(self) -> list[tuple[str, str]]:
        """(column, value) of what it is restricted to."""
        asked = ("exchange", self.exchange and self.exchange.lower()), ("symbol", self.symbol and self.symbol.upper())
        return [(column, value) for column, value in asked if value]

    def __post_init__(self) -> None:
        refuse_backwards(self.since, self.until)


EVERYTHING = CoverageQuery()


def ledger_query(exchange: str | None, symbol: str | None, since: Moment | None, until: Moment | None) -> CoverageQuery:
    """The query that is meant.

    Raises: UsageError: If a value is not what it should be, or `since` is not before `until`.
    """
    begin, end = between(since, until)
    names = given.maybe_text(exchange, "exchange"), given.maybe_text(symbol, "symbol")
    return CoverageQuery(exchange=names[0], symbol=names[1], since=begin, until=end)


def instruments(stores: Stores, query: CoverageQuery = EVERYTHING) -> pl.DataFrame:
    """The trade ids of each instrument: here, missing, rejected, never watched for.

    Columns: those of `InstrumentDocument`. One row per exchange and symbol, in that order.
    Raises: UsageError: If no trade of the exchange or symbol ever came.
    """
    import polars as pl

    from coattail.landing.coverage import LANDED_STATES

    rows, bars = _ledger(stores, query), None
    if query.timed:
        from coattail.reports.facts import covered_in

        bars = _bars(stores, query)
        rows = covered_in(rows, bars, query.span)
    ids, state = pl.col("last_id") - pl.col("first_id") + 1, pl.col("state")
    landed, unique = state.is_in(list(LANDED_STATES)), state == "unique"
    summed = rows.group_by(_KEY, maintain_order=True).agg(
        pl.col("first_id").filter(landed).min(),
        pl.col("last_id").filter(landed).max(),
        pl.col("first_ts").filter(landed | unique).min().alias("first_trade"),
        pl.col("last_ts").filter(landed | unique).max().alias("last_trade"),
        ids.filter(landed).sum().alias("landed"),
        ids.filter(state == "backfilled").sum().alias("fetched"),
        (state == "gap").sum().alias("gaps"),
        ids.filter(state == "gap").sum().alias("missing"),
        ids.filter(state == "unobserved").sum().alias("unobserved"),
        ids.filter(state == "rejected").sum().alias("rejected"),
        pl.when(unique.any()).then(pl.lit("unique")).otherwise(pl.lit("contiguous")).alias("ids"),
    )
    if bars is None:
        counted = summed.join(_trades(stores, summed), on=_KEY, how="left", maintain_order="left")
    else:
        traded = bars.select(*_KEY, "trades", "first_trade", "last_trade")
        counted = summed.drop("first_trade", "last_trade").join(traded, on=_KEY, how="left", maintain_order="left")
    whole, contiguous = pl.col("landed") + pl.col("missing"), pl.col("ids") == "contiguous"
    return counted.with_columns(
        pl.col("trades").fill_null(0),
        pl.when(contiguous).then("landed").otherwise("trades").alias("landed"),
        pl.when(contiguous & (whole > 0))
        .then(pl.col("landed").cast(pl.Int128) * 10**8 // whole / 10**6)
        .alias("coverage_pct"),
    ).select(InstrumentDocument.__struct_fields__)


def gaps(stores: Stores, query: CoverageQuery = EVERYTHING) -> pl.DataFrame:
    """Every gap, with the times of the trades around it.

    Columns: those of `GapDocument`. One row per gap, by exchange, symbol and id.
    Raises: UsageError: If no trade of the exchange or symbol ever came.
    """
    import polars as pl

    return (
        _ledger(stores, query)
        .filter(pl.col("state") == "gap")
        .select(
            *(*_KEY, "first_id", "last_id"),
            (pl.col("last_id") - pl.col("first_id") + 1).alias("missing"),
            pl.col("first_ts").alias("after"),
            pl.col("last_ts").alias("before"),
            *("cause", "noticed_at"),
        )
    )


def coverage(stores: Stores, query: CoverageQuery = EVERYTHING, *, with_gaps: bool = False) -> CoverageDocument:
    """Instruments, and every gap if `with_gaps`, as a document."""
    rows = instruments(stores, query)
    holes = gaps(stores, query) if with_gaps else None
    return CoverageDocument(
        instruments=[InstrumentDocument(**row) for row in rows.iter_rows(named=True)],
        gaps=None if holes is None else [GapDocument(**row) for row in holes.iter_rows(named=True)],
    )


def covered(stores: Stores, query: CoverageQuery = EVERYTHING, *, columns: int = PIPED) -> Covered:
    """Instruments, and the same over time, drawn within `columns` columns of text.

    Raises: UsageError: If no trade of the exchange or symbol ever came.
    """
    return Covered(rows=instruments(stores, query), timeline=timeline(stores, query, columns=columns))


def timeline(stores: Stores, query: CoverageQuery = EVERYTHING, *, columns: int = PIPED) -> Timeline:
    """The same over time, within `columns` columns of text: from the first trade to the last, unless times are given.

    Raises: UsageError: If no trade of the exchange or symbol ever came.
    """
    from coattail.reports.strips import span_of, strips_of

    rows = _ledger(stores, query)
    span = span_of(rows, since=query.since, until=query.until)
    if span is None:
        return Timeline(None, None, [])
    names = [f"{exchange} {symbol}" for exchange, symbol in rows.select(_KEY).unique().rows()]
    return Timeline(span.since, span.until, strips_of(rows, span, cells_within(columns, names)))


def _ledger(stores: Stores, query: CoverageQuery) -> pl.DataFrame:
    """The rows of the table `coverage` that are asked for; of a time, those that it may have met."""
    import polars as pl

    from coattail.tables import COVERAGE

    rows = everything = stores.lake.scan(COVERAGE)
    for column, value in query.wanted:
        refuse_unseen(column, value, everything[column])
        rows = rows.filter(rows[column] == value)
    if query.timed:
        span = query.span
        begun = pl.col("first_ts").fill_null(span.since) < span.until
        rows = rows.filter(begun & (pl.col("last_ts").fill_null(span.until) >= span.since))
    return rows.sort(*_KEY, "first_id")


def _bars(stores: Stores, query: CoverageQuery) -> pl.DataFrame:
    """What the bars of a time say of each instrument: its ids, times, and trades."""
    import polars as pl

    from coattail.tables import BARS

    columns = (*_KEY, "first_trade_id", "last_trade_id", "first_timestamp", "last_timestamp", "trades")
    rows = stores.lake.scan(BARS, columns=columns, since=query.since, until=query.until)
    return rows.group_by(_KEY).agg(
        pl.col("first_trade_id").min(),
        pl.col("last_trade_id").max(),
        pl.col("first_timestamp").min().alias("first_trade"),
        pl.col("last_timestamp").max().alias("last_trade"),
        pl.col("trades").sum(),
    )


def _trades(stores: Stores, landed: pl.DataFrame) -> pl.DataFrame:
    """Trades of each instrument.

    A trade covers an id of its own or several. So where an exchange has as many trades as ids have landed, each of
    its instruments has; only the bars of the other exchanges are read.
    """
    import polars as pl

    from coattail.tables import BARS, COVERAGE, QUALITY_METRICS

    ids = stores.lake.scan(COVERAGE, columns=("exchange", "first_id", "last_id", "state"))
    through = {t.name: _through(stores, t.name) for t in (COVERAGE, QUALITY_METRICS)}
    single: set[str] = set()
    if len(set(through.values())) == 1:
        from coattail.landing.coverage import LANDED_STATES

        here = ids.filter(pl.col("state").is_in(list(LANDED_STATES)))
        covered = here.group_by("exchange").agg((pl.col("last_id") - pl.col("first_id") + 1).sum().alias("ids"))
        passed = stores.lake.scan(QUALITY_METRICS, columns=("exchange", "records_passed"))
        counted = passed.group_by("exchange").agg(pl.col("records_passed").sum())
        equal = covered.join(counted, on="exchange").filter(pl.col("ids") == pl.col("records_passed"))
        single = set(equal["exchange"])
    sure = landed.filter(pl.col("exchange").is_in(list(single))).select(*_KEY, trades="landed")
    if not set(landed["exchange"]) - single:
        return sure
    bars = stores.lake.scan(BARS, columns=(*_KEY, "trades")).filter(~pl.col("exchange").is_in(list(single)))
    return pl.concat([sure, bars.group_by(_KEY).agg(pl.col("trades").sum())], how="vertical_relaxed")


def _through(stores: Stores, table: str) -> str | None:
    """The commit of raw_trades that a derived table is complete through."""
    newest = stores.outlines.of(table).newest
    return None if newest is None else newest.properties.get("through")
