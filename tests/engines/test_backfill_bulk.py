"""Daily files of Binance from a mirror: checked, read where they are needed, and every id accounted for."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from coattail.config import load_settings
from coattail.engines.local import LocalEngine
from coattail.errors import UsageError
from coattail.home import Home
from coattail.records import Trade, micros
from coattail.streams.local import LocalStream
from coattail.workspace.backfill import Backfill, backfill
from coattail.workspace.loading import Wish
from tests.harness.commands import letters, trades
from tests.harness.running import feed, new_home
from tests.harness.scenes import make_trade

DAY = datetime(2025, 3, 4, tzinfo=UTC)
PER_DAY = 500


def moment(number: int) -> datetime:
    """Of the trade with this id: `PER_DAY` of them a day, from id 0 on."""
    return DAY + number * timedelta(days=1) / PER_DAY + timedelta(minutes=1)


def raw(numbers: Sequence[int]) -> list[str]:
    return [f"{n},100.5,0.25,25.125,{micros(moment(n))},{'True' if n % 2 else 'False'},True" for n in numbers]


def aggregated(numbers: Sequence[int], size: int) -> list[str]:
    """Aggregates of `size` trades each, at the time of their first."""
    return [
        f"{n // size},100.5,{0.25 * size},{n},{n + size - 1},{micros(moment(n))},{'True' if n % 2 else 'False'},True"
        for n in numbers[::size]
    ]


def publish(mirror: Path, day: int, lines: Sequence[str], kind: str = "trades", *, said: str | None = None) -> Path:
    """A day's file with its checksum, as data.binance.vision has them."""
    stem = f"BTCUSDT-{kind}-{DAY + timedelta(days=day):%Y-%m-%d}"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{stem}.csv", "\n".join(lines) + "\n")
    path = mirror / "data" / "spot" / "daily" / kind / "BTCUSDT" / f"{stem}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed.getvalue())
    digest = said or hashlib.sha256(packed.getvalue()).hexdigest()
    path.with_name(f"{stem}.zip.CHECKSUM").write_text(f"{digest}  {stem}.zip\n")
    return path


def ids(first_day: int, days: int = 1) -> range:
    return range(first_day * PER_DAY, (first_day + days) * PER_DAY)


def wish(mirror: Path | str, days: int, *, since: datetime = DAY) -> Wish:
    return Wish(
        symbols=("BTC-USDT",), exchanges=("binance",), since=since, until=DAY + timedelta(days=days), source="bulk",
        bulk_from=str(mirror),
    )  # fmt: skip


def loaded(home: Home, what: Wish) -> Backfill:
    return backfill(home, load_settings(home), what)


def heard(home: Home, numbers: Sequence[int]) -> None:
    """Trades that have landed one by one."""
    rows: list[Trade] = [
        make_trade(n, moment(n), exchange="binance", symbol="BTC-USDT", price="100.5", quantity="0.25", session="live")
        for n in numbers
    ]
    feed(LocalStream(home.stream), [rows])
    with LocalEngine(home, load_settings(home)) as engine:
        engine.drain()


