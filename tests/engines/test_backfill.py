"""History fetched from exchanges on loopback: exactly their trades, also where holes were, and however often killed."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coattail.config import load_settings
from coattail.connectors.coinbase_rest import CoinbaseHistory
from coattail.connectors.history import Limits
from coattail.engines.local import LocalEngine
from coattail.errors import StreamError, UsageError
from coattail.home import Home
from coattail.market.exchange import Served
from coattail.market.exchange.limits import HostLimits
from coattail.streams.local import LocalStream
from coattail.workspace.backfill import Backfill, backfill
from coattail.workspace.loading import Wish
from tests.harness.backfilling import (
    START,
    SYMBOLS,
    differences,
    killed_backfill,
    past_day,
    settings_for,
    truth,
    with_holes,
)
from tests.harness.commands import trades, until
from tests.harness.processes import ROOT
from tests.harness.running import new_home

HOURS = 8.0
END = START + timedelta(hours=HOURS)
DOCUMENTED = re.search(
    r"## coattail backfill\n.*?```json\n(.*?)```", (ROOT / "docs" / "CLI.md").read_text(), re.DOTALL
)[1]  # type: ignore[index]


@pytest.fixture(scope="module", autouse=True)
def patient_coinbase() -> Iterator[None]:
    """Of this process it takes more than ten requests a second, so that tests do not wait; children keep to ten."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CoinbaseHistory, "limits", Limits(1000, 1.0))
        yield


@pytest.fixture(scope="module")
def day() -> Iterator[Served]:
    """A quiet simulated working day."""
    with past_day(HOURS, rate=0.15) as served:
        yield served


def is_exactly(home: Path, *wanted: pl.DataFrame) -> None:
    assert differences(home, *wanted) == []


def filled(home: Home, day: Served, wish: Wish, **more: bool) -> Backfill:
    return backfill(home, settings_for(day), wish, **more)


def keys(document: dict[str, Any]) -> set[str]:
    """Its keys, and those of an instrument in it."""
    return {*document, *(f"instruments.{key}" for one in document["instruments"] for key in one)}


def test_a_day_that_is_killed_again_and_again_lands_exactly(day: Served, tmp_path: Path) -> None:
    home = new_home(tmp_path)
    went = killed_backfill(day, home, HOURS, kills=2)
    assert went.kills
    done = went.done
    assert (done.code, done.err) == (0, "")
    coinbase = next(one for one in done.json["instruments"] if one["exchange"] == "coinbase")
    assert coinbase["here"] > 0, "it went on, and did not begin again"
    assert coinbase["wanted"] == coinbase["here"] + coinbase["trades"]
    is_exactly(home.path, truth(day, "binance", START, END), truth(day, "coinbase", START, END))
    assert keys(done.json) == keys(json.loads(DOCUMENTED))


def test_gaps_of_a_lake_with_holes_are_filled_exactly_and_nothing_else_is_asked_for(
    day: Served, tmp_path: Path
) -> None:
    home, noon = new_home(tmp_path), START + timedelta(hours=5)
    morning = {name: truth(day, name, START, START + timedelta(hours=3)) for name in SYMBOLS}
    evening = truth(day, "binance", noon, noon + timedelta(hours=1))
    for name, rows in morning.items():
        with_holes(home, rows, [(5, 5), (100, 1350), (1400, 1402)], f"live-{name}")
    with_holes(home, evening, [(7, 9)], "live-later")
    done = filled(home, day, Wish(gaps=True))
    assert done.document.complete
    assert done.document.landed is not None
    assert done.document.landed.gaps == ()
    is_exactly(home.path, *morning.values(), evening)
    assert done.document.requests <= 12

    wish = Wish(gaps=True, symbols=("BTC-USDT",), since=START, until=END)  # what nobody listened to, too
    assert filled(home, day, wish).document.complete
    assert repr(filled(home, day, Wish(gaps=True))) == "nothing is missing between the trades that are here"
    is_exactly(home.path, truth(day, "binance", START, noon + timedelta(hours=1)), morning["coinbase"])


