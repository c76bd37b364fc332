"""Replay: frames in, packs in the stream."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from coattail.errors import UsageError
from coattail.packing import Packer
from coattail.producer.replay import LINGER_SECONDS, ReplayDamaged, replay
from coattail.recordings import RecordedLine, Recording
from coattail.records import Malformed, Trade, lane_of
from coattail.streams.base import Backlog, Read, Stream
from coattail.unpacking import decode_pack, unpack


class FakeStream(Stream):
    """Keeps every append, with the time at which it came."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.segments: list[list[tuple[int, bytes]]] = []
        self.times: list[float] = []
        self._clock = clock

    @property
    def stream_id(self) -> str:
        return "fake"

    def append(self, packs: Sequence[tuple[int, bytes]]) -> None:
        if packs:
            self.segments.append(list(packs))
            self.times.append(self._clock() if self._clock else 0.0)

    def read(self, after: Mapping[str, str], *, limit_bytes: int = 0) -> Read:
        raise NotImplementedError

    def backlog(self, after: Mapping[str, str]) -> Backlog:
        raise NotImplementedError

    def trim(self, landed: Mapping[str, str], *, keep: timedelta) -> int:
        raise NotImplementedError

    def records(self) -> list[Trade | Malformed]:
        packs = [pack for segment in self.segments for _, pack in segment]
        return [record for pack in packs for record in decode_pack(pack)]


class FakeClock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def line(number: int, *, symbol: str = "BTCUSDT", at: float = 0.0) -> str:
    received = 1_723_161_255_000_000 + int(at * 1_000_000)
    return (
        f'{received} {{"e":"trade","E":1,"s":"{symbol}","t":{number},"p":"2","q":"1",'
        f'"T":{received // 1000},"m":true,"M":true}}\n'
    )


def written(path: Path, *lines: str) -> Path:
    path.write_text("".join(lines))
    return path


def test_every_trade_is_in_the_stream_in_the_lane_of_its_instrument(tmp_path: Path) -> None:
    path = written(tmp_path / "a", *(line(n, symbol=s) for n in range(50) for s in ("BTCUSDT", "ETHUSDT", "SOLUSDT")))
    stream = FakeStream()
    done = replay([path], stream)
    assert (done.frames, done.trades) == (150, 150)
    for lane, pack in stream.segments[0]:
        for record in decode_pack(pack):
            assert isinstance(record, Trade)
            assert lane == lane_of("binance", record.symbol)
            assert record.session == done.sessions[0]
    ids = [record.trade_id for record in stream.records() if isinstance(record, Trade) and record.symbol == "BTC-USDT"]
    assert ids == list(range(50))


def test_every_frame_is_counted_once(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a",
        line(1),
        "torn line\n",
        '1723161255000000 {"e":"trade","s":"BTCUSDT","t":2,"p":true,"M":true}\n',
        '1723161255000000 {"result":null,"id":1}\n',
        '1723161255000000 {"e":"trade","s":"BTCUSD_240927","t":3,"p":"1","q":"1","T":1,"X":"MARKET","m":true}\n',
        line(4, symbol="ETHUSDT"),
    )
    stream = FakeStream()
    done = replay([path], stream, symbols={"BTC-USDT"})
    assert (done.frames, done.trades, done.malformed, done.other, done.filtered) == (6, 1, 2, 1, 1)
    assert done.unsupported == {"binance coin-margined delivery futures": 1}
    bad = [record for record in stream.records() if isinstance(record, Malformed)]
    assert [record.payload[:12] for record in bad] == ["torn line", '{"e":"trade"']
    assert {record.session for record in bad} == set(done.sessions)


def test_a_trade_without_a_symbol_is_a_bad_row_and_never_filtered(tmp_path: Path) -> None:
    path = written(tmp_path / "a", line(1).replace('"BTCUSDT"', "null"))
    assert replay([path], FakeStream(), symbols={"ETH-USDT"}).trades == 1


def test_first_and_last_are_the_trades_own_times(tmp_path: Path) -> None:
    done = replay([written(tmp_path / "a", line(2, at=5), line(1, at=1), line(3, at=3))], FakeStream())
    assert (done.first, done.last) == (1_723_161_256_000_000, 1_723_161_260_000_000)


