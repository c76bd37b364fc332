"""Alerts held against the truth: what was found, how fast, and how many alarms were false.

Rules. An alarm's window is the 60 s before `detected_at` (30 s for `spread_divergence`, 1 s to either side for
`whale_trade`).

- `volume_spike` finds a burst on its exchange and symbol that its window overlaps.
- `whale_trade` finds a whale of its exchange and symbol within 1 s, of the same side where `details` names one.
- `spread_divergence` finds a spread of its base asset that its window overlaps.
- Whales and shifted prices move volumes, and bursts move averages: an alarm that found nothing is *explained* if a
  planted event touches its instrument (a spread: every instrument of the asset; an alarm without exchange: every
  venue) during its window or within one window's length around it. Only a whale explains a `whale_trade`.
- What is left is *false*. False alarms of the same type, symbol and exchange, each within two minutes of the one
  before, are one false alarm group.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

_FOUND_BY = {"burst": "volume_spike", "whale": "whale_trade", "spread": "spread_divergence"}
_GROUP_GAP = timedelta(minutes=2)
_VOLUME_WINDOW = timedelta(seconds=60)
_SPREAD_WINDOW = timedelta(seconds=30)
_WHALE_WITHIN = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class Matched:
    """The comparison."""

    planted: pl.DataFrame
    """The truth with `found`, `detected_at` (the first alarm that found it) and `delay_s` (seconds from its start)."""
    alarms: pl.DataFrame
    """alert_type, symbol, exchange, severity, detected_at and `verdict` (found, explained, false), by time; false
    alarms also have the number of their `group`."""

    @property
    def found(self) -> int:
        """Planted events that an alarm found."""
        return int(self.planted["found"].sum())

    @property
    def missed(self) -> int:
        """Planted events that no alarm found."""
        return self.planted.height - self.found

    @property
    def false_alarms(self) -> int:
        """False alarms, counted one by one."""
        return self.alarms.filter(pl.col("verdict") == "false").height

    @property
    def false_groups(self) -> int:
        """False alarm groups."""
        return self.alarms["group"].drop_nulls().n_unique()


def match(truth: pl.DataFrame, alerts: pl.DataFrame) -> Matched:
    """Compare alerts with the planted events by the rules above.

    Columns in:  truth as `TRUTH_SCHEMA`; alerts: alert_type, symbol, exchange, severity, detected_at (UTC), details
                 (JSON string or struct)
    """
    alarms = _alarms(alerts)
    events = truth.with_row_index("event")
    pairs = events.with_columns(base=_base()).join(alarms, on="base", suffix="_alarm")
    pairs = pairs.with_columns(finds=_finds(), explains=_explains())
    first = pairs.filter("finds").group_by("event").agg(pl.col("detected_at").min())
    planted = events.join(first, on="event", how="left", maintain_order="left").select(
        *truth.columns,
        pl.col("detected_at").is_not_null().alias("found"),
        "detected_at",
        ((pl.col("detected_at") - pl.col("start")).dt.total_microseconds() / 1e6).alias("delay_s"),
    )
    causes = pairs.group_by("alarm").agg(pl.col("finds", "explains").any())
    judged = alarms.join(causes, on="alarm", how="left", maintain_order="left").with_columns(
        verdict=pl.when("finds")
        .then(pl.lit("found"))
        .when("explains")
        .then(pl.lit("explained"))
        .otherwise(pl.lit("false"))
    )
    return Matched(planted=planted, alarms=_grouped(judged))


def _alarms(alerts: pl.DataFrame) -> pl.DataFrame:
    """The alerts by time, numbered, with base asset, window and taker side."""
    spread = pl.col("alert_type") == "spread_divergence"
    whale = pl.col("alert_type") == "whale_trade"
    before = pl.when(spread).then(_SPREAD_WINDOW).when(whale).then(_WHALE_WITHIN).otherwise(_VOLUME_WINDOW)
    after = pl.when(whale).then(_WHALE_WITHIN).otherwise(timedelta())
    return (
        alerts.select(
            "alert_type",
            "symbol",
            pl.col("exchange").cast(pl.String),
            "severity",
            "detected_at",
            (pl.col("detected_at") - before).alias("window_start"),
            (pl.col("detected_at") + after).alias("window_end"),
            _side(alerts.schema["details"]).alias("side"),
            _base().alias("base"),
        )
        .sort("detected_at", "alert_type", "symbol", "exchange", maintain_order=True)
        .with_row_index("alarm")
    )


def _base() -> pl.Expr:
    return pl.col("symbol").str.split("-").list.first()


def _side(details: pl.DataType) -> pl.Expr:
    """The taker's side as the details name it, else null."""
    if isinstance(details, pl.Struct):
        named = any(f.name == "side" for f in details.fields)
        return pl.col("details").struct.field("side") if named else pl.lit(None, pl.String)
    return pl.col("details").cast(pl.String).str.json_path_match("$.side")


def _finds() -> pl.Expr:
    """Whether the alarm of a pair found its event."""
    right_type = pl.col("alert_type") == pl.col("kind").replace_strict(_FOUND_BY, return_dtype=pl.String)
    same_place = (pl.col("exchange") == pl.col("exchange_alarm")) & (pl.col("symbol") == pl.col("symbol_alarm"))
    side = pl.col("detail").str.json_path_match("$.side")
    same_side = pl.col("side").is_null() | (pl.col("side") == side)
    near = pl.col("start").is_between("window_start", "window_end")
    overlap = (pl.col("start") < pl.col("window_end")) & (pl.col("end") > pl.col("window_start"))
    whale = (pl.col("kind") == "whale") & same_place & same_side & near
    burst = (pl.col("kind") == "burst") & same_place & overlap
    spread = (pl.col("kind") == "spread") & overlap
    return (right_type & (whale | burst | spread)).fill_null(False)


def _explains() -> pl.Expr:
    """Whether the event of a pair accounts for its alarm without having been found by it."""
    everywhere = pl.col("exchange").is_null() | pl.col("exchange_alarm").is_null()
    same_place = (pl.col("exchange") == pl.col("exchange_alarm")) & (pl.col("symbol") == pl.col("symbol_alarm"))
    length = pl.col("window_end") - pl.col("window_start")
    around = (pl.col("start") <= pl.col("window_end") + length) & (pl.col("end") >= pl.col("window_start") - length)
    whale_by_other = (pl.col("alert_type") == "whale_trade") & (pl.col("kind") != "whale")
    return (everywhere | same_place).fill_null(False) & around & ~whale_by_other


def _grouped(judged: pl.DataFrame) -> pl.DataFrame:
    """The alarms with the numbers of their false alarm groups."""
    keys = ["alert_type", "symbol", "exchange"]
    false = judged.filter(pl.col("verdict") == "false").sort(*keys, "detected_at", "alarm")
    apart = (pl.col("detected_at").diff().over(keys) > _GROUP_GAP).fill_null(True)
    groups = false.select("alarm", apart.cast(pl.Int64).cum_sum().alias("group"))
    return judged.join(groups, on="alarm", how="left", maintain_order="left").select(
        *keys, "severity", "detected_at", "verdict", "group"
    )
