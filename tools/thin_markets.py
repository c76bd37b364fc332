"""`python -m tools.thin_markets docs/MARKET.md [FOLDER]`: thin markets and pumps, simulated beside recorded ones.

FOLDER holds the recordings; without it the columns of recordings stay as they are in the page.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from coattail.errors import UsageError
from coattail.market.character import BUSY, MIDDLE, QUIET, SMALL, THIN, Character
from coattail.market.facts import market_trades
from coattail.market.instruments import DEFAULT_INSTRUMENTS
from coattail.market.long_run import long_trades
from coattail.market.pump import PlantedPump
from coattail.market.simulation import Market
from coattail.tables import UTC_MICROS
from tools.page_tables import MarketColumn, columns_of, table, texts, written
from tools.thin_statistics import PUMPS, QUIET_DAYS, pump_statistics, quiet_statistics

RECORDED = {
    "AST-BTC, 2018": ("pump-trades/AST_2018-09-07_1530.csv.gz", datetime(2018, 9, 7, 15, 30, tzinfo=UTC)),
    "BRD-BTC, 2018": ("pump-trades/BRD_2018-11-13_1700.csv.gz", datetime(2018, 11, 13, 17, tzinfo=UTC)),
    "DLT-BTC, 2018": ("pump-trades/DLT_2018-08-23_1600.csv.gz", datetime(2018, 8, 23, 16, tzinfo=UTC)),
    "STORJ-BTC, 2019": ("pump-trades/STORJ_2019-08-10_2000.csv.gz", datetime(2019, 8, 10, 20, tzinfo=UTC)),
}
"""Column -> recording, below the folder of recordings, and when its pump was announced."""
SIMULATED: tuple[tuple[Character, int], ...] = ((THIN, 18), (QUIET, 18), (SMALL, 18), (MIDDLE, 4), (BUSY, 1))
"""Character, and how many days of it."""
AROUND = (timedelta(hours=-6), timedelta(hours=24))
"""What is not of the quiet days: this long about an announcement."""
SEEDS = range(1, 9)
"""Of the simulated pumps, of which medians are shown."""
PUMP = "planted (300 times, 30 %)"

_START = datetime(2025, 3, 3, tzinfo=UTC)
_MARKET = DEFAULT_INSTRUMENTS[2]


def quiet_simulated() -> dict[str, MarketColumn]:
    """The columns of simulated markets, seed 7."""
    columns: dict[str, MarketColumn] = {}
    for character, days in SIMULATED:
        trades = pl.concat(list(long_trades(character, _MARKET, days, seed=7, start=_START)))
        stretch = (_START, _START + timedelta(days=days))
        columns[f"{character.name}"] = quiet_statistics(trades, [stretch])
    return columns


def quiet_recorded(folder: Path) -> dict[str, MarketColumn]:
    """The columns of recordings, without the hours about the pumps."""
    columns: dict[str, MarketColumn] = {}
    for name, (path, announced) in RECORDED.items():
        trades = recorded_trades(folder / path)
        first, last = trades["timestamp"][0], trades["timestamp"][-1]
        stretches = [(first, announced + AROUND[0]), (announced + AROUND[1], last)]
        columns[name] = quiet_statistics(trades, stretches)
    return columns


def pumps_simulated() -> dict[str, MarketColumn]:
    """The column of simulated pumps: medians over some seeds, in a quiet market."""
    usual = pl.concat(list(long_trades(QUIET, _MARKET, 60, seed=7, start=_START)))
    pace = usual.height / (60 * 1440)
    volume = float((usual["price"] * usual["quantity"]).sum()) / (60 * 1440)
    rows = []
    for seed in SEEDS:
        pump = PlantedPump(exchange=_MARKET.exchange, symbol=_MARKET.symbol, start=_START + timedelta(minutes=30))
        market = Market(
            seed=seed,
            start=_START,
            duration=timedelta(hours=5),
            character=QUIET,
            planted=(pump,),
            instruments=(_MARKET,),
        )
        trades = pl.concat(list(market_trades(market))).filter(pl.col("timestamp") >= _START)
        rows.append(pump_statistics(trades, pump.announced, pace=pace, volume=volume))
    found = pl.DataFrame(rows, schema=dict.fromkeys(PUMPS, pl.Float64))
    return {PUMP: {name: float(found[name].median()) for name in PUMPS}}  # type: ignore[arg-type]


def pumps_recorded(folder: Path) -> dict[str, MarketColumn]:
    """The columns of recorded pumps; what is usual is that of the week until a day before."""
    columns: dict[str, MarketColumn] = {}
    for name, (path, announced) in RECORDED.items():
        trades = recorded_trades(folder / path)
        day = timedelta(days=1)
        week = trades.filter(pl.col("timestamp").is_between(announced - 8 * day, announced - day))
        minutes = 7 * 1440
        volume = float((week["price"] * week["quantity"]).sum()) / minutes
        columns[name] = pump_statistics(trades, announced, pace=week.height / minutes, volume=volume)
    return columns


def recorded_trades(path: Path) -> pl.DataFrame:
    """timestamp, side, price, quantity of a recording, by time."""
    return pl.read_csv(path).select(
        pl.from_epoch("timestamp", "ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(UTC_MICROS),
        "side",
        pl.col("price").cast(pl.Float64),
        pl.col("amount").cast(pl.Float64).alias("quantity"),
    )


def main(arguments: Sequence[str]) -> None:
    """Write both tables anew into the page.

    Raises: UsageError: If no page is named.
    """
    if not arguments:
        raise UsageError("no page to write to", next_step="python -m tools.thin_markets docs/MARKET.md [FOLDER]")
    page = Path(arguments[0])
    text = page.read_text()
    folder = Path(arguments[1]) if len(arguments) > 1 else None
    for name, rows, recorded, simulated in (
        ("quiet", QUIET_DAYS, quiet_recorded, quiet_simulated),
        ("pumps", PUMPS, pumps_recorded, pumps_simulated),
    ):
        if folder is None:
            kept = {column: cells for column, cells in columns_of(text, name, rows).items() if column in RECORDED}
        else:
            kept = {column: texts(cells) for column, cells in recorded(folder).items()}
        made = {column: texts(cells) for column, cells in simulated().items()}
        text = written(text, name, table({**kept, **made}, rows))
    page.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
