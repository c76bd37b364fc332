"""Which of the checked trades are new: exact, forever, by the ids that have landed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from coattail.connectors import ids_remembered
from coattail.intervals import Intervals
from coattail.landing.coverage import Coverage
from coattail.landing.ledger import FILL, Run
from coattail.landing.unique import DUPLICATE, NEW, OVERLAP, UniqueLedger

_UNKNOWN = "?"
"""Stands for the side where a frame has no such column; null is a side like any other."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """Where each instrument stands in a frame sorted by exchange, symbol, trade_id."""

    keys: list[tuple[str, str]]
    starts: np.ndarray
    """First row of each, and the height at the end: one longer than `keys`."""

    @classmethod
    def of(cls, trades: pl.DataFrame) -> Instruments:
        """From a frame sorted by exchange and symbol."""
        counts = trades.group_by("exchange", "symbol", maintain_order=True).len()
        keys = list(zip(counts["exchange"], counts["symbol"], strict=True))
        return cls(keys, np.concatenate([[0], np.cumsum(counts["len"].to_numpy())]).astype(np.int64))


def verdicts(trades: pl.DataFrame, instruments: Instruments, coverage: Coverage) -> np.ndarray:
    """NEW, DUPLICATE, OVERLAP or STALE per row (int8).

    `trades` is sorted by exchange, symbol, trade_id, last_trade_id, arrival. Fully covered is a duplicate; partly
    covered overlaps; within the batch the one that arrived first is the one that lands. Where ids are only unique, a
    repeat is a duplicate, and what is older than the ids remembered is stale.
    """
    firsts, lasts = trades["trade_id"].to_numpy(), trades["last_trade_id"].to_numpy()
    if not len(firsts):
        return np.zeros(0, dtype=np.int8)
    begins = np.zeros(len(firsts), dtype=bool)
    begins[instruments.starts[:-1]] = True
    same = np.zeros(len(firsts), dtype=bool)
    same[1:] = (firsts[1:] == firsts[:-1]) & (lasts[1:] == lasts[:-1])
    same &= ~begins
    crossing = np.zeros(len(firsts), dtype=bool)
    crossing[1:] = firsts[1:] <= lasts[:-1]  # if none crosses the one before, none crosses any
    crossing &= ~(same | begins)
    result = np.where(same, np.int8(DUPLICATE), np.int8(NEW))
    crossed = np.logical_or.reduceat(crossing, instruments.starts[:-1])
    bounds = zip(instruments.starts[:-1].tolist(), instruments.starts[1:].tolist(), strict=True)
    lowest = firsts[instruments.starts[:-1]].tolist()
    for place, (key, (start, stop)) in enumerate(zip(instruments.keys, bounds, strict=True)):
        if key not in coverage.ledgers and key[0] not in coverage.only_unique and not crossed[place]:
            continue
        rows, ledger = slice(start, stop), coverage.ledger(key)
        if isinstance(ledger, UniqueLedger):
            result[rows] = ledger.verdicts(firsts[rows], trades["timestamp"][start:stop].to_numpy())
        elif crossed[place]:
            arrival = trades["arrival"][start:stop].to_numpy()
            result[rows] = _one_by_one(firsts[rows], lasts[rows], arrival, ledger.landed)
        elif ledger.landed.ends_before(lowest[place]):  # as nearly all come
            continue
        elif len(met := ledger.landed.meeting(lowest[place], int(lasts[stop - 1]))):
            known = _against(firsts[rows], lasts[rows], met)
            result[rows] = np.where(known == NEW, result[rows], known)
    return result


def _against(firsts: np.ndarray, lasts: np.ndarray, landed: Intervals) -> np.ndarray:
    """Verdict of each range against landed ids alone, of which there are some."""
    result = np.zeros(len(firsts), dtype=np.int8)
    starts, ends = np.array(landed.firsts), np.array(landed.lasts)
    place = np.searchsorted(starts, firsts, side="right") - 1
    inside = (place >= 0) & (ends[np.maximum(place, 0)] >= firsts)
    whole = inside & (ends[np.maximum(place, 0)] >= lasts)
    after = np.minimum(place + 1, len(starts) - 1)
    reaches = (place + 1 < len(starts)) & (starts[after] <= lasts)
    result[inside | reaches] = OVERLAP
    result[whole] = DUPLICATE
    return result


def _one_by_one(firsts: np.ndarray, lasts: np.ndarray, arrival: np.ndarray, landed: Intervals) -> np.ndarray:
    """As if each had come in a batch of its own, in order of arrival: ranges that cross each other are rare."""
    result = np.zeros(len(firsts), dtype=np.int8)
    here = Intervals()
    for row in np.argsort(arrival, kind="stable"):
        first, last = int(firsts[row]), int(lasts[row])
        known = landed.meeting(first, last).union(here.meeting(first, last))
        if known.holds(first, last):
            result[row] = DUPLICATE
        elif len(known):
            result[row] = OVERLAP
        else:
            here.add(first, last)
    return result


def runs(trades: pl.DataFrame, only_unique: Collection[str] | None = None, *, remember: bool = True) -> list[Run]:
    """The contiguous stretches of new trades, per instrument and session.

    `trades` has exchange, symbol, session, trade_id, last_trade_id, timestamp (and source, without which none was
    fetched; and side, without which no fill is known) and is sorted by the first two and trade_id. Of the exchanges
    `only_unique` (by default as their connectors say) all trades of a session are one run, with their ids if they are
    to be remembered.
    """
    if trades.is_empty():
        return []
    loose = ids_remembered() if only_unique is None else only_unique
    unique = pl.col("exchange").is_in(list(loose)) if loose else pl.lit(value=False)
    found = [Run(*row) for row in _stretches(trades.filter(~unique) if loose else trades).iter_rows()]
    return found + _together(trades.filter(unique), remember=remember) if loose else found


def _together(trades: pl.DataFrame, *, remember: bool) -> list[Run]:
    """One run for each instrument and session."""
    found = []
    times = trades.with_columns(pl.col("timestamp").dt.epoch("us"))
    for _, rows in times.group_by("exchange", "symbol", "session", maintain_order=True):
        whole = rows.select(
            pl.col("exchange", "symbol", "session").first(),
            pl.col("trade_id").min().alias("first_id"),
            pl.col("trade_id").max().alias("last_id"),
            pl.col("timestamp").min().alias("first_ts"),
            pl.col("timestamp").max().alias("last_ts"),
        )
        run = Run(*whole.row(0))
        if remember:
            run = replace(run, ids=rows["trade_id"].to_numpy().tobytes(), times=rows["timestamp"].to_numpy().tobytes())
        found.append(run)
    return found


def _fill(ts: pl.Expr, side: pl.Expr) -> pl.Expr:
    """As `FILL` says; null where nobody knows the side."""
    bought, sold = (side.eq_missing(pl.lit(way)).cast(pl.Int64) for way in ("buy", "sell"))
    return pl.when(side.ne_missing(pl.lit(_UNKNOWN))).then(ts * FILL + bought + 2 * sold)


def _stretches(trades: pl.DataFrame) -> pl.DataFrame:
    """A row for each run of contiguous ids, with the columns of `Run`."""
    fetched = (
        pl.col("source").eq("backfill").fill_null(value=False) if "source" in trades.columns else pl.lit(value=False)
    )
    begins = (
        (pl.col("exchange") != pl.col("exchange").shift())
        | (pl.col("symbol") != pl.col("symbol").shift())
        | (pl.col("session") != pl.col("session").shift())
        | (pl.col("trade_id") != pl.col("last_trade_id").shift() + 1)
        | (pl.col("fetched") != pl.col("fetched").shift())
    )
    return (
        trades.with_columns(fetched.alias("fetched"))
        .select(
            "exchange",
            "symbol",
            "session",
            "trade_id",
            "last_trade_id",
            pl.col("timestamp").dt.epoch("us").alias("ts"),
            "fetched",
            (pl.col("side") if "side" in trades.columns else pl.lit(_UNKNOWN)).alias("side"),
            begins.fill_null(value=True).cum_sum().alias("run"),
        )
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("exchange", "symbol", "session", "trade_id").first(),
            pl.col("last_trade_id").last(),
            pl.col("ts").min().alias("first_ts"),
            pl.col("ts").max().alias("last_ts"),
            pl.col("fetched").first(),
            _fill(pl.col("ts").first(), pl.col("side").first()).alias("first_fill"),
            _fill(pl.col("ts").last(), pl.col("side").last()).alias("last_fill"),
        )
        .drop("run")
    )
