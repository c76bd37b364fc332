"""Backfills of a simulated day from exchanges on loopback, killed and run again, and the truth of that day."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from coattail.config import Settings, load_settings
from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.market import DEFAULT_INSTRUMENTS, Market
from coattail.market.exchange import Served, serving
from coattail.market.exchange.limits import HostLimits
from coattail.records import Trade, micros
from coattail.streams.local import LocalStream
from tests.harness.commands import Child, Done, trades, until
from tests.harness.running import feed

START = datetime(2025, 3, 4, tzinfo=UTC)
SYMBOLS = {"binance": ("BTCUSDT", "BTC-USDT"), "coinbase": ("BTC-USD", "BTC-USD")}
"""Exchange -> its own name of BTC, and ours."""


GENEROUS = HostLimits(binance_weight=100_000, coinbase_requests=2000, coinbase_burst=2000)


@contextmanager
def past_day(
    hours: float, *, rate: float, seed: int = 11, limits: HostLimits = GENEROUS, asset: str = "BTC"
) -> Iterator[Served]:
    """A simulated day of an asset that is over, at the exchanges. By default they grant whatever is asked for."""
    market = Market(
        seed=seed, start=START, duration=timedelta(hours=hours), rate=rate,
        instruments=tuple(i for i in DEFAULT_INSTRUMENTS if i.asset.name == asset),
    )  # fmt: skip
    with serving(market, opens=START + timedelta(hours=hours), limits=limits) as served:
        yield served


def hosts_of(day: Served) -> dict[str, object]:
    """Settings that lead to these exchanges."""
    return {f"exchanges.{name}.rest_host": day.venues[name].rest_url for name in SYMBOLS}


def settings_for(day: Served) -> Settings:
    """The settings of a home at these exchanges."""
    return load_settings(None, overrides=hosts_of(day))


def truth(day: Served, exchange: str, since: datetime, end: datetime) -> pl.DataFrame:
    """Every trade of BTC on the exchange in that time."""
    code, symbol = SYMBOLS[exchange]
    return day.venues[exchange].trades().filter(
        (pl.col("code") == code) & pl.col("timestamp").is_between(since, end, closed="left")
    ).select(
        pl.lit(exchange).alias("exchange"), pl.lit(symbol).alias("symbol"), "trade_id", "timestamp", "side",
        pl.col("price", "quantity").cast(pl.Float64),
    )  # fmt: skip


def differences(home: Path, *wanted: pl.DataFrame) -> list[str]:
    """How raw_trades differs from these trades, each once."""
    want = pl.concat(wanted).sort("exchange", "symbol", "trade_id")
    have = trades(home).filter(pl.col("trade_id") == pl.col("last_trade_id")).select(want.columns)
    key = ["exchange", "symbol", "trade_id"]
    lost = want.join(have, on=key, how="anti").height
    more = have.join(want, on=key, how="anti").height
    doubled = have.height - have.n_unique(key)
    other = want.join(have, on=want.columns, how="anti").height - lost
    said = {"lost": lost, "never traded": more, "doubled": doubled, "with other values": other}
    return [f"{number} trades {what}" for what, number in said.items() if number]


def segments(home: Home) -> set[Path]:
    """What has been fetched, as the stream holds it."""
    return set(home.stream.rglob("*.seg"))


@dataclass
class KilledBackfill:
    """A day that was fetched by one process after the other."""

    kills: int
    done: Done
    """The last process, which was let live."""


def killed_backfill(day: Served, home: Home, hours: float, *, kills: int) -> KilledBackfill:
    """Fetch the day, killing the process again and again once it has fetched something, and then let it end."""
    lines = [f"  {name}: {{rest_host: '{day.venues[name].rest_url}'}}" for name in SYMBOLS]
    home.config_file.write_text("\n".join(["preset: classic", "exchanges:", *lines, ""]))
    end = START + timedelta(hours=hours)
    words = ("backfill", "BTC-USDT", "BTC-USD", "--since", START.isoformat(), "--until", end.isoformat())
    killed = 0
    for _ in range(kills):
        before = segments(home)
        child = Child(*words, "--home", home.path, folder=home.path.parent)
        until(
            lambda seen=before, running=child: (  # type: ignore[misc]
                len(segments(home) - seen) >= 2 or running.process.poll() is not None
            )
        )
        killed += child.process.poll() is None
        child.end(signal.SIGKILL)
    return KilledBackfill(killed, Child(*words, "--home", home.path, "--json", folder=home.path.parent).end())


def heard_of(rows: pl.DataFrame, session: str) -> list[Trade]:
    """The trades as a session would have heard them."""
    return [
        Trade(
            exchange=row["exchange"], symbol=row["symbol"], trade_id=row["trade_id"], price=str(row["price"]),
            quantity=str(row["quantity"]), side=row["side"], timestamp=micros(row["timestamp"]),
            received=micros(row["timestamp"]), session=session, payload="{}",
        )
        for row in rows.iter_rows(named=True)
    ]  # fmt: skip


def with_holes(home: Home, rows: pl.DataFrame, holes: Sequence[tuple[int, int]], session: str) -> None:
    """Land the trades, heard in one session, without those at the places of the holes."""
    place = pl.int_range(pl.len())
    kept = rows.sort("trade_id").filter(~pl.any_horizontal(place.is_between(a, b) for a, b in holes))
    feed(LocalStream(home.stream), [heard_of(kept, session)])
    with LocalEngine(home, load_settings(home)) as engine:
        engine.drain()