def test_gaps_that_nobody_can_be_asked_for_are_said_and_the_others_are_filled(day: Served, tmp_path: Path) -> None:
    home, rows = new_home(tmp_path), truth(day, "coinbase", START, START + timedelta(minutes=30))
    with_holes(home, rows, [(9, 9)], "live")
    for exchange, symbol in (("binance", "BTC-USDT-PERP"), ("somewhere", "BTC-USD")):
        of = rows.with_columns(pl.lit(exchange).alias("exchange"), pl.lit(symbol).alias("symbol"))
        with_holes(home, of, [(20, 24)], "live")
    done = filled(home, day, Wish(gaps=True))
    assert not done.document.complete
    assert "BTC-USDT-PERP cannot be asked for: binance wants a key" in repr(done)
    assert "somewhere BTC-USD: 5 missing, and no such exchange can be asked" in repr(done)
    assert differences(home.path, rows) == [f"{2 * (rows.height - 5)} trades never traded"]


def test_a_stream_that_breaks_ends_a_backfill_with_its_own_error(
    day: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(stream: LocalStream, packs: object) -> None:
        raise StreamError("the disk is full")

    monkeypatch.setattr(LocalStream, "append", full)
    with pytest.raises(StreamError, match="the disk is full"):
        filled(new_home(tmp_path), day, Wish(symbols=("BTC-USD", "BTC-USDT"), since=START))


def test_an_engine_that_runs_on_the_home_lands_it(day: Served, tmp_path: Path) -> None:
    home, stop, end = new_home(tmp_path), threading.Event(), START + timedelta(hours=2)
    settings = load_settings(home, overrides={"engine.trigger": "50ms"})
    with LocalEngine(home, settings) as engine:
        thread = threading.Thread(target=engine.run, args=(stop,))
        thread.start()
        try:
            done = filled(home, day, Wish(symbols=("BTC-USD",), since=START, until=end), newest_first=True)
            assert "only fed the stream" in repr(done)
            until(lambda: engine.totals.landed == truth(day, "coinbase", START, end).height)
        finally:
            stop.set()
            thread.join()
    assert done.document.complete
    is_exactly(home.path, truth(day, "coinbase", START, end))


def test_a_backfill_that_is_stopped_keeps_what_it_fetched(day: Served, tmp_path: Path) -> None:
    home, stop = new_home(tmp_path), threading.Event()
    wish = Wish(symbols=("BTC-USD",), since=START, until=END)
    done = backfill(
        home, settings_for(day), wish, on_progress=lambda at: stop.set() if at.done > 3000 else None, stop=stop
    )
    assert "stopped before the end; the same command goes on" in repr(done)
    assert not done.document.complete
    (one,) = done.document.instruments
    assert 0 < one.missing < one.wanted
    have = trades(home.path)["trade_id"]
    assert one.wanted - one.missing == have.len() == have.n_unique()


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish(symbols=("BTC-USDT",), since=END, until=START), "is not before until"),
        (Wish(symbols=("BTC-USDT",), since=datetime(2999, 1, 1, tzinfo=UTC)), "2999-01-01 00:00 has not come yet"),
        (Wish(symbols=("BTC-USDT",)), "nothing says from when on"),
        (Wish(since=START, exchanges=("binance_us",)), "nothing says which symbols are wanted"),
        (
            Wish(symbols=("BTC-USDT",), exchanges=("binanse",), since=START),
            "there is no exchange 'binanse'; did you mean binance?",
        ),
        (
            Wish(symbols=("BTC-EURO",), since=START),
            "there is no BTC-EURO of binance, BTC-EURO of coinbase; binance does not list",
        ),
        (
            Wish(symbols=("BTC-USDT",), exchanges=("coinbase",), since=START),
            "coinbase does not list BTC-USDT; it lists BTC-USD",
        ),
        (Wish(symbols=("BTC-USDT-PERP",), exchanges=("binance",), since=START), "--source bulk"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_before_anything_is_fetched(
    day: Served, tmp_path: Path, wish: Wish, words: str
) -> None:
    home = new_home(tmp_path)
    with pytest.raises(UsageError) as caught:
        filled(home, day, wish)
    assert words in str(caught.value)
    assert list(home.stream.rglob("*")) == []


def test_since_before_the_market_existed_begins_with_its_first_trade(day: Served, tmp_path: Path) -> None:
    until_ten = START + timedelta(minutes=10)
    wish = Wish(symbols=("BTC-USD",), since=datetime(2001, 1, 1, tzinfo=UTC), until=until_ten)
    assert filled(new_home(tmp_path), day, wish).document.complete
    is_exactly(tmp_path / "home", truth(day, "coinbase", START - timedelta(days=1), until_ten))


def test_an_until_in_the_future_is_now_and_said(day: Served, tmp_path: Path) -> None:
    wish = Wish(symbols=("BTC-USDT",), since=END - timedelta(minutes=20), until=datetime(2999, 1, 1, tzinfo=UTC))
    done = filled(new_home(tmp_path), day, wish)
    assert done.document.complete
    assert "2999-01-01 00:00 has not come yet" in repr(done)
    is_exactly(tmp_path / "home", truth(day, "binance", END - timedelta(minutes=20), END))


def test_a_time_without_a_trade_is_complete_at_once(day: Served, tmp_path: Path) -> None:
    done = filled(new_home(tmp_path), day, Wish(symbols=("BTC-USDT",), since=END + timedelta(hours=1)))
    assert done.document.complete
    assert "no trade in this time" in repr(done)


def test_one_exchange_that_does_not_answer_does_not_stop_the_other(day: Served, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        hosts = {"binance": f"http://127.0.0.1:{taken.getsockname()[1]}", "coinbase": day.coinbase.rest_url}
        settings = load_settings(None, overrides={f"exchanges.{name}.rest_host": url for name, url in hosts.items()})
        troubles: list[str] = []
        wish = Wish(symbols=("BTC-USDT", "BTC-USD"), since=START, until=START + timedelta(hours=1))
        done = backfill(new_home(tmp_path), settings, wish, patience=timedelta(seconds=1), on_trouble=troubles.append)
    assert not done.document.complete
    assert "binance BTC-USDT: http://127.0.0.1:" in repr(done)
    assert "check the network, and rest_host" in repr(done)
    assert any("asking again" in trouble for trouble in troubles)
    is_exactly(tmp_path / "home", truth(day, "coinbase", START, START + timedelta(hours=1)))


def test_a_wish_to_stop_is_heeded_while_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        host = f"http://127.0.0.1:{taken.getsockname()[1]}"
        settings = load_settings(None, overrides={"exchanges.binance.rest_host": host})
        stop, began = threading.Event(), time.monotonic()
        wish = Wish(symbols=("BTC-USDT",), exchanges=("binance",), since=START)
        done = backfill(new_home(tmp_path), settings, wish, on_trouble=lambda _: stop.set(), stop=stop)
    assert time.monotonic() - began < 30
    assert done.document.stopped
    assert not done.document.complete


def test_an_exchange_that_grants_less_than_it_says_is_asked_more_slowly_and_all_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CoinbaseHistory, "limits", Limits(10, 1.0))
    troubles: list[str] = []
    with past_day(1, rate=0.3, limits=HostLimits(coinbase_requests=5, coinbase_burst=2)) as strict:
        end = START + timedelta(hours=1)
        wish = Wish(symbols=("BTC-USD",), since=START, until=end)
        done = backfill(new_home(tmp_path), settings_for(strict), wish, on_trouble=troubles.append)
        assert done.document.complete
        assert any("is asked too often from this address (429)" in trouble for trouble in troubles)
        is_exactly(tmp_path / "home", truth(strict, "coinbase", START, end))
