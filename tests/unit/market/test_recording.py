"""A market as files."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import zstandard

from coattail.market import TRUTH_SCHEMA, Market, identity_of, write

START = datetime(2025, 3, 4, 12, tzinfo=UTC)


def lines(path: Path) -> list[bytes]:
    with zstandard.open(path, "rb") as file:
        content: bytes = file.read()
    return content.splitlines()


def test_a_recording_has_a_line_per_frame_with_its_receive_time(tmp_path: Path) -> None:
    market = Market(start=START, duration=timedelta(minutes=6))
    written = write(market, tmp_path / "new")
    for exchange in ("binance", "coinbase"):
        frames = [f for f in market.frames() if f.exchange == exchange]
        path = written.recordings[exchange]
        assert path.name == f"{exchange}.frames.zst"
        assert lines(path) == [str(f.received).encode() + b" " + f.data for f in frames]
        assert written.frames[exchange] == len(frames)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "binance.frames.zst", "coinbase.frames.zst", "truth.json", "truth.parquet",
    ]  # fmt: skip


def test_the_same_market_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write(Market(start=START, duration=timedelta(minutes=6)), tmp_path / folder)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_the_truth_lies_beside_the_feed_for_machines_and_people(tmp_path: Path) -> None:
    market = Market(start=START)
    since = START + timedelta(minutes=84)
    written = write(market, tmp_path, since=since, until=since + timedelta(minutes=3))
    truth = pl.read_parquet(written.truth)
    assert truth.schema == TRUTH_SCHEMA
    assert truth["kind"].to_list() == ["spread"]
    readable = json.loads((tmp_path / "truth.json").read_text())
    identity = {"seed": 7, "character": "calm", "start": "2025-03-04T12:00:00Z", "rate": 1.0}
    assert {name: readable[name] for name in identity} == identity == identity_of(written.truth)
    assert readable["events"] == [
        {
            "kind": "spread",
            "exchange": None,
            "symbol": "ETH-USD",
            "start": "2025-03-04T13:25:00Z",
            "end": "2025-03-04T13:26:00Z",
            "size": 0.9,
            "detail": {"shifted": "coinbase"},
        }
    ]


def test_progress_rises_to_one(tmp_path: Path) -> None:
    seen: list[float] = []
    write(Market(start=START, duration=timedelta(minutes=20)), tmp_path, progress=seen.append)
    assert seen == sorted(seen)
    assert len(seen) >= 4
    assert seen[-1] == 1.0
