"""What is wrong with an input becomes one clear sentence or a DLQ row with its reason; nothing else is lost."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.commands import Done, letters, trades

Run = Callable[..., Done]

T0_MS = 1_741_089_600_000
"""2025-03-04 12:00 UTC, ms."""


def frame(number: int, /, **changed: Any) -> bytes:
    """A line of a Binance recording, `changed` where asked; None leaves the field out."""
    fill = {
        "e": "trade", "E": T0_MS + number, "s": "BTCUSDT", "t": 1000 + number, "p": "62000.10", "q": "0.015",
        "T": T0_MS + number, "m": False, "M": True,
    }  # fmt: skip
    fill |= changed
    message = json.dumps({"stream": "btcusdt@trade", "data": fill})
    return b"%d %s\n" % ((T0_MS + number + 20) * 1_000_000, message.encode())


def replayed(run: Run, content: bytes, *options: object) -> tuple[Done, dict[str, Any]]:
    Path("capture").write_bytes(content)
    done = run("replay", "capture", *options, "--json")
    return done, done.json


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"p": None}, "price_missing"),
        ({"q": None}, "quantity_missing"),
        ({"t": None}, "trade_id_missing"),
        ({"T": None}, "timestamp_missing"),
        ({"s": None}, "symbol_missing"),
        ({"p": "dear"}, "price_not_a_number"),
        ({"q": ""}, "quantity_not_a_number"),
        ({"p": "NaN"}, "price_implausible"),
        ({"p": "inf"}, "price_implausible"),
        ({"p": "1e308"}, "price_implausible"),
        ({"q": "1e308"}, "quantity_implausible"),
        ({"p": "-62000"}, "price_not_positive"),
        ({"q": "0"}, "quantity_not_positive"),
        ({"T": 0}, "timestamp_too_old"),
        ({"T": 4_070_908_800_000}, "timestamp_in_the_future"),
        ({"T": T0_MS * 1_000_000}, "timestamp_in_the_future"),  # ns where ms belong
        ({"s": "BTC USDT"}, "symbol_not_canonical"),
        ({"T": "yesterday"}, "unreadable_frame"),
        ({"m": "no"}, "unreadable_frame"),
        ({"p": "9" * 1_000_000}, "unreadable_frame"),
        ({"p": [1]}, "unreadable_frame"),
    ],
)
def test_a_bad_trade_is_a_row_of_the_dlq_and_its_neighbours_land(
    run: Run, tmp_path: Path, changed: dict[str, Any], reason: str
) -> None:
    done, said = replayed(run, frame(1) + frame(2, **changed) + frame(3))
    assert (done.code, done.err) == (0, "")
    landed = said["landed"]
    assert (landed["received"], landed["landed"], landed["rejected"], landed["duplicates"]) == (3, 2, 1, 0)
    assert reason in landed["rejected_by_reason"]
    (row,) = letters(tmp_path / ".coattail")
    assert reason in row["reasons"]
    assert row["payload"]
    assert trades(tmp_path / ".coattail")["trade_id"].to_list() == [1001, 1003]


@pytest.mark.parametrize("number", [62000.1, 62000])
def test_a_number_sent_as_a_number_is_taken_as_its_text(run: Run, tmp_path: Path, number: float) -> None:
    _, said = replayed(run, frame(1, p=number))
    assert said["landed"]["landed"] == 1
    assert trades(tmp_path / ".coattail")["price"].to_list() == [number]


def test_people_read_how_many_were_rejected_why_and_where_they_are(run: Run) -> None:
    Path("capture").write_bytes(frame(1) + frame(2, p="-1") + frame(3, q="-1", T=0))
    done = run("replay", "capture")
    assert done.code == 0
    assert "received 3 = landed 1 + rejected 2 + duplicates 0" in done.out
    for reason in ("price_not_positive 1", "quantity_not_positive 1", "timestamp_too_old 1"):
        assert reason in done.out
    assert "coattail dlq list" in done.out


@pytest.mark.parametrize(
    "line",
    [b"<html><body>502 Bad Gateway</body></html>\n", b"\x00\xff\xfe\x80 garbage\n", b'{"e":"trade","p":\n', b"17 {}\n"],
)
def test_a_bad_line_costs_itself_only(run: Run, tmp_path: Path, line: bytes) -> None:
    done, said = replayed(run, frame(1) + line + frame(2))
    assert done.code == 0
    landed = said["landed"]
    assert landed["landed"] == 2
    assert landed["received"] == landed["landed"] + landed["rejected"]
    assert landed["gaps"] == []


def test_a_symbol_that_is_not_configured_is_rejected(run: Run, tmp_path: Path) -> None:
    run("init")
    (tmp_path / ".coattail" / "coattail.yaml").write_text("quality:\n  symbols: [BTC-USDT]\n")
    _, said = replayed(run, frame(1) + frame(1, s="DOGEUSDT") + frame(2))
    assert said["landed"]["rejected_by_reason"] == {"symbol_not_configured": 1}
    assert said["landed"]["landed"] == 2


def test_a_truncated_capture_lands_up_to_the_damage_and_fails(run: Run, tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(frame(n) for n in range(20_000)))
    Path("cut.gz").write_bytes(whole[: len(whole) // 2])
    done = run("replay", "cut.gz")
    assert done.code == 1
    assert done.err.startswith("error: cut.gz is damaged (it ends before its gzip data do)")
    assert done.err.count("\n") == 1
    landed = trades(tmp_path / ".coattail")["trade_id"].sort().to_list()
    assert 1000 < len(landed) < 20_000
    assert landed == list(range(1000, 1000 + len(landed)))
    said = run("replay", "cut.gz", "--json")
    assert (said.code, said.json["landed"]["duplicates"]) == (1, len(landed))
    assert "is damaged" in said.json["damaged"]
    Path("cut.gz").write_bytes(whole)
    again = run("replay", "cut.gz", "--json").json
    assert (again["landed"]["landed"], again["landed"]["duplicates"]) == (20_000 - len(landed), len(landed))


def test_the_files_beside_a_damaged_one_land_before_it_is_told(run: Run) -> None:
    Path("a").write_bytes(frame(1))
    Path("b.gz").write_bytes(b"\x1f\x8b" + b"\x00" * 40)
    Path("c").write_bytes(frame(2))
    done = run("replay", "a", "b.gz", "c", "--json")
    assert (done.code, done.json["landed"]["landed"]) == (1, 2)
    assert "b.gz is damaged" in done.err


def test_an_empty_file_is_no_trades(run: Run) -> None:
    done, said = replayed(run, b"")
    assert (done.code, said["trades"], said["landed"]["received"]) == (0, 0, 0)
    assert run("replay", "capture").out.startswith("0 trades")


def test_a_capture_without_trades_is_no_trades(run: Run) -> None:
    book = b'%d {"stream":"btcusdt@depth","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","b":[],"a":[]}}\n'
    Path("capture").write_bytes(book % (T0_MS * 10**6) * 5)
    done = run("replay", "capture")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("0 trades in 5 messages, 5 without a trade")
    assert "0 alerts" in done.out


@pytest.mark.parametrize(
    "content", [bytes(range(256)) * 40, b"<!DOCTYPE html><html><body>Not found</body></html>\n", b"a,b,c\n1,2,3\n"]
)
def test_what_is_no_recording_is_refused_before_anything_is_made(run: Run, tmp_path: Path, content: bytes) -> None:
    Path("capture").write_bytes(content)
    done = run("replay", "capture")
    assert (done.code, done.out) == (2, "")
    assert "capture is not a recording that is known here" in done.err
    assert not (tmp_path / ".coattail").exists()


@pytest.mark.parametrize(
    ("options", "known"),
    [
        (["--exchange", "nyse"], "known: binance, binance_us, coinbase"),
        (["--format", "xml"], "known: auto, frames, cryptofeed, gdax-csv"),
        (["--market", "options"], "known: spot, usdm"),
        (["--symbols", "BTC-USDT,DOGE-USDT"], "no recording has trades of DOGE-USDT; known there: BTC-USDT"),
        (["--symbols", ","], "write them like BTC-USDT,ETH-USDT"),
        (["--speed", "fast"], "write max, 1x, 20x or 0.5x"),
        (["--speed", "0x"], "write max, 1x, 20x or 0.5x"),
    ],
)
def test_an_unknown_name_is_refused_and_the_known_ones_are_named(
    run: Run, tmp_path: Path, options: list[str], known: str
) -> None:
    Path("capture").write_bytes(frame(1))
    done = run("replay", "capture", *options)
    assert (done.code, done.out) == (2, "")
    assert known in done.err
    assert not (tmp_path / ".coattail").exists()


def test_a_missing_file_is_a_usage_error(run: Run) -> None:
    done = run("replay", "nowhere.gz")
    assert done.code == 2
    assert "there is no file nowhere.gz" in done.err