def test_each_file_is_a_session_of_its_own(tmp_path: Path) -> None:
    stream = FakeStream()
    done = replay([written(tmp_path / "a", line(1)), written(tmp_path / "b", line(2))], stream)
    assert len(set(done.sessions)) == 2
    assert tuple(record.session for record in stream.records()) == done.sessions


def test_replaying_a_file_again_gives_the_same_packs(tmp_path: Path) -> None:
    path = written(tmp_path / "a", *(line(n) for n in range(100)))
    one, two = FakeStream(), FakeStream()
    replay([path], one)
    replay([path], two)
    assert one.segments == two.segments


def test_packs_and_segments_stay_within_their_limits(tmp_path: Path) -> None:
    path = written(tmp_path / "a", *(line(n, symbol=s) for n in range(500) for s in ("BTCUSDT", "ETHUSDT")))
    stream = FakeStream()
    replay([path], stream, packer=Packer(pack_records=100, segment_records=300))
    sizes = [[len(decode_pack(pack)) for _, pack in segment] for segment in stream.segments]
    assert [sum(segment) for segment in sizes] == [300, 300, 300, 100]
    assert max(max(segment) for segment in sizes) <= 100


def test_long_frames_make_smaller_packs(tmp_path: Path) -> None:
    padded = [line(n).replace('"E":1', f'"E":1,"pad":"{"x" * 5000}"') for n in range(40)]
    stream = FakeStream()
    replay([written(tmp_path / "a", *padded)], stream, packer=Packer(pack_bytes=20_000))
    assert all(len(unpack(pack)) < 25_000 for segment in stream.segments for _, pack in segment)
    assert len(stream.records()) == 40


def test_an_oversized_trade_frame_is_counted_as_malformed(tmp_path: Path) -> None:
    huge = line(1).replace('"E":1', f'"E":1,"pad":"{"x" * 1_000_000}"')
    stream = FakeStream()
    done = replay([written(tmp_path / "a", huge, line(2))], stream)
    assert (done.trades, done.malformed) == (1, 1)
    assert max(len(pack) for segment in stream.segments for _, pack in segment) < 1 << 20


def test_an_empty_file_is_no_trades(tmp_path: Path) -> None:
    done = replay([written(tmp_path / "a")], FakeStream())
    assert (done.frames, done.trades, done.first, done.last) == (0, 0, None, None)


def test_a_damaged_file_is_told_after_all_readable_trades_of_all_files_are_sent(tmp_path: Path) -> None:
    whole = gzip.compress("".join(line(n * n * 7919 % 10**9) for n in range(20_000)).encode())
    broken = tmp_path / "broken.gz"
    broken.write_bytes(whole[: len(whole) // 2])
    stream = FakeStream()
    with pytest.raises(ReplayDamaged, match=r"broken\.gz") as caught:
        replay([broken, written(tmp_path / "sound", line(1, symbol="ETHUSDT"))], stream)
    assert len(stream.records()) == caught.value.replayed.trades > 5000
    assert "ETH-USDT" in {record.symbol for record in stream.records() if isinstance(record, Trade)}


def test_nothing_is_sent_when_a_later_file_does_not_exist(tmp_path: Path) -> None:
    stream = FakeStream()
    with pytest.raises(UsageError, match="nothing-here"):
        replay([written(tmp_path / "a", line(1)), tmp_path / "nothing-here"], stream)
    assert stream.segments == []


def test_an_unknown_exchange_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"known: binance, binance_us, coinbase"):
        replay([written(tmp_path / "a", line(1))], FakeStream(), exchange="bitstamp")


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_speed_that_is_not_above_zero_is_refused(tmp_path: Path, speed: float) -> None:
    with pytest.raises(UsageError, match="speed"):
        replay([written(tmp_path / "a", line(1))], FakeStream(), speed=speed)


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    paths = [written(tmp_path / name, *(line(n) for n in range(100))) for name in "ab"]
    replay(paths, FakeStream(), progress=lambda done, total: seen.append((done, total)))
    total = sum(path.stat().st_size for path in paths)
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)


