"""One definition per table: Polars, Arrow and Iceberg schemas all come from here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa

Type = Literal["string", "boolean", "int", "long", "double", "timestamptz", "decimal(38,8)", "list<int>", "list<long>"]

UTC_MICROS = pl.Datetime("us", "UTC")
UNITS = pl.Decimal(38, 8)
"""Exact sums: quantity and notional, rounded once per trade to 8 decimals, added as 128-bit integers."""

_POLARS: dict[str, pl.DataType] = {
    "string": pl.String(),
    "boolean": pl.Boolean(),
    "int": pl.Int32(),
    "long": pl.Int64(),
    "double": pl.Float64(),
    "timestamptz": UTC_MICROS,
    "decimal(38,8)": UNITS,
    "list<int>": pl.List(pl.Int32),
    "list<long>": pl.List(pl.Int64),
}


@dataclass(frozen=True, slots=True)
class Column:
    """Name, type and meaning of a column; times are UTC µs."""

    name: str
    type: Type
    doc: str
    required: bool = False
    repeats: bool = False
    """Whether few values come again and again: a dictionary in the files pays then, and costs time elsewhere
    (0.63 -> 0.41 s per 500 k trades)."""


@dataclass(frozen=True)
class Table:
    """A table of the lake: its columns, the time column it is partitioned by (days), and its sort order.

    `latest_by` names the key of tables that keep every revision of a row: readers take the newest `revision`. People
    do so through a view: `view` is its name and what it shows (None: `<name>_latest`).
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    day_of: str | None = None
    also_by: tuple[str, ...] = ()
    sorted_by: tuple[str, ...] = ()
    latest_by: tuple[str, ...] = ()
    view: tuple[str, str] | None = None
    derived_from: tuple[str, ...] = ()
    """Names of the tables that its rows are computed from; none for what cannot be had again: raw_trades."""
    keeps: str | None = None
    """What it holds of the past that its sources no longer do, in words; None: at any time it can be derived anew."""

    @cached_property
    def schema(self) -> pl.Schema:
        """The columns as Polars types."""
        return pl.Schema({c.name: _POLARS[c.type] for c in self.columns})

    @cached_property
    def arrow(self) -> pa.Schema:
        """The columns as Arrow types, with the Iceberg field ids (1, 2, … in column order) of a new table."""
        import pyarrow as pa

        kinds = {
            "string": pa.string(),
            "boolean": pa.bool_(),
            "int": pa.int32(),
            "long": pa.int64(),
            "double": pa.float64(),
            "timestamptz": pa.timestamp("us", "UTC"),
            "decimal(38,8)": pa.decimal128(38, 8),
            "list<int>": pa.list_(pa.int32()),
            "list<long>": pa.list_(pa.int64()),
        }
        return pa.schema([pa.field(c.name, kinds[c.type], nullable=not c.required) for c in self.columns])

    def empty(self) -> pl.DataFrame:
        """No rows, all columns."""
        return self.schema.to_frame()

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with exactly this table's columns, in order and type; a missing column is null."""
        return conformed(frame, self.schema)


