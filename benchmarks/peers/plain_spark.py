"""The plain design on Spark: JSON in, Structured Streaming queries in Spark SQL, Iceberg tables out.

`one_query_per_detector` is how such systems are commonly drawn: each detector is a streaming query of its own, which
reads, parses, checks and deduplicates the same stream, and one more query keeps the clean rows. `one_query` does all
of it in one `foreachBatch`. Both use floats, judge fills instead of orders, and know nothing of gaps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.streaming.readwriter import DataStreamWriter
from pyspark.sql.window import Window

JSON = (
    "event_id string, exchange string, symbol string, trade_id long, price string, quantity string, side string, "
    "timestamp long, received long"
)
WATERMARK = "10 minutes"
LATENESS = timedelta(seconds=10)
BASELINE = timedelta(hours=1)

STREAMING = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.streaming.stateStore.providerClass": (
        "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
    ),
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
    "spark.sql.streaming.stateStore.rocksdb.trackTotalNumberOfRows": "false",
    "spark.sql.streaming.statefulOperator.checkCorrectness.enabled": "true",
}
"""Two state partitions for two cores, and the state store that Spark advises for many keys."""

_NAMESPACE = "coattail.coattail"
"""Catalog and namespace of the session: `toTable` does not look for a bare name in the current one."""

_TABLES = {
    "trades": (
        "event_id string, exchange string, symbol string, trade_id long, price double, quantity double, side string, "
        "timestamp timestamp, received timestamp, notional double",
        "days(timestamp)",
    ),
    "sums": (
        "exchange string, symbol string, start timestamp, trades long, quantity double, notional double",
        "days(start)",
    ),
    "alerts": (
        "type string, exchange string, symbol string, at timestamp, value double, severity string",
        "days(at)",
    ),
}


@dataclass(frozen=True)
class Came:
    """What a run came to: clean rows, alerts, and the most bytes that the state of one query took."""

    trades: int
    alerts: int
    state_bytes: int


def one_query_per_detector(spark: SparkSession, files: Path, folder: Path, *, files_per_batch: int) -> Came:
    """Four queries over the same files: clean rows, volume, whales, spread."""
    _create_tables(spark)

    def source() -> DataFrame:
        return clean_trades(spark, files, files_per_batch)

    judged = volumes(source()).writeStream.foreachBatch(_judge_volumes)
    queries = [
        _started(source().writeStream, folder / "clean", table="trades"),
        _started(judged, folder / "volume"),
        _started(whales(source()).writeStream, folder / "whales", table="alerts"),
        _started(spreads(_half_minutes(source())).writeStream, folder / "spread", table="alerts"),
    ]
    for query in queries:
        query.awaitTermination()
    return _came(spark, queries)


def one_query(spark: SparkSession, files: Path, folder: Path, *, files_per_batch: int) -> Came:
    """One query: each batch is parsed and deduplicated once, kept, written, summed and judged."""
    _create_tables(spark)
    query = _started(clean_trades(spark, files, files_per_batch).writeStream.foreachBatch(_judge_all()), folder / "all")
    query.awaitTermination()
    return _came(spark, [query])


# -- the way of a trade ------------------------------------------------------------------------------------------


def clean_trades(spark: SparkSession, files: Path, files_per_batch: int) -> DataFrame:
    """The stream parsed, checked and deduplicated."""
    lines = spark.readStream.format("text").option("maxFilesPerTrigger", files_per_batch).load(str(files))
    parsed = lines.select(F.from_json("value", JSON).alias("t")).select("t.*")
    typed = parsed.select(
        "event_id",
        "exchange",
        "symbol",
        "trade_id",
        F.col("price").cast("double").alias("price"),
        F.col("quantity").cast("double").alias("quantity"),
        "side",
        F.timestamp_micros("timestamp").alias("timestamp"),
        F.timestamp_micros("received").alias("received"),
    )
    good = (
        F.col("event_id").isNotNull()
        & (F.col("price") > 0)
        & (F.col("quantity") > 0)
        & F.col("side").isin("buy", "sell")
        & (F.col("timestamp") <= F.col("received") + F.expr("interval 1 minute"))
    )
    checked = typed.where(good).withColumn("notional", F.col("price") * F.col("quantity"))
    return checked.withWatermark("timestamp", WATERMARK).dropDuplicatesWithinWatermark(["event_id"])


def volumes(trades: DataFrame) -> DataFrame:
    """Quote volume per instrument and minute."""
    minute = F.window("timestamp", "60 seconds")
    sums = trades.groupBy("exchange", "symbol", minute).agg(
        F.count("*").alias("trades"), F.sum("quantity").alias("quantity"), F.sum("notional").alias("notional")
    )
    return sums.select("exchange", "symbol", F.col("window.start").alias("start"), "trades", "quantity", "notional")


def whales(trades: DataFrame) -> DataFrame:
    """Alerts about large fills."""
    large = trades.where(F.col("notional") > 100_000)
    severity = _severity(F.col("notional"), (1_000_000, "critical"), (500_000, "high"))
    return large.select(
        F.lit("whale_trade").alias("type"),
        "exchange",
        "symbol",
        F.col("timestamp").alias("at"),
        F.col("notional").alias("value"),
        severity.alias("severity"),
    )


def _half_minutes(trades: DataFrame) -> DataFrame:
    base = F.split("symbol", "-")[0]
    return _by_venue(trades, F.window("timestamp", "30 seconds"), base)


def _by_venue(rows: DataFrame, window: Column, base: Column) -> DataFrame:
    """Notional and quantity of one asset at both venues, side by side."""

    def at(venue: str, column: str) -> Column:
        return F.sum(F.when(F.col("exchange") == venue, F.col(column)))

    sums = [at(venue, column).alias(f"{venue}_{column}") for venue in ("binance", "coinbase") for column in _SUMMED]
    return rows.groupBy(window.alias("window"), base.alias("base")).agg(*sums)


_SUMMED = ("notional", "quantity")


def spreads(pairs: DataFrame) -> DataFrame:
    """Alerts about venues whose average prices are apart."""
    a = F.col("binance_notional") / F.col("binance_quantity")
    b = F.col("coinbase_notional") / F.col("coinbase_quantity")
    found = pairs.withColumn("value", (a - b) / b * 100).where(F.abs("value") > 0.5)
    severity = _severity(F.abs("value"), (2.0, "critical"), (1.0, "high"))
    return found.select(
        F.lit("spread_divergence").alias("type"),
        F.lit(None).cast("string").alias("exchange"),
        F.concat("base", F.lit("-USD")).alias("symbol"),
        F.col("window.end").alias("at"),
        "value",
        severity.alias("severity"),
    )


def judged_volumes(history: DataFrame, since: datetime) -> DataFrame:
    """Alerts about minutes from `since` on: their z-score against the sixty before them."""
    before = Window.partitionBy("exchange", "symbol").orderBy("start").rowsBetween(-60, -1)
    scored = history.select(
        "exchange",
        "symbol",
        "start",
        F.count("notional").over(before).alias("windows"),
        ((F.col("notional") - F.avg("notional").over(before)) / F.stddev_pop("notional").over(before)).alias("value"),
    )
    unusual = (F.col("start") >= since) & (F.col("windows") >= 30) & (F.abs("value") > 2.5)
    kind = F.when(F.col("value") > 0, F.lit("volume_spike")).otherwise(F.lit("volume_drop"))
    severity = _severity(F.abs("value"), (6.0, "critical"), (4.0, "high"))
    end = (F.col("start") + F.expr("interval 1 minute")).alias("at")
    return scored.where(unusual).select(
        kind.alias("type"), "exchange", "symbol", end, "value", severity.alias("severity")
    )


def _severity(value: Column, *steps: tuple[float, str]) -> Column:
    expression = F.lit("medium")
    for threshold, name in reversed(steps):
        expression = F.when(value > threshold, F.lit(name)).otherwise(expression)
    return expression


# -- what is done with batches -----------------------------------------------------------------------------------


def _judge_volumes(batch: DataFrame, _: int) -> None:
    """Keep the minutes that have closed, and judge them against the table's last hour."""
    spark = batch.sparkSession
    batch.persist()
    first = batch.agg(F.min("start")).first()
    if first is not None and first[0] is not None:
        batch.writeTo("sums").append()
        history = spark.table("sums").where(F.col("start") >= first[0] - BASELINE)
        judged_volumes(history, first[0]).writeTo("alerts").append()
    batch.unpersist()


