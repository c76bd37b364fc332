"""The historical loader: what it makes of an event, and of an exchange that does not answer as it should."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coattail.aws.lambdas.invoked import HISTORICAL
from coattail.aws.lambdas.loader import LoaderEvent, absolute, handler
from coattail.connectors import asking
from coattail.connectors.history import Blocked, UnknownSymbol, Unreachable
from coattail.errors import CoattailError, ConfigError, StoreError, UsageError
from coattail.market import DEFAULT_INSTRUMENTS, Market
from coattail.market.exchange import Served, serving
from coattail.market.exchange.faults import AnswerWith
from coattail.stores.filed import FilesInFolder
from tests.harness.backfilling import GENEROUS, START

END = START + timedelta(minutes=20)
EVENT = {"exchange": "binance", "symbol": "BTC-USDT", "since": START.isoformat(), "until": END.isoformat()}
MARKET = Market(
    seed=3, start=START, duration=timedelta(hours=1), rate=0.05,
    instruments=tuple(i for i in DEFAULT_INSTRUMENTS if i.asset.name == "BTC"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FilesInFolder:
    monkeypatch.setenv(HISTORICAL, str(tmp_path / "historical"))
    monkeypatch.setattr(asking, "_budgets", {})
    return FilesInFolder(tmp_path / "historical")


@pytest.fixture(scope="module")
def day() -> Iterator[Served]:
    with serving(MARKET, opens=START + timedelta(hours=1), limits=GENEROUS) as served:
        yield served


class Context:
    """What Lambda says of an invocation that has so many seconds left."""

    aws_request_id = "7"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


def test_the_answer_is_the_next_event_until_it_is_done(day: Served, files: FilesInFolder) -> None:
    event = {**EVENT, "rest_host": day.binance.rest_url}
    first = handler(event, Context(300))
    assert (first["done"], first["wait_seconds"], first["lacking"]) == (True, 0, 0)
    assert first["wanted"] == first["filed"] == first["trades"] > 100
    assert first["next"] == {**event, "cursor": {"first_id": first["first_id"], "last_id": first["last_id"]}}
    (file,) = files.listed()
    assert (file.first, file.last, file.size) == (first["first_id"], first["last_id"], first["size_bytes"])
    again = handler(first["next"], None)
    assert (again["done"], again["written"], again["requests"]) == (True, 0, 0)
    (files._folder / file.name).unlink()  # somebody removed it: `done` is what lies there, not what was done
    assert handler(first["next"], None)["written"] == 1


def test_a_time_without_trades_is_done_at_once(day: Served) -> None:
    later = {"since": (START + timedelta(hours=2)).isoformat(), "until": (START + timedelta(hours=3)).isoformat()}
    said = handler({**EVENT, **later, "rest_host": day.binance.rest_url}, None)
    assert (said["done"], said["wanted"], said["first_id"], said["files"]) == (True, 0, None, 0)
    assert said["next"]["cursor"] is None


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"symbol": "BTC-EUR"}, UnknownSymbol, "Invalid symbol"),
        ({"symbol": "btc"}, UsageError, "'btc' names no symbol"),
        ({"exchange": "binanse"}, UsageError, "no exchange 'binanse'; did you mean binance"),
        ({"exchange": "kraken"}, UsageError, "cannot be asked for by id"),
        ({"until": START.isoformat()}, UsageError, "is not before until"),
        ({"since": "2999-01-01", "until": None}, UsageError, "has not come yet"),
        ({"since": "soon"}, UsageError, "since 'soon' is not a time"),
        ({"rest_host": "binance.com"}, UsageError, "must begin with https://"),
        ({"cursor": {"first_id": 5, "last_id": 4}}, UsageError, "the cursor ends before it begins"),
        ({"day": "x"}, UsageError, "unknown field `day`.*it takes exchange, symbol, since"),
        ({"symbol": 5}, UsageError, "Expected `str`"),
    ],
)
def test_an_event_that_makes_no_sense_is_refused(
    day: Served, given: dict[str, Any], error: type[CoattailError], said: str
) -> None:
    with pytest.raises(error, match=said):
        handler({**EVENT, "rest_host": day.binance.rest_url, **given}, None)


@pytest.mark.parametrize(
    ("where", "error", "said"),
    [
        ("", ConfigError, f"{HISTORICAL} is not set"),
        ("s3://B/x", ConfigError, "names no folder of a bucket"),
        ("/proc/nowhere", StoreError, "cannot be written"),
    ],
)
def test_a_place_that_cannot_be_used_is_named(
    day: Served, monkeypatch: pytest.MonkeyPatch, where: str, error: type[CoattailError], said: str
) -> None:
    monkeypatch.setenv(HISTORICAL, where)
    with pytest.raises(error, match=said):
        handler({**EVENT, "rest_host": day.binance.rest_url}, None)


@pytest.mark.parametrize("status", [418, 429])
def test_a_pause_that_the_exchange_wants_is_left_to_the_workflow(status: int) -> None:
    faults = [AnswerWith(at_trade=1, seconds=10_000, status=status, retry_after=700, on="rest")]
    with serving(MARKET, opens=END, limits=GENEROUS, faults=faults) as day:
        day.binance.release(1)
        said = handler({**EVENT, "rest_host": day.binance.rest_url}, Context(300))
    assert (said["done"], said["filed"], 690 < said["wait_seconds"] <= 700) == (False, 0, True)
    assert said["next"] == {**EVENT, "rest_host": day.binance.rest_url, "cursor": None}


def test_an_address_that_is_not_served_and_a_host_that_is_down_are_errors() -> None:
    faults = [AnswerWith(at_trade=1, seconds=10_000, status=451, on="rest")]
    with serving(MARKET, opens=END, limits=GENEROUS, faults=faults) as day:
        day.binance.release(1)
        with pytest.raises(Blocked, match=r"451, by law\); set exchanges.binance.rest_host"):
            handler({**EVENT, "rest_host": day.binance.rest_url}, Context(300))
        host = day.binance.rest_url
    with pytest.raises(Unreachable, match="cannot be reached"):
        handler({**EVENT, "rest_host": host}, Context(2))


def test_an_invocation_without_time_says_so_instead_of_going_on_for_ever(day: Served) -> None:
    with pytest.raises(Unreachable, match="nothing came of binance BTC-USDT in the time of an invocation"):
        handler({**EVENT, "rest_host": day.binance.rest_url}, Context(0))
    span = {"first_id": 1, "last_id": 9}
    with pytest.raises(Unreachable, match="nothing came"):
        handler({**EVENT, "rest_host": day.binance.rest_url, "cursor": span}, Context(0))


def test_days_and_durations_are_times_that_stay_the_same_from_then_on() -> None:
    now = datetime(2025, 3, 4, 2, 0, 5, tzinfo=UTC)
    event = LoaderEvent(exchange="binance", symbol="BTC-USDT", since="yesterday", until="today")
    fixed = absolute(event, now)
    assert (fixed.since, fixed.until) == ("2025-03-03T00:00:00+00:00", "2025-03-04T00:00:00+00:00")
    assert absolute(fixed, now + timedelta(days=9)) == fixed
    assert absolute(LoaderEvent(exchange="x", symbol="y", since="26h"), now).since == "2025-03-03T00:00:05+00:00"
