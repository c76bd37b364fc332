"""Views for people, over the tables: partial rows added up, only the newest verdict, only current alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coattail.alerts import RETRACTED
from coattail.detectors import MODULE_TABLES
from coattail.tables import ALERTS, BARS, Table

_FIRST, _LAST = "ROW(first_timestamp, first_trade_id)", "ROW(last_timestamp, last_trade_id)"


@dataclass(frozen=True)
class View:
    """A name for a query in Athena's dialect over the table `of`."""

    name: str
    of: Table
    doc: str
    sql: str


_SUMS = ",\n    ".join(
    f"CAST(sum({prefix}{name}) AS {kind}) AS {prefix}{name}"
    for prefix in ("", "buy_")
    for name, kind in (
        ("trades", "bigint"),
        ("quantity", "decimal(38,8)"),
        ("notional", "decimal(38,8)"),
        ("notional_squared", "decimal(38,8)"),
    )
)
_ORDERS = "CASE WHEN count(*) = count(orders) THEN CAST(sum(orders) AS bigint) END AS orders"
"""Unknown where a row that an older version wrote does not say."""

_MERGED_HISTOGRAM = """array_sort(array_distinct(buckets)) AS histogram_buckets,
    transform(array_sort(array_distinct(buckets)), bucket -> reduce(
        filter(zip(buckets, counts), pair -> pair[1] = bucket),
        CAST(0 AS bigint), (total, pair) -> total + pair[2], total -> total)) AS histogram_trades"""

_BARS_MERGED = View(
    "bars_merged",
    BARS,
    "10-second bars, one row each: the partial rows of `bars` added up.",
    f"""
SELECT {", ".join(c for c in BARS.schema if not c.startswith("histogram_") and c != "orders")},
    {_MERGED_HISTOGRAM},
    orders
FROM (
    SELECT exchange, symbol, bar_start,
    min_by(first_trade_id, {_FIRST}) AS first_trade_id,
    min(first_timestamp) AS first_timestamp,
    min_by(first_price, {_FIRST}) AS first_price,
    max_by(last_trade_id, {_LAST}) AS last_trade_id,
    max(last_timestamp) AS last_timestamp,
    max_by(last_price, {_LAST}) AS last_price,
    max(high) AS high,
    min(low) AS low,
    {_SUMS},
    flatten(array_agg(histogram_buckets)) AS buckets,
    flatten(array_agg(histogram_trades)) AS counts,
    {_ORDERS}
    FROM bars GROUP BY exchange, symbol, bar_start
) AS added""",
)

_BARS_1M = View(
    "bars_1m",
    BARS,
    "1-minute bars with open, high, low, close and VWAP (a double; sums are exact).",
    f"""
SELECT exchange, symbol, date_trunc('minute', bar_start) AS bar_start,
    min_by(first_price, {_FIRST}) AS open,
    max(high) AS high,
    min(low) AS low,
    max_by(last_price, {_LAST}) AS close,
    {_SUMS},
    CAST(sum(notional) AS double) / nullif(CAST(sum(quantity) AS double), 0) AS vwap,
    {_ORDERS}
FROM bars GROUP BY exchange, symbol, date_trunc('minute', bar_start)""",
)


def _newest(table: Table, keys: Sequence[str]) -> str:
    """A query for the newest row of each key."""
    columns = ", ".join(table.schema)
    rank = f"row_number() OVER (PARTITION BY {', '.join(keys)} ORDER BY revision DESC) AS newest"
    return f"SELECT {columns} FROM (SELECT {columns}, {rank} FROM {table.name}) AS ranked WHERE newest = 1"


ALERTS_VIEW = View(
    "alerts",
    ALERTS,
    "The current alerts: newest revision of each, retracted ones left out, provisional ones included.",
    f"{_newest(ALERTS, ['alert_id'])} AND status <> '{RETRACTED}'",
)
"""Its text is what a reader says who sees no hot store; here `current_alerts` computes it, with what only that has."""


def _latest(table: Table) -> View:
    """The newest row per key of a module's table."""
    name, doc = table.view or (f"{table.name}_latest", f"{table.doc} The newest row of each key.")
    sql = _newest(table, table.latest_by)
    if "last_trade_id" in table.schema and "trade_id" in table.latest_by:
        others = [key for key in table.latest_by if key != "trade_id"]
        sql = f"""
WITH newest AS ({sql})
SELECT {", ".join(table.schema)} FROM newest AS part WHERE NOT EXISTS (
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
