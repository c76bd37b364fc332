"""What a producer does when the machine under it fails: disk, clock, stream, journal."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import FileIO
from pathlib import Path

import msgspec
import pytest

from coattail.errors import StreamError, UsageError
from coattail.market import Market
from coattail.market.exchange import Served, serving
from coattail.producer import live as module
from coattail.producer.journal import Journal
from coattail.producer.live import Producer
from coattail.producer.recorder import Recorder
from coattail.producer.replay import LINGER_SECONDS, replay
from coattail.streams.base import Backlog, Offsets, Read, Stream
from coattail.streams.local import LocalStream
from tests.harness.live import Live, assert_exact, connectors_of, listening
from tests.harness.running import new_home

pytestmark = pytest.mark.slow

SYMBOLS = {"binance": ("BTC-USDT",)}
MESSAGE = (
    b'{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000",'
    b'"T":1723161255342,"m":false,"M":true}'
)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Market(seed=7, duration=timedelta(hours=1))) as exchanges:
        yield exchanges


class Failing(Stream):
    """Fails as often as it is told, then works."""

    def __init__(self, folder: Path, times: int) -> None:
        self.inner, self.left = LocalStream(folder), times

    @property
    def stream_id(self) -> str:
        return self.inner.stream_id

    def append(self, packs: Sequence[tuple[int, bytes]]) -> None:
        if packs and self.left:
            self.left -= 1
            raise StreamError("the stream is throttled") if self.left % 2 else OSError(errno.ENOSPC, "disk full")
        self.inner.append(packs)

    def read(self, after: Offsets, *, limit_bytes: int = 8 << 20) -> Read:
        return self.inner.read(after, limit_bytes=limit_bytes)

    def backlog(self, after: Offsets) -> Backlog:
        return self.inner.backlog(after)

    def trim(self, landed: Offsets, *, keep: timedelta) -> int:
        return self.inner.trim(landed, keep=keep)


def test_an_append_that_fails_is_made_again_and_nothing_is_lost(
    tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_APPEND_AGAIN", 0.05)
    home = new_home(tmp_path)
    live = Live(Producer(Failing(home.stream, 3), connectors_of(served, SYMBOLS), least_free=0))
    live.until(lambda: live.listening and served.binance.subscriptions > 0)
    served.binance.release(300)
    live.until(lambda: live.producer.sent.failed == 3 and live.producer.sent.records > 0)
    live.stop()
    assert live.producer.state().failed == 3
    assert_exact(home, served, SYMBOLS)


class Slow(LocalStream):
    """Takes longer for an append than a producer lingers."""

    def append(self, packs: Sequence[tuple[int, bytes]]) -> None:
        time.sleep(1.1 * LINGER_SECONDS if packs else 0.0)
        super().append(packs)


def test_after_an_append_that_took_long_it_takes_at_once(
    tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    lingered: list[float] = []
    linger = Producer._linger

    async def noted(producer: Producer, seconds: float) -> None:
        lingered.append(seconds)
        await linger(producer, seconds)

    monkeypatch.setattr(Producer, "_linger", noted)
    live = Live(Producer(Slow(tmp_path / "stream"), connectors_of(served, SYMBOLS), least_free=0))
    live.until(lambda: live.listening and served.binance.subscriptions > 0)
    served.binance.release(50)
    live.until(lambda: live.producer.sent.records > 0 and min(lingered) < 0)
    live.stop()
    assert max(lingered) <= LINGER_SECONDS


def test_with_too_little_disk_it_stops_in_order_and_says_why(tmp_path: Path, served: Served) -> None:
    home = new_home(tmp_path)
    producer = Producer(
        LocalStream(home.stream), connectors_of(served, SYMBOLS), journal=home.live_file, least_free=1 << 60
    )
    live = Live(producer)
    live.until(lambda: bool(producer.stopping))
    live.stop()
    assert "is too little" in producer.stopping
    state = Journal(home.live_file).read()
    assert state is not None
    assert state.stopped


def test_a_recording_that_cannot_be_written_ends_and_the_feed_goes_on(
    tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, folder = new_home(tmp_path), tmp_path / "frames"
    with listening(home, served, SYMBOLS, record=folder) as live:
        served.binance.release(200)
        live.until(lambda: live.up_to_date(served, SYMBOLS))
        monkeypatch.setattr(Recorder, "write", _full)
        served.binance.release(200)
        live.until(lambda: live.up_to_date(served, SYMBOLS))
        [exchange] = live.producer.state().exchanges
        assert "the recording of binance has ended" in exchange.problem
        assert "disk full" in exchange.problem
    assert_exact(home, served, SYMBOLS)


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "disk full")


def test_what_a_recording_held_before_a_write_failed_can_be_read(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, "binance")
    recorder.write([MESSAGE], [1_723_161_255_343_000])
    [path] = tmp_path.iterdir()
    inner = recorder._file
    recorder._file = _Torn(inner)  # type: ignore[assignment, arg-type]
    with pytest.raises(OSError, match="disk full"):
        recorder.write([MESSAGE], [1_723_161_255_344_000])
    recorder.close()
    stream = LocalStream(tmp_path / "stream")
    assert replay([path], stream).trades == 1


class _Torn:
    """A file that takes three bytes more."""

    def __init__(self, file: FileIO | None) -> None:
        assert file is not None
        self._file = file

    def tell(self) -> int:
        return self._file.tell()

    def write(self, data: memoryview) -> int:
        self._file.write(data[:3])
        raise OSError(errno.ENOSPC, "disk full")

    def truncate(self, size: int) -> None:
        self._file.truncate(size)

    def close(self) -> None:
        self._file.close()


def test_a_clock_that_jumps_makes_connections_anew(
    tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = new_home(tmp_path)
    with listening(home, served, SYMBOLS) as live:
        served.binance.release(100)
        live.until(lambda: live.up_to_date(served, SYMBOLS))
        real = module.time.time
        monkeypatch.setattr(module.time, "time", lambda: real() + 3600)
        live.until(lambda: live.is_back(served, 1))
        monkeypatch.undo()
        [health] = live.producer.feeds[0].listener.health
        assert "slept" in health.problem
        served.binance.release(100)
        live.until(lambda: live.up_to_date(served, SYMBOLS))
    assert_exact(home, served, SYMBOLS)


def test_a_journal_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    path = tmp_path / "live.json"
    assert Journal(path).read() is None
    path.write_text("{")
    assert Journal(path).read() is None
    assert Journal(path).resumed(timedelta(hours=1)) == {}


def test_a_journal_that_cannot_be_written_stops_nothing(
    tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home = new_home(tmp_path)
    with listening(home, served, SYMBOLS) as live:
        served.binance.release(100)
        live.until(lambda: live.up_to_date(served, SYMBOLS))
        monkeypatch.setattr(Journal, "write", _full)
        live.until(lambda: "the journal cannot be written" in caplog.text)
        served.binance.release(100)
        live.until(lambda: live.up_to_date(served, SYMBOLS))
    assert_exact(home, served, SYMBOLS)


def test_what_was_just_missed_does_not_wait_for_a_long_refill(
    tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ROUND_SECONDS", 0.0)  # a page a round
    home, symbols = new_home(tmp_path), {"binance": ("BTC-USDT", "SOL-USDT")}
    with listening(home, served, symbols) as live:
        served.binance.release(200)
        live.until(lambda: live.up_to_date(served, symbols))
    served.binance.release(4_000)
    with listening(home, served, symbols) as live:
        live.until(lambda: served.binance.subscriptions >= 2)
        served.binance.release(200)
        live.until(lambda: live.up_to_date(served, symbols))
    assert_exact(home, served, symbols)


def test_a_run_that_ended_long_ago_is_not_gone_on_with(tmp_path: Path, served: Served) -> None:
    home = new_home(tmp_path)
    with listening(home, served, SYMBOLS) as live:
        served.binance.release(100)
        live.until(lambda: live.up_to_date(served, SYMBOLS))
    journal = Journal(home.live_file)
    state = journal.read()
    assert state is not None
    [(exchange, (session, floors))] = journal.resumed(timedelta(hours=1)).items()
    assert (exchange, session) == ("binance", state.exchanges[0].session)
    assert floors == {"BTC-USDT": state.exchanges[0].instruments[0].last_id}
    journal.write(msgspec.structs.replace(state, at=datetime.now(UTC) - timedelta(hours=2)))
    assert journal.resumed(timedelta(hours=1)) == {}


def test_nothing_to_listen_to_is_refused(tmp_path: Path, served: Served) -> None:
    with pytest.raises(UsageError, match="nothing to listen to"):
        Producer(LocalStream(tmp_path), connectors_of(served, {"binance": ()}))
