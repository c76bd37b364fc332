"""Files of rows, by the command line, all the way into the tables: synthetic ones, so nothing recorded is needed."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coattail.cli import main
from coattail.home import Home
from coattail.stores.dlq_folder import FolderDeadLetters
from tests.harness.rows import MS, TARDIS_HEADER, lines, written, zip_of
from tests.harness.running import queried

Replay = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Replay:
    """Runs `coattail replay` on the home `tmp_path/home`: (exit code, what it printed)."""
    monkeypatch.delenv("COATTAIL_HOME", raising=False)

    def go(*arguments: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = main(["--home", str(tmp_path / "home"), "replay", *map(str, arguments), "--json"])
        out = capsys.readouterr().out
        return code, json.loads(out) if out.strip() else {}

    return go


@pytest.fixture
def home(tmp_path: Path) -> Callable[[], Home]:
    return lambda: Home.open(tmp_path / "home")


def rejected(home: Home) -> list[tuple[str, list[str], str | None]]:
    """(reason, reasons, error) of every rejected row."""
    return [(row["reason"], row["reasons"], row["error"]) for row in FolderDeadLetters(home.dlq).rows()]


def trades(count: int, first: int = 1) -> list[str]:
    prices = random.Random(first)
    return [f"{first + n},{prices.uniform(1, 9):.8f},1.5,1,{MS + n},{n % 3 == 0},True" for n in range(count)]


def aggregates(source: list[str]) -> list[str]:
    """The same trades, each an aggregate of its own."""
    cells = [row.split(",") for row in source]
    return [f"{n},{c[1]},{c[2]},{c[0]},{c[0]},{c[4]},{c[5]},{c[6]}" for n, c in enumerate(cells)]


def test_a_day_of_trades_lands_once_and_its_aggregates_are_known_again(
    tmp_path: Path, replay: Replay, home: Callable[[], Home]
) -> None:
    day = trades(5000)
    name = "BTCUSDT-{}-2024-08-08"
    one = written(tmp_path / "one.d" / f"{name.format('trades')}.zip", zip_of((name.format("trades") + ".csv", day)))
    two = written(tmp_path / f"{name.format('aggTrades')}.csv.gz", lines(*aggregates(day)))
    code, printed = replay(one)
    assert (code, printed["trades"], printed["landed"]["landed"], printed["landed"]["late"]) == (0, 5000, 5000, 0)
    code, printed = replay(two)
    assert (code, printed["landed"]["landed"], printed["landed"]["duplicates"]) == (0, 0, 5000)
    assert queried(home(), "SELECT state, first_id, last_id FROM {coverage}") == [("live", 1, 5000)]
    sums = "SELECT any_value(symbol), count(*), count_if(side = 'sell'), count_if(inexact) FROM {raw_trades}"
    assert queried(home(), sums) == [("BTC-USDT", 5000, 1667, 0)]
    assert queried(home(), "SELECT raw_event_payload FROM {raw_trades} WHERE trade_id = 17") == [(day[16],)]


def test_bad_rows_go_to_the_dlq_with_their_reasons_and_cost_their_neighbours_nothing(
    tmp_path: Path, replay: Replay, home: Callable[[], Home]
) -> None:
    tomorrow = (int(time.time()) + 86_400) * 1000
    bad = [
        f"3,-5.0,1,1,{MS},True,True",
        f"4,5.0,1,1,{tomorrow},True,True",
        "rubbish",
        f"5,five,1,1,{MS},True,True",
        f"6,,1,1,{MS},True,True",
    ]
    path = written(tmp_path / "BTCUSDT-trades-2024-08-08.csv", lines(*trades(2), *bad, *trades(3, first=7)))
    code, printed = replay(path)
    landed = printed["landed"]
    assert (code, printed["malformed"], landed["landed"], landed["rejected"]) == (0, 1, 5, 5)
    assert landed["conserved"] is True
    assert landed["gaps"] == []
    found = rejected(home())
    assert sorted(reasons[0] for _, reasons, _ in found) == [
        "price_missing",
        "price_not_a_number",
        "price_not_positive",
        "timestamp_in_the_future",
        "unreadable_frame",
    ]
    (error,) = [error for _, _, error in found if error]
    assert error.startswith("line 5: ")


def test_a_cut_archive_lands_as_far_as_it_goes_and_the_whole_one_lands_the_rest(tmp_path: Path, replay: Replay) -> None:
    whole = zip_of(("BTCUSDT-trades-2024-08-08.csv", trades(20_000)))
    path = written(tmp_path / "BTCUSDT-trades-2024-08-08.zip", whole[: len(whole) // 2])
    code, printed = replay(path)
    part = printed["landed"]["landed"]
    assert code == 1
    assert "ends before its zip data do" in printed["damaged"]
    assert 1000 < part < 20_000
    path.write_bytes(whole)
    code, printed = replay(path)
    assert (code, printed["landed"]["landed"], printed["landed"]["duplicates"]) == (0, 20_000 - part, part)


def test_tardis_rows_without_whole_ids_are_rejected_and_the_others_land(
    tmp_path: Path, replay: Replay, home: Callable[[], Home]
) -> None:
    ids: list[object] = [*range(1, 6), "ccc3-1fa", 6]
    body = [f"binance,BTCUSDT,{MS + n}000,{MS + n}500,{i},buy,5,1" for n, i in enumerate(ids)]
    code, printed = replay(written(tmp_path / "trades.csv.gz", lines(TARDIS_HEADER, *body)), "--symbols", "BTC-USDT")
    assert (code, printed["trades"], printed["landed"]["landed"], printed["malformed"], printed["other"]) == (
        0,
        6,
        6,
        1,
        1,
    )
    ((reason, _, error),) = rejected(home())
    assert (reason, error) == ("malformed", "line 7: id is 'ccc3-1fa', not a whole number of 64 bits")


def test_a_table_lands_by_its_columns_and_at_a_pace(tmp_path: Path, replay: Replay, home: Callable[[], Home]) -> None:
    body = [f"{MS + n},{5 + n},1,buy" for n in range(20)]
    path = written(tmp_path / "some.csv", lines("ts,px,qty,side", *body))
    options = ("--exchange", "bitstamp", "--symbol", "BTC-USD", "--columns", "time=ts,price=px,quantity=qty,side=side")
    code, printed = replay(path, *options)
    assert (code, printed) == (2, {})
    code, printed = replay(path, *options, "--make-ids", "--speed", "1000x")
    assert (code, printed["landed"]["landed"]) == (0, 20)
    code, printed = replay(path, *options, "--make-ids")
    assert (code, printed["landed"]["landed"], printed["landed"]["duplicates"]) == (0, 0, 20)
    assert queried(home(), "SELECT any_value(exchange), any_value(symbol), sum(price) FROM {raw_trades}") == [
        ("bitstamp", "BTC-USD", sum(range(5, 25)))]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", 0), (b"id,price,qty,quote_qty,time,is_buyer_maker\n", 0), (bytes(range(256)) * 40, 2), (b"PK\x03\x04", 1),
     (b"a,b,c\n1,2,3\n", 2), (b"PAR1", 1)],
)  # fmt: skip
def test_a_file_with_nothing_in_it_lands_nothing_and_says_why(
    tmp_path: Path, replay: Replay, content: bytes, code: int
) -> None:
    path = tmp_path / "futures" / "um" / "BTCUSDT-trades-2024-08-08.csv"
    assert replay(written(path, content))[0] == code
