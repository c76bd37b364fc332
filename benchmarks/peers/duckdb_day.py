"""One day of stored trades to alerts as a DuckDB script: three detectors, straight from the trades, in floats.

It takes every trade id for granted: no window abstains because of a gap.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

_PREPARE = """
CREATE TABLE half_minutes AS
SELECT exchange, symbol, time_bucket(INTERVAL 30 seconds, timestamp) AS start,
       sum(price * quantity) AS notional, sum(quantity) AS quantity, min(timestamp) AS first, max(timestamp) AS last
FROM read_parquet($paths) GROUP BY ALL;

CREATE TABLE spans AS
SELECT exchange, symbol, min(first) AS first, max(last) AS last FROM half_minutes GROUP BY ALL;

CREATE TABLE mark AS
SELECT min(newest) - INTERVAL 10 seconds AS closed
FROM (SELECT exchange, max(last) AS newest FROM spans GROUP BY exchange);
"""

_VOLUME = """
WITH whole AS (
    SELECT exchange, symbol, unnest(generate_series(
        time_bucket(INTERVAL 1 minute, first) + INTERVAL 1 minute,
        time_bucket(INTERVAL 1 minute, last) - INTERVAL 1 minute, INTERVAL 1 minute)) AS start
    FROM spans
),
minutes AS (
    SELECT exchange, symbol, time_bucket(INTERVAL 1 minute, start) AS start, sum(notional) AS notional
    FROM half_minutes GROUP BY ALL
),
scored AS (
    SELECT exchange, symbol, start, coalesce(notional, 0) AS x, count(*) OVER before AS n,
           avg(coalesce(notional, 0)) OVER before AS mean, stddev_pop(coalesce(notional, 0)) OVER before AS deviation
    FROM whole LEFT JOIN minutes USING (exchange, symbol, start)
    WINDOW before AS (PARTITION BY exchange, symbol ORDER BY start ROWS BETWEEN 60 PRECEDING AND 1 PRECEDING)
)
SELECT CASE WHEN x > mean THEN 'volume_spike' ELSE 'volume_drop' END, exchange, symbol, epoch_us(start)
FROM scored, mark
WHERE n >= 30 AND deviation > 0 AND abs(x - mean) / deviation > 2.5 AND start + INTERVAL 1 minute <= closed
"""

_WHALES = """
WITH fills AS (
    SELECT exchange, symbol, timestamp, price * quantity AS notional, trade_id,
           coalesce(trade_id = lag(last_trade_id) OVER ids + 1 AND timestamp = lag(timestamp) OVER ids
                    AND side = lag(side) OVER ids, FALSE) AS same
    FROM read_parquet($paths) WINDOW ids AS (PARTITION BY exchange, symbol ORDER BY trade_id)
),
numbered AS (
    SELECT *, sum(CASE WHEN same THEN 0 ELSE 1 END)
        OVER (PARTITION BY exchange, symbol ORDER BY trade_id ROWS UNBOUNDED PRECEDING) AS number
    FROM fills
),
orders AS (
    SELECT exchange, symbol, number, min(timestamp) AS timestamp, sum(notional) AS notional FROM numbered GROUP BY ALL
)
SELECT 'whale_trade', exchange, symbol, epoch_us(timestamp) FROM orders, mark
WHERE notional > 100000 AND timestamp <= closed
"""

_SPREADS = """
WITH legs AS (
    SELECT exchange, split_part(symbol, '-', 1) AS base, start, notional / quantity AS price
    FROM half_minutes JOIN spans USING (exchange, symbol), mark
    WHERE quantity > 0 AND start > spans.first AND start + INTERVAL 30 seconds <= spans.last
      AND start + INTERVAL 30 seconds <= closed
)
SELECT 'spread_divergence', NULL, base || '-USD', epoch_us(start)
FROM legs AS a JOIN legs AS b USING (base, start)
WHERE a.exchange < b.exchange AND abs((a.price - b.price) / b.price * 100) > 0.5
"""


def alerts(paths: Sequence[str]) -> set[tuple[str, str | None, str, int]]:
    """(type, exchange, symbol, µs: start of the window, or time of the order) of closed windows and orders."""
    found: set[tuple[str, str | None, str, int]] = set()
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        given = {"paths": list(paths)}
        for statement in _PREPARE.strip().removesuffix(";").split(";"):
            database.execute(statement, given if "$paths" in statement else None)
        for query in (_VOLUME, _WHALES, _SPREADS):
            found.update(database.execute(query, given if "$paths" in query else None).fetchall())
    return found