def test_an_interrupted_replay_has_sent_every_frame_that_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def until_interrupted(self: Recording) -> Iterator[RecordedLine]:
        yield from itertools.islice(frames(self), 7)
        raise KeyboardInterrupt

    frames = Recording.frames
    monkeypatch.setattr(Recording, "frames", until_interrupted)
    stream = FakeStream()
    with pytest.raises(KeyboardInterrupt):
        replay([written(tmp_path / "a", *(line(n) for n in range(20)))], stream)
    assert [record.trade_id for record in stream.records() if isinstance(record, Trade)] == list(range(7))


def test_malformed_frames_and_torn_lines_keep_their_order_among_trades(tmp_path: Path) -> None:
    bad = [f"torn {n}\n" if n % 2 else f'1723161255000000 {{"e":"trade","s":{n}}}\n' for n in range(20)]
    lines = [text for n in range(3000) for text in ([bad[n // 150]] if n % 150 == 0 else []) + [line(n)]]
    stream = FakeStream()
    done = replay([written(tmp_path / "a", *lines)], stream)
    assert (done.frames, done.trades, done.malformed) == (3020, 3000, 20)
    assert [record.trade_id for record in stream.records() if isinstance(record, Trade)] == list(range(3000))
    kept = [record.payload for record in stream.records() if isinstance(record, Malformed)]
    assert kept == [text.strip().removeprefix("1723161255000000 ") for text in bad]


def test_long_lines_are_not_collected_beyond_a_segment(tmp_path: Path) -> None:
    padded = [line(n).replace('"E":1', f'"E":1,"pad":"{"x" * 50_000}"') for n in range(100)]
    stream = FakeStream()
    replay([written(tmp_path / "a", *padded)], stream, packer=Packer(segment_bytes=200_000))
    assert [sum(len(decode_pack(pack)) for _, pack in segment) for segment in stream.segments] == [4] * 25


def test_at_a_pace_records_arrive_when_they_were_received_divided_by_the_speed(tmp_path: Path) -> None:
    clock = FakeClock()
    stream = FakeStream(clock)
    path = written(tmp_path / "a", *(line(n, at=n) for n in range(11)))
    replay([path], stream, speed=2.0, clock=clock, sleep=clock.sleep)
    assert clock.now == pytest.approx(1005.0)
    assert stream.times == pytest.approx([1000.0 + n / 2 for n in range(11)])


def test_at_a_pace_a_dense_feed_makes_few_segments(tmp_path: Path) -> None:
    clock = FakeClock()
    stream = FakeStream(clock)
    replay([written(tmp_path / "a", *(line(n, at=n / 1000) for n in range(2001)))], stream, speed=1.0, clock=clock,
           sleep=clock.sleep)  # fmt: skip
    assert len(stream.segments) <= 2.0 / LINGER_SECONDS + 2
    assert clock.now == pytest.approx(1002.0, abs=LINGER_SECONDS)


def test_at_a_pace_files_play_side_by_side(tmp_path: Path) -> None:
    clock = FakeClock()
    stream = FakeStream(clock)
    even = written(tmp_path / "even", *(line(n, at=n) for n in range(0, 6, 2)))
    odd = written(tmp_path / "odd", *(line(n, at=n) for n in range(1, 6, 2)))
    replay([even, odd], stream, speed=1.0, clock=clock, sleep=clock.sleep)
    assert [record.trade_id for record in stream.records() if isinstance(record, Trade)] == [0, 1, 2, 3, 4, 5]


def test_at_a_pace_a_night_between_two_files_is_cut_short(tmp_path: Path) -> None:
    clock = FakeClock()
    path = written(tmp_path / "a", line(1), line(2, at=86_400))
    replay([path], FakeStream(clock), speed=1.0, clock=clock, sleep=clock.sleep)
    assert clock.now == pytest.approx(1060.0)


def test_at_a_pace_a_receive_time_that_goes_back_waits_for_nothing(tmp_path: Path) -> None:
    clock = FakeClock()
    path = written(tmp_path / "a", line(1, at=5), line(2, at=1), line(3, at=2))
    replay([path], FakeStream(clock), speed=1.0, clock=clock, sleep=clock.sleep)
    assert clock.now == pytest.approx(1001.0)
