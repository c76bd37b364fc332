"""A home with two hours of a small market in it: planted events, a gap, bad records, repeats, two commits."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard

from coattail.cli import main
from coattail.config import load_settings
from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.market import Market, write
from coattail.producer.replay import replay
from coattail.sql import Sql
from coattail.stores.catalog import embedded
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream

EVIL = "\x1b]0;owned\x07\u202e"
"""What a terminal must never be sent: a new title, and text that runs backwards."""


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Filled:
    """The home, and what is known about it."""

    home: Home
    gap: tuple[int, int]
    """Ids of binance BTC-USDT that were left out."""
    between: datetime
    """A moment between the first and the second commit of raw_trades."""


@pytest.fixture(scope="session")
def filled() -> Iterator[Filled]:
    with tempfile.TemporaryDirectory() as name:  # folders of pytest are closed to other users
        folder = Path(name)
        folder.chmod(0o755)
        written = write(Market(rate=0.08), folder / "recordings").recordings
        gap = spoil(written["binance"])
        home = Home.open(folder / "home", create=True)
        (home.path / "coattail.yaml").write_text("preset: classic\n")
        stream = LocalStream(home.stream)
        land(home, lambda: replay([written["binance"]], stream))
        between = datetime.now(UTC)
        land(home, lambda: replay([written["coinbase"], written["coinbase"]], stream))
        yield Filled(home, gap, between)


def land(home: Home, feed: Callable[[], object]) -> None:
    feed()
    with LocalEngine(home, load_settings(home)) as engine:
        engine.drain()


def spoil(recording: Path) -> tuple[int, int]:
    """Leave five trades out, give two of them impossible values, and add a frame that is hardly one."""
    with zstandard.open(recording, "rb") as file:
        lines = file.read().splitlines()
    frames = [(line.split(b" ", 1)[0], json.loads(line.split(b" ", 1)[1])) for line in lines]
    chosen = [i for i, (_, frame) in enumerate(frames) if frame["data"]["s"] == "BTCUSDT"][500:510]
    missing = [frames[i][1]["data"]["t"] for i in chosen[:5]]
    frames[chosen[7]][1]["data"]["p"] = "-1"
    frames[chosen[8]][1]["data"]["q"] = f"many{EVIL}"
    kept = [frame for i, frame in enumerate(frames) if i not in chosen[:5]]
    with zstandard.open(recording, "wb") as file:
        file.write(b"".join(b"%s %s\n" % (at, json.dumps(frame, ensure_ascii=False).encode()) for at, frame in kept))
    return missing[0], missing[-1]


@pytest.fixture
def sql(filled: Filled) -> Iterator[Sql]:
    lake = Lake(embedded(filled.home.path), writable=False)
    hot = SqliteHotStore(filled.home.hot_db, writable=False)
    yield Sql(lake, hot)
    hot.close()
    lake.close()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs the command line."""
    monkeypatch.delenv("COATTAIL_HOME", raising=False)

    def call(*arguments: object) -> Outcome:
        code = main([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.fixture
def coattail(filled: Filled, run: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Runs the command line on the filled home."""
    return lambda *arguments: run("--home", filled.home.path, *arguments)


@pytest.fixture
def empty(tmp_path: Path, run: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Runs the command line on a home where nothing has landed."""
    Home.open(tmp_path / "home", create=True)
    return lambda *arguments: run("--home", tmp_path / "home", *arguments)
