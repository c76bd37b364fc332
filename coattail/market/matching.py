"""Alerts held against the truth: what was found, how fast, and how many alarms were false.

Rules. What an alert of a type finds, its detector says (`coattail.detectors.described.Answer`): an event of one kind
that the alarm's window overlaps, `before` and `after` its `detected_at`. Per event: nothing is adjusted, and an event
is found once. What the two must have in common is the answer's place:

- A market: exchange and symbol. `volume_spike` finds a burst, a pump and a crash so, and `volume_drop` a drought.
- An order: exchange and symbol, the same side where `details` names one (while a side flip is planted at the venue,
  either), and the same size to 5 % where `details` names a `notional`. `whale_trade` finds a whale so; whales that
  nobody planted are as real as the others.
- An asset: the base. `spread_divergence` finds a spread so.
- Every asset: nothing more. `venue_divergence` finds a runaway venue so.
- A stablecoin: the symbol. `stablecoin_depeg` finds a depeg so.
- A venue: the exchange. `venue_stall` finds a stall so.
- Events of other kinds are found by none of these; they explain. One without an exchange (a depeg, a runaway) touches
  every venue, one without a symbol (a stall) every instrument of its venue.
- Whales and shifted prices move volumes, and bursts move averages: an alarm that found nothing is *explained* if a
  planted event touches its instrument (a spread: every instrument of the asset; an alarm without exchange: every
  venue) during its window or within one window's length around it. Only a whale explains an alarm about an order, and
  a depeg none about volume. A pump explains from its first buy on: its truth begins at the announcement, and says
  in `lead_s` how long before it that was. `cause` is the kind of what it found or what explains it; of several, one of
  the market before one of `FEED_FAULTS`: alarms with such a cause should not have come.
- What is left is *false*. False alarms of the same type, symbol and exchange, each within two minutes of the one
  before, are one false alarm group.
- A whale inside a gap of its instrument never arrived: it is *lost*, neither found nor missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from coattail.detectors import ALERT_TYPES
from coattail.detectors.described import Place

FEED_FAULTS = ("gap", "refilled_gap", "duplicates", "backlog", "lag", "skew", "outlier", "side_flip", "stall")
"""Kinds that should raise no alarm about volumes, prices or orders."""
_EVERY_ASSET = ("depeg", "runaway")
"""Kinds of events that touch whatever asset."""
_CAUSES = ("pump", "crash", "spread", "depeg", "runaway", "burst", "drought", "whale", "wash")
"""The likeliest cause first; those not listed here come next, and faults of the feed last."""
_GROUP_GAP = timedelta(minutes=2)
_SAME_SIZE = 0.05
_BUCKET = timedelta(minutes=10)
"""Longer than any alarm's window with what is around it: pairs are looked for in neighbouring buckets only."""
_USUAL_WINDOW = timedelta(seconds=60)
"""Of alarms that answer nothing."""
_ANSWERS = {name: t.answer for name, t in ALERT_TYPES.items() if t.answer is not None}


