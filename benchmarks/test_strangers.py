"""Clients that others wrote receive exactly the trades that the exchanges on loopback serve."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from coattail.market import Market
from coattail.market.exchange import serving
from tests.harness.strangers import STRANGERS, certified, covered, hearing, why_not

OPENING_SECONDS = 30
TRADES = 3_000
AT_ONCE, PAUSE = 40, 0.02
"""Trades released at once, and seconds between: 2,000 a second, which the one with the smallest buffer follows."""


def told_as(rows: Mapping[int, Mapping[str, object]], first: int, last: int) -> tuple[Decimal, Decimal, str, int]:
    """What has to be said of the trades first..last: price, quantity, taker's side, time in ms."""
    fills = [rows[number] for number in range(first, last + 1)]
    assert len({(fill["price"], fill["side"], fill["timestamp"]) for fill in fills}) == 1
    price, side, time_ms = Decimal(str(fills[0]["price"])), str(fills[0]["side"]), int(str(fills[0]["ms"]))
    return price, sum((Decimal(str(fill["quantity"])) for fill in fills), Decimal(0)), side, time_ms


@pytest.mark.parametrize("name", STRANGERS)
def test_a_client_that_others_wrote_hears_exactly_the_trades_that_are_served(name: str, tmp_path: Path) -> None:
    stranger = STRANGERS[name]
    if reason := why_not(stranger):
        pytest.skip(reason)
    with ExitStack() as stack:
        theirs, trust = stack.enter_context(certified(tmp_path))
        served = stack.enter_context(serving(Market(seed=7), tls=theirs if stranger.tls else None))
        venue = served.venues[stranger.venue]
        venue.release(500)
        before = venue.released
        heard = stack.enter_context(hearing(stranger, venue, tmp_path, trust))
        deadline = time.monotonic() + OPENING_SECONDS
        while venue.subscriptions < stranger.subscriptions:
            assert time.monotonic() < deadline, f"it never subscribed: {(tmp_path / 'stderr').read_text()[-2000:]}"
            time.sleep(0.01)
        for _ in range(TRADES // AT_ONCE):
            venue.release(AT_ONCE)
            time.sleep(PAUSE)
        trades = venue.trades().filter(pl.col("code") == stranger.code, pl.col("position") >= before)
        trades = trades.with_columns(ms=pl.col("timestamp").dt.epoch("ms"))
        rows = {row["trade_id"]: row for row in trades.iter_rows(named=True)}
        found: list[list[object]] = []
        aggregated = "cryptofeed, Binance" in name
        slack = 30 if aggregated else 0  # an aggregate that is still open at the end has not been told of
        while len(covered(found)) < len(rows) - slack:
            found.append(heard.get(timeout=10))
        if aggregated:
            found += [heard.get() for _ in range(heard.qsize())]
    ids = sorted(rows)
    begun = int(str(found[0][0])) if aggregated else ids[0]
    expected = [number for number in ids if begun <= number]
    assert sorted(covered(found)) == expected[: len(covered(found))]
    assert begun - ids[0] <= slack
    for first, last, price, quantity, side, time_ms in found:
        takers = {"buy": "sell", "sell": "buy"}[str(side)] if stranger.makers_side else side
        assert (Decimal(str(price)), Decimal(str(quantity)), takers, time_ms) == told_as(
            rows, int(str(first)), int(str(last))
        )