@contextmanager
def over_http(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """A mirror's address, and what is asked of it."""
    asked: list[str] = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_days_land_whole_and_are_not_read_again(tmp_path: Path) -> None:
    home, mirror = new_home(tmp_path), tmp_path / "mirror"
    for day in range(3):
        publish(mirror, day, raw(ids(day)))
    with over_http(mirror) as (url, asked):
        done = loaded(home, wish(url, 3))
        assert done.document.complete
        rows = trades(home.path).sort("trade_id")
        assert rows["trade_id"].to_list() == list(ids(0, 3))
        assert rows["timestamp"].to_list() == [moment(n) for n in ids(0, 3)]
        assert set(rows["side"][::2]) == {"buy"}
        first = len(asked)
        again = loaded(home, wish(url, 3))
        assert again.document.complete
        assert again.document.landed is not None
        assert again.document.landed.received == 0
        assert len(asked) - first == 4, "the day in the middle is known to be whole"


def test_what_is_here_is_left_out_and_an_aggregate_of_which_a_part_is_here_is_named(tmp_path: Path) -> None:
    home, mirror = new_home(tmp_path), tmp_path / "mirror"
    heard(home, [*range(101, 200)])
    publish(mirror, 0, aggregated(ids(0), 10), "aggTrades")
    done = loaded(home, wish(mirror, 1))
    assert not done.document.complete
    (one,) = done.document.instruments
    assert [(gap.first_id, gap.last_id) for gap in one.left] == [(100, 100)]
    assert "only an aggregate of the trades 100 to 109 has them" in one.left[0].why
    rows = trades(home.path)
    covered = sorted(n for a, b in rows.select("trade_id", "last_trade_id").iter_rows() for n in range(a, b + 1))
    assert covered == [n for n in ids(0) if n != 100]
    assert letters(home.path) == [], "nothing was sent that would be rejected"


def test_single_trades_are_taken_where_a_day_has_both(tmp_path: Path) -> None:
    home, mirror = new_home(tmp_path), tmp_path / "mirror"
    publish(mirror, 0, aggregated(ids(0), 10), "aggTrades")
    publish(mirror, 0, raw(ids(0)))
    publish(mirror, 1, aggregated(ids(1), 10), "aggTrades")
    assert loaded(home, wish(mirror, 2)).document.complete
    rows = trades(home.path)
    assert rows.height == PER_DAY + PER_DAY // 10


def test_only_the_trades_of_the_time_are_taken(tmp_path: Path) -> None:
    home, mirror = new_home(tmp_path), tmp_path / "mirror"
    publish(mirror, 0, raw(ids(0)))
    assert loaded(home, wish(mirror, 1, since=DAY + timedelta(hours=12))).document.complete
    noon = DAY + timedelta(hours=12)
    assert trades(home.path)["trade_id"].sort().to_list() == [n for n in ids(0) if moment(n) >= noon]


def test_a_file_that_is_not_what_its_checksum_says_is_not_read(tmp_path: Path) -> None:
    home, mirror = new_home(tmp_path), tmp_path / "mirror"
    publish(mirror, 0, raw(ids(0)))
    publish(mirror, 1, raw(ids(1)), said="0" * 64)
    publish(mirror, 2, raw(ids(2)))
    done = loaded(home, wish(mirror, 3))
    assert not done.document.complete
    assert "and its CHECKSUM says 0000" in str(done.document.instruments[0].failed)
    assert trades(home.path)["trade_id"].sort().to_list() == [*ids(0), *ids(2)]
    (gap,) = done.document.instruments[0].left
    assert (gap.first_id, gap.last_id) == (PER_DAY, 2 * PER_DAY - 1)


def test_a_day_without_a_file_is_said(tmp_path: Path) -> None:
    home, mirror = new_home(tmp_path), tmp_path / "mirror"
    publish(mirror, 0, raw(ids(0)))
    done = loaded(home, wish(mirror, 2))
    assert not done.document.complete
    assert "no daily file of BTCUSDT of 2025-03-05; leave out --source bulk" in repr(done)


def test_holes_of_an_archive_are_found(tmp_path: Path) -> None:
    home, mirror = new_home(tmp_path), tmp_path / "mirror"
    publish(mirror, 0, raw([n for n in ids(0) if n not in (7, 8, 300)]))
    done = loaded(home, wish(mirror, 1))
    assert [(gap.first_id, gap.last_id) for gap in done.document.instruments[0].left] == [(7, 8), (300, 300)]
    assert not done.document.complete


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (Wish(symbols=("BTC-USD",), exchanges=("coinbase",), since=DAY, source="bulk"), "publishes no daily files"),
        (Wish(symbols=("BTC-USDT",), since=DAY, source="ftp"), "there is no source 'ftp'; choose rest, bulk or files"),
        (Wish(gaps=True, source="bulk"), "daily files are days"),
    ],
)
def test_a_wish_that_daily_files_cannot_meet_is_refused(tmp_path: Path, what: Wish, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        loaded(new_home(tmp_path), what)
    assert words in str(caught.value)