def conformed(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The frame with exactly these columns, in order and type; a missing column is null."""
    have = set(frame.columns)
    return frame.select((pl.col(n).cast(t) if n in have else pl.lit(None, t)).alias(n) for n, t in schema.items())


_EXCHANGE = Column("exchange", "string", "exchange name, for example binance", required=True, repeats=True)
_SYMBOL = Column(
    "symbol", "string", "canonical symbol, for example BTC-USDT or BTC-USDT-PERP", required=True, repeats=True
)

RAW_TRADES = Table(
    name="raw_trades",
    doc="Every trade once, as it happened.",
    columns=(
        Column("event_id", "string", "exchange:symbol:id, or exchange:symbol:first-last", required=True),
        _EXCHANGE,
        _SYMBOL,
        Column("trade_id", "long", "first trade id covered", required=True),
        Column("last_trade_id", "long", "last trade id covered (equal for a single fill)", required=True),
        Column("price", "double", "quote units per base unit", required=True),
        Column("quantity", "double", "base units", required=True),
        Column("quote_volume", "double", "price x quantity in quote units, rounded half-even to 8 decimals", True),
        Column("side", "string", "buy or sell: the taker's", repeats=True),
        Column("timestamp", "timestamptz", "when the trade happened, by the exchange's clock", required=True),
        Column("ingestion_timestamp", "timestamptz", "when its frame was received", required=True),
        Column("source", "string", "live, backfill or replay", required=True, repeats=True),
        Column("late", "boolean", "received more than 5 minutes after it happened", required=True),
        Column("inconsistent", "boolean", "the exchange's own quote volume differs by more than 0.1 %", required=True),
        Column("inexact", "boolean", "price or quantity has more digits than a double keeps", required=True),
        Column("session", "string", "the unbroken listening it came from", required=True, repeats=True),
        Column("stream_lane", "int", "lane of the stream it was read from", required=True, repeats=True),
        Column("stream_offset", "string", "position of its pack in the stream", required=True, repeats=True),
        Column("stream_index", "int", "row in that pack", required=True),
        Column("raw_event_payload", "string", "the frame as received (governed: analysts do not see it)"),
    ),
    day_of="timestamp",
    sorted_by=("exchange", "symbol", "trade_id"),
)

_SUMS: tuple[tuple[str, Type, str], ...] = (
    ("trades", "long", "trades"),
    ("quantity", "decimal(38,8)", "sum of quantity, base units"),
    ("notional", "decimal(38,8)", "sum of price x quantity, quote units"),
    ("notional_squared", "decimal(38,8)", "sum of (notional rounded to 4 decimals) squared"),
)
_BAR_SUMS = (
    *(Column(name, kind, doc) for name, kind, doc in _SUMS),
    *(Column(f"buy_{name}", kind, f"{doc}, taker buys only") for name, kind, doc in _SUMS),
)

BARS = Table(
    name="bars",
    doc="10-second bars. Late data add further rows for the same bar: readers add them up.",
    columns=(
        _EXCHANGE,
        _SYMBOL,
        Column("bar_start", "timestamptz", "start of the 10 seconds", required=True),
        Column("first_trade_id", "long", "id of the first trade by (timestamp, id)"),
        Column("first_timestamp", "timestamptz", "its time"),
        Column("first_price", "double", "its price (open)"),
        Column("last_trade_id", "long", "id of the last trade by (timestamp, id)"),
        Column("last_timestamp", "timestamptz", "its time"),
        Column("last_price", "double", "its price (close)"),
        Column("high", "double", "highest price"),
        Column("low", "double", "lowest price"),
        *_BAR_SUMS,
        Column("histogram_buckets", "list<int>", "b: trades with 2^(b/2) <= notional < 2^((b+1)/2)"),
        Column("histogram_trades", "list<long>", "trades in that bucket"),
        Column(
            "orders",
            "long",
            "taker orders (fills adjacent in id, equal side and exchange time); below 0 where late fills join orders "
            "of other rows; null in rows of an older version, where trades is the most there can be",
        ),
    ),
    day_of="bar_start",
    sorted_by=("exchange", "symbol", "bar_start"),
    derived_from=(RAW_TRADES.name,),
)

ORDERS = Table(
    name="large_trades",
    doc="Taker orders (fills adjacent in id, equal side and exchange time): the large ones, and fragments "
    "whose neighbour id was not there yet. Adjacent fragments are joined by readers.",
    columns=(
        _EXCHANGE,
        _SYMBOL,
        Column("trade_id", "long", "first trade id", required=True),
        Column("last_trade_id", "long", "last trade id", required=True),
        Column("timestamp", "timestamptz", "when the order was filled", required=True),
        Column("side", "string", "buy or sell: the taker's", repeats=True),
        Column("fills", "long", "trades in it"),
        Column("quantity", "decimal(38,8)", "base units"),
        Column("notional", "decimal(38,8)", "quote units"),
        Column("first_price", "double", "price of the first fill"),
        Column("last_price", "double", "price of the last fill"),
        Column("open_left", "boolean", "the id before it had not landed: it may belong to the same order"),
        Column("open_right", "boolean", "the id after it had not landed: it may belong to the same order"),
    ),
    day_of="timestamp",
    sorted_by=("exchange", "symbol", "trade_id"),
    derived_from=(RAW_TRADES.name,),
)

COVERAGE = Table(
    name="coverage",
    doc="Which trade ids are here, missing, or were rejected: the continuity ledger.",
    columns=(
        _EXCHANGE,
        _SYMBOL,
        Column("first_id", "long", "first trade id of the range", required=True),
        Column("last_id", "long", "last trade id of the range", required=True),
        Column("first_ts", "timestamptz", "earliest trade time known for the range"),
        Column("last_ts", "timestamptz", "latest trade time known for the range"),
        Column(
            "state",
            "string",
            "live, backfilled, gap, suspect, rejected, unobserved or unique",
            required=True,
            repeats=True,
        ),
        Column("cause", "string", "why, in words"),
        Column("noticed_at", "timestamptz", "when this state was first written down"),
        Column(
            "first_fill",
            "long",
            "time of the trade first_id (µs) x 4, + 1 if the taker bought, + 2 if he sold: whether an order goes on "
            "before it; null where that is settled or no trade landed",
        ),
        Column("last_fill", "long", "the same of the trade last_id, and whether an order goes on after it"),
    ),
    sorted_by=("exchange", "symbol", "first_id"),
    derived_from=(RAW_TRADES.name,),
)

SESSIONS = Table(
    name="sessions",
    doc="Who listened when: the ids each session landed lie between these. A hole inside is a gap.",
    columns=(
        _EXCHANGE,
        _SYMBOL,
        Column("session", "string", "a live run, or one replayed file", required=True, repeats=True),
        Column("first_id", "long", "lowest trade id it landed", required=True),
        Column("last_id", "long", "highest trade id it landed", required=True),
    ),
    sorted_by=("exchange", "symbol", "first_id"),
    derived_from=(RAW_TRADES.name,),
)

QUALITY_METRICS = Table(
    name="quality_metrics",
    doc="What went in and where it went, per commit of raw_trades.",
    columns=(
        Column("recorded_at", "timestamptz", "when the batch was committed", required=True),
        Column("snapshot_id", "long", "the commit of raw_trades", required=True),
        Column("exchange", "string", "exchange name, or unknown", required=True, repeats=True),
        Column("records_processed", "long", "records read from the stream"),
        Column("records_passed", "long", "trades landed"),
        Column("records_failed", "long", "records sent to the DLQ"),
        Column("records_late", "long", "landed trades that came late"),
        Column("records_duplicate", "long", "trades that were here already"),
        Column("quality_score", "double", "passed / (passed + failed) x 100; duplicates do not count"),
        Column("failure_rate", "double", "failed / processed x 100"),
    ),
    day_of="recorded_at",
    derived_from=(RAW_TRADES.name,),
    keeps="the counts of commits whose snapshots have expired",
)

ALERTS = Table(
    name="anomaly_alerts",
    doc="Every revision of every alert about a closed window; the view `alerts` shows the current ones.",
    columns=(
        Column("alert_id", "string", "hash of the alert's natural key", required=True),
        Column("revision", "long", "1, 2, … per alert_id", required=True),
        Column("alert_type", "string", "open set, for example volume_spike", required=True, repeats=True),
        Column("module_id", "string", "MOD-001 …", required=True, repeats=True),
        Column("symbol", "string", "canonical symbol, or BASE-USD for a pair of venues", required=True, repeats=True),
        Column("exchange", "string", "null when it is about several exchanges", repeats=True),
        Column("severity", "string", "low, medium, high or critical", required=True, repeats=True),
        Column("detected_at", "timestamptz", "event time at which it could be known", required=True),
        Column("status", "string", "provisional, final or retracted", required=True, repeats=True),
        Column("message", "string", "a sentence for a person", required=True),
        Column("details", "string", "canonical JSON: the evidence", required=True),
        Column("preset", "string", "preset of the detectors", required=True, repeats=True),
        Column("recorded_at", "timestamptz", "when this revision was written", required=True),
        Column("evidence", "string", "canonical JSON: parameters, code version, commit, and a hash of the inputs"),
    ),
    day_of="detected_at",
    also_by=("alert_type",),
    sorted_by=("detected_at",),
    latest_by=("alert_id",),
    derived_from=(BARS.name, ORDERS.name, COVERAGE.name),
    keeps="every revision, and what other settings or a person made current",
)

CORE_TABLES = (RAW_TRADES, BARS, ORDERS, COVERAGE, SESSIONS, QUALITY_METRICS, ALERTS)
"""Tables every home has; a detector brings its own."""

DERIVED_FROM_TRADES = tuple(table for table in CORE_TABLES if RAW_TRADES.name in table.derived_from)
"""What an engine derives at its start from the commits of raw_trades that these lack."""
