"""MOD-099: how large a share of an asset's trades, at all venues, had a taker who bought. Made up by a test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import polars as pl

from coattail.alerts import Alert
from coattail.amounts import short
from coattail.config import DEFAULT
from coattail.detectors.base import BaseDetector, Facts, iso
from coattail.detectors.described import AlertType, Answer, Details, Measure
from coattail.symbols import base_of
from coattail.tables import BARS, COVERAGE, Column, Table
from coattail.values import Fraction

TAKER_SHARES = Table(
    name="taker_shares",
    doc="MOD-099: share of an asset's trades in which the taker bought.",
    columns=(
        Column("asset", "string", "base asset, at whichever venue", required=True, repeats=True),
        Column("window_start", "timestamptz", "start of the window", required=True),
        Column("window_end", "timestamptz", "end of the window, not included", required=True),
        Column("trades", "long", "trades in it"),
        Column("share_pct", "double", "percent of them in which the taker bought; null where not judged"),
        Column("state", "string", "judged, or partial (ids missing)", required=True, repeats=True),
        Column("preset", "string", "preset of the detector", required=True, repeats=True),
        Column("revision", "long", "sequence of the raw_trades commit it was computed from", required=True),
    ),
    day_of="window_start",
    sorted_by=("asset", "window_start"),
    latest_by=("asset", "window_start", "preset"),
    derived_from=(BARS.name, COVERAGE.name),
    view=("taker_share_windows", "Share of an asset's trades that takers bought: the newest row of each window."),
)
TAKER_SIDE = AlertType(
    name="taker_side",
    one="one-sided market",
    many="one-sided markets",
    answer=Answer(
        kind="one_side",
        place="asset",
        before=timedelta(minutes=5),
        every=timedelta(minutes=5),
        sizes=(("all", 0.0),),
        lengths=(("any", 0.0),),
        size_name="of",
        length_name="for",
    ),
)


@dataclass(frozen=True, kw_only=True)
class TakerShareDetector(BaseDetector):
    """Five minutes in which nearly all takers of an asset bought, or nearly none."""

    module_id: ClassVar[str] = "MOD-099"
    name: ClassVar[str] = "taker-share"
    table: ClassVar[Table] = TAKER_SHARES
    alert_types: ClassVar[tuple[AlertType, ...]] = (TAKER_SIDE,)
    presets: ClassVar[tuple[str, ...]] = (DEFAULT,)
    measures: ClassVar[Measure | None] = Measure(column="share_pct", title="share bought", unit="%")
    series: ClassVar[tuple[str, ...]] = ("asset",)
    against: ClassVar[tuple[tuple[str, str], ...]] = (("share_pct", "limit_pct"),)

    preset: str = DEFAULT
    """Name of the set of thresholds; part of an alert's identity."""
    share: Fraction = 0.6
    """Share of the trades on one side above which it is an alert; 0.6 is often reached, so that a test sees some."""

    @property
    def window(self) -> timedelta:
        return timedelta(minutes=5)

    @property
    def lookback(self) -> timedelta:
        return timedelta(0)

    def score(self, facts: Facts) -> pl.DataFrame:
        windows = facts.windows(self.window, self.lookback).filter(pl.col("window_end") < facts.until)
        bought = facts.bars.group_by(
            "exchange", "symbol", pl.col("bar_start").dt.truncate(self.window).alias("window_start")
        ).agg(pl.col("buy_trades").sum())
        names = {symbol: base_of(symbol) for symbol in windows["symbol"].unique()}
        closed = pl.col("window_end") <= facts.watermark
        known = pl.col("covered") | (~closed & pl.col("begun"))
        sums = (
            windows.with_columns(
                pl.col("symbol").replace_strict(names, return_dtype=pl.String).alias("asset"), known.alias("known")
            )
            .join(bought, on=["exchange", "symbol", "window_start"], how="left")
            .group_by("asset", "window_start", "window_end")
            .agg(pl.col("trades", "buy_trades", "notional_units").sum(), pl.col("known").all())
        )
        judged = pl.col("known") & (pl.col("trades") > 0)
        return sums.select(
            "asset",
            "window_start",
            "window_end",
            "trades",
            pl.when(judged).then((pl.col("buy_trades") / pl.col("trades") * 100).round(6)).alias("share_pct"),
            pl.when(judged).then(pl.lit("judged")).otherwise(pl.lit("partial")).alias("state"),
            pl.lit(self.preset).alias("preset"),
            pl.col("window_end").alias("detected_at"),
            closed.alias("closed"),
            (pl.col("notional_units").cast(pl.Float64) / 1e8).round(2).alias("volume"),
        ).sort("asset", "window_start")

    def flag(self, scored: pl.DataFrame) -> list[Alert]:
        share, limit = pl.col("share_pct"), 100 * self.share
        return [self._alert(row) for row in scored.filter((share > limit) | (share < 100 - limit)).to_dicts()]

    def concerns(self, alert: Alert) -> pl.Expr:
        """Every market of the asset, at whichever venue."""
        return pl.col("symbol").str.starts_with(alert.symbol.removesuffix("USD"))

    @classmethod
    def why(cls, details: Details) -> list[str]:
        details.pass_over("asset", "volume", "limit_pct")
        share, trades = details.get("share_pct"), details.get("trades")
        return [f"Takers bought in {share:.1f} % of {trades:,.0f} trades."] if share is not None and trades else []

    def _alert(self, row: dict[str, Any]) -> Alert:
        return self.alert(
            alert_type=TAKER_SIDE,
            key={"asset": row["asset"], "window_start": iso(row["window_start"])},
            symbol=f"{row['asset']}-USD",
            exchange=None,
            severity="low",
            detected_at=row["window_end"],
            closed=row["closed"],
            message=f"{row['asset']}: takers bought in {short(row['share_pct'])} % of the trades of five minutes",
            details={
                "window_start": iso(row["window_start"]),
                "asset": row["asset"],
                "trades": row["trades"],
                "volume": row["volume"],
                "share_pct": row["share_pct"],
                "limit_pct": 100 * self.share,
            },
        )