@dataclass(frozen=True, kw_only=True)
class Matched:
    """The comparison."""

    planted: pl.DataFrame
    """The truth with `found`, `detected_at` (the first alarm that found it), `delay_s` (seconds from its start) and
    `lost` (its trades never arrived)."""
    alarms: pl.DataFrame
    """alert_type, symbol, exchange, severity, detected_at, `verdict` (found, explained, false) and `cause`, by time;
    false alarms also have the number of their `group`."""

    @property
    def found(self) -> int:
        """Planted events that an alarm found."""
        return int(self.planted["found"].sum())

    @property
    def missed(self) -> int:
        """Planted events that no alarm found, and that one could have."""
        return self.planted.filter(~pl.col("found") & ~pl.col("lost")).height

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
    events = _hidden(truth.with_row_index("event"))
    pairs = _near(events, alarms).with_columns(finds=_finds(), explains=_explains())
    first = pairs.filter("finds").group_by("event").agg(pl.col("detected_at").min())
    planted = events.join(first, on="event", how="left", maintain_order="left").select(
        *truth.columns,
        pl.col("detected_at").is_not_null().alias("found"),
        "detected_at",
        ((pl.col("detected_at") - pl.col("start")).dt.total_microseconds() / 1e6).alias("delay_s"),
        "lost",
    )
    others = sorted(set(truth["kind"]) - {*_CAUSES, *FEED_FAULTS})
    by_rank = dict(enumerate((*_CAUSES, *others, *FEED_FAULTS)))
    rank = pl.col("kind").replace_strict({k: i for i, k in by_rank.items()}, return_dtype=pl.Int64)
    causes = pairs.group_by("alarm").agg(
        pl.col("finds", "explains").any(),
        rank.filter("finds").min().alias("found_rank"),
        rank.filter("explains").min().alias("explained_rank"),
    )
    judged = alarms.join(causes, on="alarm", how="left", maintain_order="left").with_columns(
        verdict=pl.when("finds")
        .then(pl.lit("found"))
        .when("explains")
        .then(pl.lit("explained"))
        .otherwise(pl.lit("false")),
        cause=pl.coalesce("found_rank", "explained_rank").replace_strict(by_rank, return_dtype=pl.String),
    )
    return Matched(planted=planted, alarms=_grouped(judged))


def _hidden(events: pl.DataFrame) -> pl.DataFrame:
    """The events with `lost` (whales inside a gap) and `flipped` (whales whose side their venue misnamed)."""
    whales = events.filter(pl.col("kind") == "whale").select("event", "exchange", "symbol", pl.col("start").alias("at"))

    def inside(kind: str, *place: str) -> pl.Series:
        around = events.filter(pl.col("kind") == kind).select(*place, "start", "end")
        met = whales.join(around, on=list(place)).filter(
            (pl.col("at") >= pl.col("start")) & (pl.col("at") < pl.col("end"))
        )
        return met["event"].unique()

    lost, flipped = inside("gap", "exchange", "symbol"), inside("side_flip", "exchange")
    return events.with_columns(
        lost=pl.col("event").is_in(lost.implode()), flipped=pl.col("event").is_in(flipped.implode())
    )


def _near(events: pl.DataFrame, alarms: pl.DataFrame) -> pl.DataFrame:
    """Pairs of an event and an alarm that may have to do with each other: near in time, and of one asset or any."""
    buckets = pl.datetime_ranges(
        (_begun() - _BUCKET).dt.truncate(_BUCKET), (pl.col("end") + _BUCKET).dt.truncate(_BUCKET), _BUCKET
    )
    base = pl.when(~pl.col("kind").is_in(_EVERY_ASSET)).then(_base())
    based = events.with_columns(base=base, bucket=buckets).explode("bucket")
    placed = alarms.with_columns(bucket=pl.col("detected_at").dt.truncate(_BUCKET))
    return pl.concat(
        [
            based.join(placed, on=["base", "bucket"], suffix="_alarm", coalesce=False),
            based.filter(pl.col("base").is_null()).join(placed, on="bucket", suffix="_alarm", coalesce=False),
        ]
    )


def _begun() -> pl.Expr:
    """When an event may first have moved a market: `lead_s` before its start, where its detail says so."""
    lead = pl.col("detail").str.json_path_match("$.lead_s").cast(pl.Float64).fill_null(0.0)
    return pl.col("start") - pl.duration(microseconds=(lead * 1e6).cast(pl.Int64))


def _alarms(alerts: pl.DataFrame) -> pl.DataFrame:
    """The alerts by time, numbered, with base asset, window and taker side."""
    before = _of_type({name: answer.before for name, answer in _ANSWERS.items()}, _USUAL_WINDOW)
    after = _of_type({name: answer.after for name, answer in _ANSWERS.items()}, timedelta())
    return (
        alerts.select(
            "alert_type",
            "symbol",
            pl.col("exchange").cast(pl.String),
            "severity",
            "detected_at",
            (pl.col("detected_at") - before).alias("window_start"),
            (pl.col("detected_at") + after).alias("window_end"),
            _detail(alerts.schema["details"], "side").alias("side"),
            _detail(alerts.schema["details"], "notional").cast(pl.Float64, strict=False).alias("notional"),
            _base().alias("base"),
        )
        .sort("detected_at", "alert_type", "symbol", "exchange", maintain_order=True)
        .with_row_index("alarm")
    )


