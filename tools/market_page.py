"""`python -m tools.market_page docs/MARKET.md [FOLDER]`: the table of a simulated market beside recorded ones.

FOLDER holds the recordings; without it the columns of recordings stay as they are in the page.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from coattail.connectors import CONNECTORS
from coattail.errors import UsageError
from coattail.market.character import BUSY, CALM, CROWDED, LIVELY
from coattail.market.facts import market_trades
from coattail.market.instruments import DEFAULT_INSTRUMENTS
from coattail.market.simulation import Market
from coattail.recordings import Recording
from coattail.records import Trade
from coattail.tables import UTC_MICROS
from tools.market_statistics import STATISTICS, basis, statistics
from tools.page_tables import MarketColumn, columns_of, table, texts, written

START = datetime(2025, 3, 3, 12, tzinfo=UTC)
HOURS = 6
WINDOW = timedelta(minutes=5, seconds=45)
"""As long as the longest recordings: some of these numbers depend on how long one looks."""

RECORDED = {
    "Binance BTC-USDT, 2024-08-08": "binance-ws/spot_btcusdt_20240808.gz",
    "Binance ETH-USDT, 2024-08-08": "binance-ws/spot_ethusdt_20240808.gz",
    "Binance BTC-USDT, 2023-04-05": "binance-ws/spot_btcusdt_20230405.dat.gz",
    "Coinbase BTC-USD, 2018-04-17": "coinbase-ws-2018/gdax_match_20180417.csv.gz",
}
"""Column -> recording, below the folder of recordings."""
PERPETUAL = "binance-ws/usdm_btcusdt_20240808.gz"
"""Its price over that of the first of `RECORDED` is the recorded basis."""
SIMULATED = {
    "lively, Binance BTC-USDT": (LIVELY, "binance:BTC-USDT"),
    "lively, Coinbase BTC-USD": (LIVELY, "coinbase:BTC-USD"),
    "busy, Binance BTC-USDT": (BUSY, "binance:BTC-USDT"),
    "crowded, Binance BTC-USDT": (CROWDED, "binance:BTC-USDT"),
    "calm, Binance BTC-USDT": (CALM, "binance:BTC-USDT"),
}
TWO_VENUES = (LIVELY, CALM)
"""Of these a second venue is drawn, too."""
BASIS = "price of one venue over another's, standard deviation, bp"

NAME, ROWS = "statistics", {**STATISTICS, BASIS: BASIS}
"""The table in the page."""

_LONG = ("whales_per_hour", "minute_memory", "minute_sigma")
"""Taken from all hours, not from windows."""


def simulated() -> dict[str, MarketColumn]:
    """The columns of simulated markets: medians over windows of 6 hours (of a crowded market: of one), seed 7."""
    columns: dict[str, MarketColumn] = {}
    for character in dict.fromkeys(wanted for wanted, _ in SIMULATED.values()):
        keys = {name: key for name, (wanted, key) in SIMULATED.items() if wanted is character}
        venues = {"binance", "coinbase"} if character in TWO_VENUES else {"binance"}
        traded = tuple(i for i in DEFAULT_INSTRUMENTS if i.asset.name == "BTC" and i.exchange in venues)
        length = timedelta(hours=1 if character is CROWDED else HOURS)
        market = Market(seed=7, start=START, duration=length, character=character, planted=(), instruments=traded)
        trades = pl.concat(list(market_trades(market))).filter(pl.col("timestamp") >= START)
        parts = {f"{e}:{s}": part for (e, s), part in trades.group_by("exchange", "symbol")}
        windows = {key: _windows(part, length) for key, part in parts.items()}
        apart = [
            basis(*pairs)
            for pairs in zip(*(found for _, found in sorted(windows.items())), strict=True)
            if len(pairs) > 1
        ]
        std = pl.DataFrame(apart, schema=["mean_bps", "std_bps"])["std_bps"].cast(pl.Float64).median()
        for name, key in keys.items():
            whole = statistics(parts[key])
            found = pl.DataFrame([statistics(window) for window in windows[key]])
            medians = {n: found[n].cast(pl.Float64).median() for n in STATISTICS}
            column = {n: whole[n] if n in _LONG else _plain(medians[n]) for n in STATISTICS}
            columns[name] = {**column, BASIS: _plain(std)}
    return {name: columns[name] for name in SIMULATED}


def recorded(folder: Path) -> dict[str, MarketColumn]:
    """The columns of recordings."""
    trades = {name: _recorded_trades(folder / path) for name, path in RECORDED.items()}
    columns: dict[str, MarketColumn] = {name: statistics(rows) for name, rows in trades.items()}
    spot = next(iter(RECORDED))
    apart = basis(_recorded_trades(folder / PERPETUAL), trades[spot])["std_bps"]
    return {name: {**column, BASIS: apart if name == spot else None} for name, column in columns.items()}


def main(arguments: list[str]) -> None:
    """Write the table anew into the page.

    Raises: UsageError: If no page is named.
    """
    if not arguments:
        raise UsageError("no page to write to", next_step="python -m tools.market_page docs/MARKET.md [FOLDER]")
    page = Path(arguments[0])
    text = page.read_text()
    if len(arguments) > 1:
        kept = {name: texts(column) for name, column in recorded(Path(arguments[1])).items()}
    else:
        kept = {name: column for name, column in columns_of(text, NAME, ROWS).items() if name in RECORDED}
    made = {name: texts(column) for name, column in simulated().items()}
    page.write_text(written(text, NAME, table({**kept, **made}, ROWS)))


def _windows(trades: pl.DataFrame, length: timedelta) -> list[pl.DataFrame]:
    """Whole windows of `WINDOW` since `START`."""
    number = (pl.col("timestamp") - START).dt.total_microseconds() // (WINDOW // timedelta(microseconds=1))
    whole = length // WINDOW
    rows = trades.with_columns(number.alias("window")).filter(pl.col("window") < whole)
    return rows.partition_by("window", maintain_order=True)


def _recorded_trades(path: Path) -> pl.DataFrame:
    """The trades of a recording, once each, by trade id."""
    recording = Recording(path)
    assert recording.layout is not None
    connector = CONNECTORS[recording.layout.exchange](market=recording.layout.market)
    frames = (frame for frame in recording.frames() if frame.kind == "message")
    found = [record for frame in frames for record in connector.records(frame.data, frame.received)]
    rows = [(t.trade_id, t.timestamp, t.side, t.price, t.quantity) for t in found if isinstance(t, Trade)]
    names = {"trade_id": pl.Int64, "timestamp": pl.Int64, "side": pl.String, "price": pl.String, "quantity": pl.String}
    return (
        pl.DataFrame(rows, schema=names, orient="row")
        .with_columns(pl.col("price", "quantity").cast(pl.Float64), pl.col("timestamp").cast(UTC_MICROS))
        .unique("trade_id")
        .sort("trade_id")
    )


def _plain(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


if __name__ == "__main__":
    main(sys.argv[1:])
