"""Views for people, over the tables: partial rows added up, only the newest verdict, only current alerts."""

from __future__ import annotations

from dataclasses import dataclass

from coattail.detectors import MODULE_TABLES
from coattail.tables import ALERTS, BARS, Table

_FIRST, _LAST = "(first_timestamp, first_trade_id)", "(last_timestamp, last_trade_id)"


@dataclass(frozen=True)
class View:
    """A name for a query in DuckDB's dialect over the table `of`."""

    name: str
    of: Table
    doc: str
    sql: str


_SUMS = ",\n    ".join(
    f"CAST(sum({prefix}{name}) AS {kind}) AS {prefix}{name}"
    for prefix in ("", "buy_")
    for name, kind in (
        ("trades", "BIGINT"),
        ("quantity", "DECIMAL(38,8)"),
        ("notional", "DECIMAL(38,8)"),
        ("notional_squared", "DECIMAL(38,8)"),
    )
)
_ORDERS = "CASE WHEN count(*) = count(orders) THEN CAST(sum(orders) AS BIGINT) END AS orders"
"""Unknown where a row that an older version wrote does not say."""

_BARS_MERGED = View(
    "bars_merged",
    BARS,
    "10-second bars, one row each: the partial rows of `bars` added up.",
    f"""
SELECT exchange, symbol, bar_start,
    arg_min(first_trade_id, {_FIRST}) AS first_trade_id,
    min(first_timestamp) AS first_timestamp,
    arg_min(first_price, {_FIRST}) AS first_price,
    arg_max(last_trade_id, {_LAST}) AS last_trade_id,
    max(last_timestamp) AS last_timestamp,
    arg_max(last_price, {_LAST}) AS last_price,
    max(high) AS high,
    min(low) AS low,
    {_SUMS},
    list_sort(list_distinct(flatten(list(histogram_buckets)))) AS histogram_buckets,
    list_transform(list_sort(list_distinct(flatten(list(histogram_buckets)))), lambda bucket: CAST(list_sum(
        list_transform(list_filter(list_zip(flatten(list(histogram_buckets)), flatten(list(histogram_trades))),
            lambda pair: pair[1] = bucket), lambda pair: pair[2])) AS BIGINT)) AS histogram_trades,
    {_ORDERS}
FROM bars GROUP BY exchange, symbol, bar_start""",
)

_BARS_1M = View(
    "bars_1m",
    BARS,
    "1-minute bars with open, high, low, close and VWAP (a double; sums are exact).",
    f"""
SELECT exchange, symbol, time_bucket(INTERVAL 1 MINUTE, bar_start) AS bar_start,
    arg_min(first_price, {_FIRST}) AS open,
    max(high) AS high,
    min(low) AS low,
    arg_max(last_price, {_LAST}) AS close,
    {_SUMS},
    CAST(sum(notional) AS DOUBLE) / nullif(CAST(sum(quantity) AS DOUBLE), 0) AS vwap,
    {_ORDERS}
FROM bars GROUP BY ALL""",
)

ALERTS_VIEW = View(
    "alerts",
    ALERTS,
    "The current alerts: newest revision of each, retracted ones left out, provisional ones included.",
    "",
)
"""Computed from the table and the hot store by `current_alerts`, so it has no text."""


def _latest(table: Table) -> View:
    """The newest row per key of a module's table."""
    name, doc = table.view or (f"{table.name}_latest", f"{table.doc} The newest row of each key.")
    newest = f"row_number() OVER (PARTITION BY {', '.join(table.latest_by)} ORDER BY revision DESC) = 1"
    sql = f"SELECT * FROM {table.name} QUALIFY {newest}"
    if "last_trade_id" in table.schema and "trade_id" in table.latest_by:
        others = [key for key in table.latest_by if key != "trade_id"]
        sql = f"""
WITH newest AS ({sql})
SELECT * FROM newest AS part WHERE NOT EXISTS (
    SELECT 1 FROM newest AS whole WHERE {" AND ".join(f"whole.{key} = part.{key}" for key in others)}
    AND whole.trade_id <= part.trade_id AND whole.last_trade_id >= part.last_trade_id
    AND (whole.trade_id < part.trade_id OR whole.last_trade_id > part.last_trade_id))"""
    return View(name, table, doc, sql)


VIEWS = {
    view.name: view
    for view in (
        ALERTS_VIEW,
        _BARS_MERGED,
        _BARS_1M,
        *(_latest(table) for table in MODULE_TABLES if table.latest_by),
    )
}
"""Name -> view."""