def _judge_all() -> Callable[[DataFrame, int], None]:
    """Everything at once; remembers up to when windows have been judged."""
    judged_to = datetime.min

    def judge(batch: DataFrame, _: int) -> None:
        nonlocal judged_to
        spark = batch.sparkSession
        batch.persist()
        batch.writeTo("trades").append()
        whales(batch).writeTo("alerts").append()
        half_minute = F.window("timestamp", "30 seconds")["start"].alias("start")
        sums = batch.groupBy("exchange", "symbol", half_minute).agg(
            F.count("*").alias("trades"), F.sum("quantity").alias("quantity"), F.sum("notional").alias("notional")
        )
        sums.writeTo("sums").append()
        newest = batch.agg(F.max("timestamp")).first()
        batch.unpersist()
        if newest is None or newest[0] is None:
            return
        mark = (newest[0] - LATENESS).replace(second=0, microsecond=0)
        since = max(judged_to, datetime(1970, 1, 2))
        known = spark.table("sums").where((F.col("start") >= since - BASELINE) & (F.col("start") < mark)).persist()
        minute = F.date_trunc("minute", "start").alias("start")
        minutes = known.groupBy("exchange", "symbol", minute).agg(F.sum("notional").alias("notional"))
        judged_volumes(minutes, since).writeTo("alerts").append()
        recent = known.where(F.col("start") >= since)
        spreads(_by_venue(recent, F.window("start", "30 seconds"), F.split("symbol", "-")[0])).writeTo(
            "alerts"
        ).append()
        known.unpersist()
        judged_to = mark

    return judge


# -- Spark -------------------------------------------------------------------------------------------------------


def _create_tables(spark: SparkSession) -> None:
    for key, value in STREAMING.items():
        spark.conf.set(key, value)
    for name, (columns, partition) in _TABLES.items():
        spark.sql(
            f"CREATE TABLE {name} ({columns}) USING iceberg PARTITIONED BY ({partition}) TBLPROPERTIES "
            "('write.distribution-mode'='none', 'write.spark.fanout.enabled'='true', 'commit.retry.num-retries'='20')"
        )


def _started(writer: DataStreamWriter, checkpoint: Path, *, table: str | None = None) -> StreamingQuery:
    writer = writer.outputMode("append").option("checkpointLocation", str(checkpoint)).trigger(availableNow=True)
    return writer.start() if table is None else writer.toTable(f"{_NAMESPACE}.{table}", format="iceberg")


def _came(spark: SparkSession, queries: list[StreamingQuery]) -> Came:
    states = [p["stateOperators"] for query in queries for p in query.recentProgress]
    return Came(
        trades=spark.table("trades").count(),
        alerts=spark.table("alerts").count(),
        state_bytes=max(sum(operator["memoryUsedBytes"] for operator in state) for state in states),
    )