def _base() -> pl.Expr:
    return pl.col("symbol").str.split("-").list.first()


def _detail(details: pl.DataType, name: str) -> pl.Expr:
    """What the details say under a name, else null."""
    if isinstance(details, pl.Struct):
        named = any(f.name == name for f in details.fields)
        return pl.col("details").struct.field(name) if named else pl.lit(None, pl.String)
    return pl.col("details").cast(pl.String).str.json_path_match(f"$.{name}")


def _of_type(values: dict[str, timedelta], otherwise: timedelta) -> pl.Expr:
    """What holds for an alarm's type."""
    return pl.col("alert_type").replace_strict(values, default=otherwise, return_dtype=pl.Duration("us"))


def _placed(*places: Place) -> pl.Expr:
    """Whether the alarm's type answers events of one of these places."""
    return pl.col("alert_type").is_in([name for name, answer in _ANSWERS.items() if answer.place in places])


def _finds() -> pl.Expr:
    """Whether the alarm of a pair found its event."""
    answered = pl.any_horizontal(
        (pl.col("alert_type") == name) & pl.col("kind").is_in([a.kind for a in t.answers])
        for name, t in ALERT_TYPES.items()
        if t.answers
    )
    same_venue = ~_placed("market", "order", "venue") | (pl.col("exchange") == pl.col("exchange_alarm"))
    same_symbol = ~_placed("market", "order", "stablecoin") | (pl.col("symbol") == pl.col("symbol_alarm"))
    side = pl.col("detail").str.json_path_match("$.side")
    same_side = pl.col("side").is_null() | (pl.col("side") == side) | pl.col("flipped")
    same_size = ((pl.col("notional") / pl.col("size") - 1).abs() <= _SAME_SIZE).fill_null(value=True)
    same_order = ~_placed("order") | (same_side & same_size)
    at_once = pl.col("start") == pl.col("end")
    near = pl.col("start").is_between("window_start", "window_end")
    overlap = (pl.col("start") < pl.col("window_end")) & (pl.col("end") > pl.col("window_start"))
    met = pl.when(at_once).then(near).otherwise(overlap)
    return (answered & same_venue & same_symbol & same_order & met).fill_null(value=False)


def _explains() -> pl.Expr:
    """Whether the event of a pair explains its alarm without having been found by it."""
    everywhere = pl.col("exchange").is_null() | pl.col("exchange_alarm").is_null()
    same_symbol = pl.col("symbol").is_null() | (pl.col("symbol") == pl.col("symbol_alarm"))
    same_place = (pl.col("exchange") == pl.col("exchange_alarm")) & same_symbol
    length = pl.col("window_end") - pl.col("window_start")
    around = (_begun() <= pl.col("window_end") + length) & (pl.col("end") >= pl.col("window_start") - length)
    excluded = pl.any_horizontal(
        pl.lit(value=False),
        *(
            (pl.col("alert_type") == name)
            & ((pl.col("kind") != answer.kind) if answer.place == "order" else pl.col("kind").is_in(answer.never_by))
            for name, answer in _ANSWERS.items()
        ),
    )
    return (everywhere | same_place).fill_null(False) & around & ~excluded


def _grouped(judged: pl.DataFrame) -> pl.DataFrame:
    """The alarms with the numbers of their false alarm groups."""
    keys = ["alert_type", "symbol", "exchange"]
    false = judged.filter(pl.col("verdict") == "false").sort(*keys, "detected_at", "alarm")
    apart = (pl.col("detected_at").diff().over(keys) > _GROUP_GAP).fill_null(True)
    groups = false.select("alarm", apart.cast(pl.Int64).cum_sum().alias("group"))
    return judged.join(groups, on="alarm", how="left", maintain_order="left").select(
        *keys, "severity", "detected_at", "verdict", "cause", "group"
    )
