"""`land()`: a batch of packs in, everything that is known about it out. No clock, no I/O, no randomness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from coattail.exact import as_units, is_inexact, with_units
from coattail.landing.bars import bars_of, without_joints
from coattail.landing.checks import MAX_AGGREGATE, Checks
from coattail.landing.coverage import Coverage
from coattail.landing.decode import Decoded, MissedIds, Undecodable, decode
from coattail.landing.dedup import Instruments, runs, verdicts
from coattail.landing.ledger import Run
from coattail.landing.orders import orders_of, with_neighbours
from coattail.landing.unique import DUPLICATE, NEW, OVERLAP, STALE
from coattail.streams.base import Pack
from coattail.tables import RAW_TRADES, UTC_MICROS

REJECTED_SCHEMA = pl.Schema(
    {
        "stream_lane": pl.Int32(),
        "stream_offset": pl.String(),
        "stream_index": pl.Int32(),
        "reason": pl.String(),
        "reasons": pl.List(pl.String()),
        "exchange": pl.String(),
        "symbol": pl.String(),
        "trade_id": pl.Int64(),
        "last_trade_id": pl.Int64(),
        "price": pl.String(),
        "quantity": pl.String(),
        "side": pl.String(),
        "timestamp": pl.Int64(),
        "received": pl.Int64(),
        "source": pl.String(),
        "session": pl.String(),
        "error": pl.String(),
        "payload": pl.String(),
    }
)
"""Columns of a rejected record: keyed by the first three; times µs, numbers as the exchange sent them."""

COUNTS_SCHEMA = pl.Schema(
    {
        "exchange": pl.String(),
        "received": pl.Int64(),
        "landed": pl.Int64(),
        "rejected": pl.Int64(),
        "duplicates": pl.Int64(),
        "late": pl.Int64(),
    }
)


@dataclass(frozen=True)
class Landed:
    """The outcome of one batch. `received = landed + rejected + duplicates`, exactly, per exchange.

    `trades` (schema of `raw_trades`), `rejected` (`REJECTED_SCHEMA`), `bars`, `orders` (of the new trades alone),
    `runs` of their ids, `coverage` after the batch, `changed`: the event-time ranges (µs) in which windows may have
    changed, `counts` (`COUNTS_SCHEMA`), `undecodable`: stream entries that were not records (counted as rejected,
    exchange unknown), `missed`: what producers said of ids that are missing.
    """

    trades: pl.DataFrame
    rejected: pl.DataFrame
    bars: pl.DataFrame
    orders: pl.DataFrame
    runs: list[Run]
    coverage: Coverage
    changed: list[tuple[int, int]]
    counts: pl.DataFrame
    undecodable: list[Undecodable] = field(default_factory=list)
    missed: list[MissedIds] = field(default_factory=list)

    @property
    def received(self) -> int:
        """Records in the batch."""
        return int(self.counts["received"].sum())

    @property
    def duplicates(self) -> int:
        """Trades that had landed before."""
        return int(self.counts["duplicates"].sum())


def land(packs: Sequence[Pack], coverage: Coverage, checks: Checks) -> Landed:
    """Decode, check, dedup and aggregate a batch of packs, given what has landed before."""
    return land_decoded(decode(packs), coverage, checks)


def land_decoded(decoded: Decoded, coverage: Coverage, checks: Checks) -> Landed:
    """`land()` for packs that are decoded already (a pipeline decodes ahead)."""
    passed, rejected = checks.apply(decoded.records)
    passed = passed.with_columns(pl.col("last_trade_id").fill_null(pl.col("trade_id"))).sort(
        "exchange", "symbol", "trade_id", "last_trade_id", "arrival"
    )
    verdict = pl.Series("verdict", verdicts(passed, Instruments.of(passed), coverage))
    new = passed.filter(verdict == NEW)
    duplicates = passed.filter(verdict == DUPLICATE)
    for refused, why in ((OVERLAP, "overlap"), (STALE, "older_than_remembered_ids")):
        if (verdict == refused).any():
            rows = passed.filter(verdict == refused).with_columns(
                pl.lit("invalid").alias("reason"), pl.lit([why]).alias("reasons")
            )
            rejected = pl.concat([rejected, rows.select(rejected.columns)])
    rejected = rejected.with_columns(pl.col("last_trade_id").fill_null(pl.col("trade_id"))).sort("arrival")
    exact = with_units(
        new.with_columns(
            pl.col("price_number").alias("price"),
            pl.col("quantity_number").alias("quantity"),
            pl.col("timestamp").cast(UTC_MICROS),
            (is_inexact(new["price"], new["price_number"]) | is_inexact(new["quantity"], new["quantity_number"])).alias(
                "inexact"
            ),
        )
    )
    exact = with_neighbours(exact, coverage.only_unique)
    new_runs = runs(_with_session(exact), coverage.only_unique)
    after, changed = coverage.with_changes(new_runs, _rejected_ids(rejected), decoded.missed)
    return Landed(
        trades=_as_raw_trades(exact),
        rejected=rejected.select(pl.col(n).cast(t) for n, t in REJECTED_SCHEMA.items()),
        bars=without_joints(bars_of(exact), coverage.joints(new_runs)),
        orders=orders_of(exact),
        runs=new_runs,
        coverage=after,
        changed=changed,
        counts=_counts(new, rejected, duplicates, decoded.undecodable),
        undecodable=decoded.undecodable,
        missed=decoded.missed,
    )


def gathered(parts: Sequence[Landed], coverage: Coverage) -> Landed:
    """The outcome of a batch from its parts, each of other instruments and landed against `coverage`."""
    rejected = pl.concat([part.rejected for part in parts])
    new_runs = [run for part in parts for run in part.runs]
    missed = [ids for part in parts for ids in part.missed]
    after, changed = coverage.with_changes(new_runs, _rejected_ids(rejected), missed)
    counts = pl.concat([part.counts for part in parts])
    return Landed(
        trades=pl.concat([part.trades for part in parts]),
        rejected=rejected,
        bars=pl.concat([part.bars for part in parts]),
        orders=pl.concat([part.orders for part in parts]),
        runs=new_runs,
        coverage=after,
        changed=changed,
        counts=counts.group_by("exchange").agg(pl.all().sum()).select(COUNTS_SCHEMA.names()).sort("exchange"),
        undecodable=[entry for part in parts for entry in part.undecodable],
        missed=missed,
    )


def _with_session(trades: pl.DataFrame) -> pl.DataFrame:
    return trades.with_columns(pl.col("session").fill_null(""))


def _as_raw_trades(trades: pl.DataFrame) -> pl.DataFrame:
    single = pl.col("trade_id") == pl.col("last_trade_id")
    ids = (
        pl.when(single)
        .then(pl.col("trade_id").cast(pl.String))
        .otherwise(pl.format("{}-{}", "trade_id", "last_trade_id"))
    )
    return RAW_TRADES.conform(
        _with_session(trades).with_columns(
            pl.concat_str("exchange", "symbol", ids, separator=":").alias("event_id"),
            as_units("notional_units").cast(pl.Float64).alias("quote_volume"),
            pl.col("received").cast(UTC_MICROS).alias("ingestion_timestamp"),
            pl.col("source").fill_null("live"),
            pl.col("payload").alias("raw_event_payload"),
        )
    )


def _rejected_ids(rejected: pl.DataFrame) -> list[tuple[str, str, int, int]]:
    """Ids of rejected trades that can be read: they are accounted for, so nobody refills them forever."""
    readable = rejected.filter(
        pl.col("symbol").is_not_null()
        & (pl.col("trade_id") >= 0)
        & (pl.col("last_trade_id") >= pl.col("trade_id"))
        & (pl.col("last_trade_id") - pl.col("trade_id") < MAX_AGGREGATE)
    )
    return list(readable.select("exchange", "symbol", "trade_id", "last_trade_id").iter_rows())


def _counts(
    new: pl.DataFrame, rejected: pl.DataFrame, duplicates: pl.DataFrame, undecodable: list[Undecodable]
) -> pl.DataFrame:
    late = pl.col("late") if "late" in new.columns else pl.lit(value=False)
    parts = [
        new.select("exchange", landed=pl.lit(1), rejected=pl.lit(0), duplicates=pl.lit(0), late=late.cast(pl.Int64)),
        rejected.select("exchange", landed=pl.lit(0), rejected=pl.lit(1), duplicates=pl.lit(0), late=pl.lit(0)),
        duplicates.select("exchange", landed=pl.lit(0), rejected=pl.lit(0), duplicates=pl.lit(1), late=pl.lit(0)),
        pl.DataFrame({"exchange": ["unknown"] * len(undecodable)}, schema={"exchange": pl.String}).select(
            "exchange", landed=pl.lit(0), rejected=pl.lit(1), duplicates=pl.lit(0), late=pl.lit(0)
        ),
    ]
    kinds = ("landed", "rejected", "duplicates", "late")
    counts = (
        pl.concat([p.with_columns(pl.col(kinds).cast(pl.Int64)) for p in parts])
        .group_by("exchange")
        .agg(pl.col(kinds).sum(), pl.len().cast(pl.Int64).alias("received"))
        .sort("exchange")
    )
    return counts.select(COUNTS_SCHEMA.names())
