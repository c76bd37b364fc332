"""Which trades are here, and exactly which are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coattail.symbols import refuse_unseen
from coattail.workspace.documents.coverage import CoverageDocument, GapDocument, InstrumentDocument
from coattail.workspace.opening import Stores

if TYPE_CHECKING:
    import polars as pl

_KEY = ["exchange", "symbol"]


def instruments(stores: Stores, *, exchange: str | None = None, symbol: str | None = None) -> pl.DataFrame:
    """The trade ids of each instrument: here, missing, rejected, never watched for.

    Columns: those of `InstrumentDocument`. One row per exchange and symbol, in that order.
    exchange, symbol: Only those, in any case; None means all.
    Raises: UsageError: If no trade of the exchange or symbol ever came.
    """
    import polars as pl

    from coattail.landing.coverage import LANDED_STATES

    rows = _ledger(stores, exchange, symbol)
    ids, state = pl.col("last_id") - pl.col("first_id") + 1, pl.col("state")
    landed, unique = state.is_in(list(LANDED_STATES)), state == "unique"
    summed = rows.group_by(_KEY, maintain_order=True).agg(
        pl.col("first_id").filter(landed).min(),
        pl.col("last_id").filter(landed).max(),
        pl.col("first_ts").filter(landed | unique).min().alias("first_trade"),
        pl.col("last_ts").filter(landed | unique).max().alias("last_trade"),
        ids.filter(landed).sum().alias("landed"),
        (state == "gap").sum().alias("gaps"),
        ids.filter(state == "gap").sum().alias("missing"),
        ids.filter(state == "unobserved").sum().alias("unobserved"),
        ids.filter(state == "rejected").sum().alias("rejected"),
        pl.when(unique.any()).then(pl.lit("unique")).otherwise(pl.lit("contiguous")).alias("ids"),
    )
    whole = pl.col("landed") + pl.col("missing")
    counted = pl.col("ids") == "contiguous"
    return summed.join(_trades(stores, summed), on=_KEY, how="left", maintain_order="left").with_columns(
        pl.col("trades").fill_null(0),
        pl.when(counted).then("landed").otherwise("trades").alias("landed"),
        pl.when(counted & (whole > 0))
        .then(pl.col("landed").cast(pl.Int128) * 10**8 // whole / 10**6)
        .alias("coverage_pct"),
    )


def gaps(stores: Stores, *, exchange: str | None = None, symbol: str | None = None) -> pl.DataFrame:
    """Every gap, with the times of the trades around it.

    Columns: those of `GapDocument`. One row per gap, by exchange, symbol and id.
    Raises: UsageError: If no trade of the exchange or symbol ever came.
    """
    import polars as pl

    return (
        _ledger(stores, exchange, symbol)
        .filter(pl.col("state") == "gap")
        .select(
            *(*_KEY, "first_id", "last_id"),
            (pl.col("last_id") - pl.col("first_id") + 1).alias("missing"),
            pl.col("first_ts").alias("after"),
            pl.col("last_ts").alias("before"),
            *("cause", "noticed_at"),
        )
    )


def coverage(
    stores: Stores, *, exchange: str | None = None, symbol: str | None = None, with_gaps: bool = False
) -> CoverageDocument:
    """Instruments, and every gap if `with_gaps`, as a document."""
    rows = instruments(stores, exchange=exchange, symbol=symbol)
    holes = gaps(stores, exchange=exchange, symbol=symbol) if with_gaps else None
    return CoverageDocument(
        instruments=[InstrumentDocument(**row) for row in rows.iter_rows(named=True)],
        gaps=None if holes is None else [GapDocument(**row) for row in holes.iter_rows(named=True)],
    )


def _ledger(stores: Stores, exchange: str | None, symbol: str | None) -> pl.DataFrame:
    """The rows of the table `coverage` that are asked for."""
    from coattail.tables import COVERAGE

    rows = everything = stores.lake.scan(COVERAGE)
    for column, value in (("exchange", exchange and exchange.lower()), ("symbol", symbol and symbol.upper())):
        if value:
            refuse_unseen(column, value, everything[column])
            rows = rows.filter(rows[column] == value)
    return rows.sort(*_KEY, "first_id")


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
