"""Ten questions that people ask of the tables, one text for Athena and for this machine; docs/SQL.md explains them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """A question, and the statement that answers it."""

    asks: str
    text: str
    """In Athena's SQL."""


TEN = (
    Question(
        "What was the largest order of the last day?",
        """
SELECT timestamp, exchange, symbol, side, notional, fills
FROM whale_orders
WHERE timestamp > (SELECT max(timestamp) FROM raw_trades) - INTERVAL '1' DAY
ORDER BY notional DESC
LIMIT 1
""",
    ),
    Question(
        "Which alerts matter most right now?",
        """
SELECT detected_at, severity, alert_type, symbol, exchange, message
FROM alerts
WHERE severity IN ('high', 'critical')
ORDER BY detected_at DESC
LIMIT 20
""",
    ),
    Question(
        "How much was traded, where?",
        """
SELECT exchange, symbol, sum(trades) AS trades, sum(notional) AS notional
FROM bars_merged
GROUP BY exchange, symbol
ORDER BY notional DESC
""",
    ),
    Question(
        "What did the price do, minute by minute?",
        """
SELECT bar_start, open, high, low, close, vwap, trades
FROM bars_1m
WHERE exchange = 'binance' AND symbol = 'BTC-USDT'
ORDER BY bar_start DESC
LIMIT 60
""",
    ),
    Question(
        "Which minutes were furthest from normal?",
        """
SELECT window_start, exchange, symbol, volume, orders, expected_orders, return_days, z_score
FROM volume_windows
WHERE state = 'judged'
ORDER BY return_days DESC NULLS LAST, abs(z_score) DESC NULLS LAST, window_start, exchange, symbol
LIMIT 10
""",
    ),
    Question(
        "How far apart were the exchanges?",
        """
SELECT symbol, exchange_a, exchange_b,
       max_by(window_start, abs(spread_pct)) AS widest_at,
       max_by(spread_pct, abs(spread_pct)) AS widest_pct,
       count_if(abs(spread_pct) > 0.5) AS windows_above_half_a_percent
FROM spread_windows
WHERE state = 'judged'
GROUP BY symbol, exchange_a, exchange_b
ORDER BY abs(max_by(spread_pct, abs(spread_pct))) DESC
""",
    ),
    Question(
        "Who pushed: buyers or sellers?",
        """
SELECT date_trunc('hour', bar_start) AS hour, symbol,
       sum(buy_notional) / sum(notional) AS bought_share,
       sum(notional) AS notional
FROM bars_merged
GROUP BY 1, 2
ORDER BY hour, symbol
""",
    ),
    Question(
        "Is anything missing?",
        """
SELECT exchange, symbol, first_id, last_id, last_id - first_id + 1 AS missing, first_ts, last_ts, cause
FROM coverage
WHERE state = 'gap'
ORDER BY missing DESC
""",
    ),
    Question(
        "What did an alert see?",
        """
SELECT detected_at, symbol,
       CAST(json_extract_scalar(details, '$.return_days') AS double) AS return_days,
       CAST(json_extract_scalar(details, '$.z_score') AS double) AS z_score
FROM alerts
WHERE alert_type = 'volume_spike'
ORDER BY return_days DESC NULLS LAST, z_score DESC NULLS LAST, detected_at
LIMIT 10
""",
    ),
    Question(
        "What did the table say at another time?",
        """
SELECT symbol, count(*) AS trades, approx_distinct(side) AS sides
FROM raw_trades FOR TIMESTAMP AS OF current_timestamp
GROUP BY symbol
ORDER BY trades DESC
""",
    ),
)
