"""What every stream promises (`coattail.streams.base`); a new implementation joins through `STREAMS`."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from coattail.errors import StreamError
from coattail.streams.base import Pack, Stream
from coattail.streams.local import LocalStream
from coattail.streams.opening import open_stream as opened
from tests.harness.emulator import CREDENTIALS, INSTALLED, emulator
from tests.harness.kinesis_service import KinesisService
from tests.harness.processes import environment

Address = Callable[[Path], str | None]


def in_folder(_: Path) -> None:
    return None


class OnKinesis:
    """A stream of its own for each folder, created on a service when its address is first asked for."""

    def __init__(self, endpoint: str, shards: int) -> None:
        self._endpoint, self._shards = endpoint, shards

    def __call__(self, folder: Path) -> str:
        import boto3

        name = "contract-" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        client = boto3.session.Session().client("kinesis", region_name="eu-central-1", endpoint_url=self._endpoint)
        try:
            client.create_stream(StreamName=name, ShardCount=self._shards)
        except client.exceptions.ResourceInUseException:
            pass  # opened before
        finally:
            client.close()
        return f"kinesis://{name}?region=eu-central-1&endpoint={quote(self._endpoint, safe='')}"


STREAMS: dict[str, Callable[[ExitStack], Address]] = {
    "local": lambda _: in_folder,
    "kinesis": lambda running: OnKinesis(running.enter_context(KinesisService()).endpoint, 4),
    "kinesis of the emulator": lambda running: OnKinesis(running.enter_context(emulator()), 2),
}
"""What starts the service and says which URL a folder's stream has; opening one twice gives the same stream."""

TRIMMED_BY_READERS = ("local",)
"""Streams that `trim` empties; others have a retention of their own."""


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, Address]]:
    """Addresses by name, each service started when it is first needed."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as running:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)

        class Started(dict[str, Address]):
            def __missing__(self, name: str) -> Address:
                self[name] = STREAMS[name](running)
                return self[name]

        yield Started()


@pytest.fixture
def address(request: pytest.FixtureRequest, addresses: dict[str, Address]) -> Address:
    if "kinesis" in request.param:
        pytest.importorskip("boto3", reason="the aws extra is not installed")
    if "emulator" in request.param and not INSTALLED:
        pytest.skip("the AWS emulator is not installed")
    return addresses[request.param]


@pytest.fixture
def open_stream(address: Address) -> Callable[[Path], Stream]:
    return lambda folder: opened(address(folder), folder)


every_stream = pytest.mark.parametrize("address", STREAMS, indirect=True)
every_trimmed_stream = pytest.mark.parametrize("address", TRIMMED_BY_READERS, indirect=True)

PRODUCER = """
import sys
from pathlib import Path
from coattail.streams.opening import open_stream
stream, name = open_stream(sys.argv[1] or None, Path(sys.argv[2])), sys.argv[3]
for number in range(int(sys.argv[4])):
    stream.append([(lane, f"{name}-{number}-{lane}".encode()) for lane in (1, 2)])
"""


def everything(stream: Stream, limit_bytes: int = 8 << 20) -> list[Pack]:
    """All packs, read in as many reads as it takes."""
    offsets: dict[str, str] = {}
    packs: list[Pack] = []
    while (read := stream.read(offsets, limit_bytes=limit_bytes)).packs:
        packs += read.packs
        offsets = dict(read.offsets)
        assert read.lost == []
    return packs


@every_stream
def test_what_was_appended_is_read_in_order_with_its_lane(
    open_stream: Callable[[Path], Stream], tmp_path: Path
) -> None:
    stream = open_stream(tmp_path)
    stream.append([(5, b"a"), (9, b"b")])
    stream.append([(5, b"c")])
    packs = everything(stream)
    assert [p.data for p in packs if p.lane == 5] == [b"a", b"c"]
    assert [p.data for p in packs if p.lane != 5] == [b"b"]
    assert {p.lane for p in packs} == {5, 9}


@every_stream
def test_an_empty_stream_gives_nothing_and_says_so(open_stream: Callable[[Path], Stream], tmp_path: Path) -> None:
    stream = open_stream(tmp_path)
    read = stream.read({})
    assert (read.packs, read.lost) == ([], [])
    assert stream.read(read.offsets).packs == []
    assert stream.backlog({}).size_bytes == 0


@every_stream
def test_appending_nothing_stores_nothing(open_stream: Callable[[Path], Stream], tmp_path: Path) -> None:
    stream = open_stream(tmp_path)
    stream.append([])
    assert stream.read({}).packs == []


@every_stream
def test_reading_from_the_same_offsets_gives_the_same_packs(
    open_stream: Callable[[Path], Stream], tmp_path: Path
) -> None:
    stream = open_stream(tmp_path)
    for number in range(5):
        stream.append([(1, b"%d" % number)])
    first = stream.read({}, limit_bytes=2)
    assert stream.read({}, limit_bytes=2) == first
    assert open_stream(tmp_path).read({}, limit_bytes=2) == first
    assert [p.data for p in stream.read(first.offsets).packs] == [b"%d" % n for n in range(len(first.packs), 5)]


@every_stream
def test_a_pack_keeps_its_name_and_no_two_share_one(open_stream: Callable[[Path], Stream], tmp_path: Path) -> None:
    stream = open_stream(tmp_path)
    for number in range(4):
        stream.append([(1, b"x%d" % number), (1, b"y%d" % number)])
    packs = everything(stream)
    assert len({(p.lane, p.offset) for p in packs}) == 8
    assert everything(stream, limit_bytes=1) == packs


@every_stream
def test_a_read_gives_at_least_one_pack_and_about_as_much_as_asked(
    open_stream: Callable[[Path], Stream], tmp_path: Path
) -> None:
    stream = open_stream(tmp_path)
    for _ in range(10):
        stream.append([(1, b"x" * 1_000)])
    assert len(stream.read({}, limit_bytes=1).packs) == 1
    assert 3 <= len(stream.read({}, limit_bytes=3_000).packs) <= 4


@every_stream
def test_the_backlog_is_what_waits(open_stream: Callable[[Path], Stream], tmp_path: Path) -> None:
    stream = open_stream(tmp_path)
    stream.append([(1, b"x" * 1_000)])
    stream.append([(1, b"x" * 1_000)])
    read = stream.read({}, limit_bytes=1)
    assert stream.backlog({}).size_bytes > stream.backlog(read.offsets).size_bytes >= 1_000
    assert stream.backlog(stream.read({}).offsets).size_bytes == 0


@every_stream
def test_a_stream_keeps_its_identity_and_another_has_another(
    open_stream: Callable[[Path], Stream], tmp_path: Path
) -> None:
    one, same, other = open_stream(tmp_path / "a"), open_stream(tmp_path / "a"), open_stream(tmp_path / "b")
    assert one.stream_id == same.stream_id != other.stream_id


@every_trimmed_stream
def test_trimming_takes_only_what_has_landed_and_is_old(open_stream: Callable[[Path], Stream], tmp_path: Path) -> None:
    stream = open_stream(tmp_path)
    for number in range(4):
        stream.append([(1, b"%d" % number)])
    half = stream.read({}, limit_bytes=2).offsets
    waiting = stream.read(half).packs
    assert stream.trim(half, keep=timedelta(hours=1)) == 0
    assert stream.trim(half, keep=timedelta(seconds=-1)) > 0
    assert stream.read(half).packs == waiting
    assert stream.read(half).lost == []


@every_trimmed_stream
def test_what_was_trimmed_before_it_was_read_is_said(open_stream: Callable[[Path], Stream], tmp_path: Path) -> None:
    stream = open_stream(tmp_path)
    for number in range(4):
        stream.append([(1, b"%d" % number)])
    stream.trim(stream.read({}, limit_bytes=2).offsets, keep=timedelta(seconds=-1))
    read = stream.read({})
    assert len(read.lost) == 1
    assert [p.data for p in read.packs] == [b"2", b"3"]


@every_trimmed_stream
def test_after_everything_was_trimmed_new_packs_are_read_once(
    open_stream: Callable[[Path], Stream], tmp_path: Path
) -> None:
    stream = open_stream(tmp_path)
    for number in range(3):
        stream.append([(1, b"%d" % number)])
    offsets = stream.read({}).offsets
    stream.trim(offsets, keep=timedelta(seconds=-1))
    open_stream(tmp_path).append([(1, b"new")])
    read = stream.read(offsets)
    assert ([p.data for p in read.packs], read.lost) == ([b"new"], [])
    assert stream.read(read.offsets).packs == []


@every_stream
def test_producers_in_several_processes_lose_and_double_nothing_while_one_reads(
    open_stream: Callable[[Path], Stream], address: Address, tmp_path: Path
) -> None:
    stream, count = open_stream(tmp_path), 60
    producers = [
        subprocess.Popen(
            [sys.executable, "-c", PRODUCER, address(tmp_path) or "", str(tmp_path), name, str(count)],
            env=environment(),
        )
        for name in "abc"
    ]
    seen: list[bytes] = []
    offsets: dict[str, str] = {}
    deadline = time.monotonic() + 60
    while len(seen) < 3 * count * 2 and time.monotonic() < deadline:
        read = stream.read(offsets, limit_bytes=100)
        assert read.lost == []
        offsets = dict(read.offsets)
        seen += [p.data for p in read.packs]
        if not read.packs and all(p.poll() is not None for p in producers):
            read = stream.read(offsets)
            seen += [p.data for p in read.packs]
            break
    assert [p.wait(timeout=30) for p in producers] == [0, 0, 0]
    assert sorted(seen) == sorted(
        f"{name}-{number}-{lane}".encode() for name in "abc" for number in range(count) for lane in (1, 2)
    )
    for name in (b"a", b"b", b"c"):
        mine = [s for s in seen if s.startswith(name) and s.endswith(b"-1")]
        assert mine == [b"%b-%d-1" % (name, n) for n in range(count)], "a producer's packs keep their order in a lane"


@every_stream
def test_a_reader_beside_a_writer_never_sees_half_a_pack(open_stream: Callable[[Path], Stream], tmp_path: Path) -> None:
    stream = open_stream(tmp_path)
    big = b"x" * (stream.max_pack_bytes or 2_000_000)

    def write() -> None:
        for _ in range(10):
            open_stream(tmp_path).append([(1, big)])

    thread = threading.Thread(target=write)
    thread.start()
    offsets: dict[str, str] = {}
    count = 0
    while thread.is_alive() or stream.backlog(offsets).size_bytes:
        read = stream.read(offsets)
        offsets = dict(read.offsets)
        count += len(read.packs)
        assert all(p.data == big for p in read.packs)
    thread.join()
    assert count == 10


@every_trimmed_stream
@pytest.mark.parametrize("count", [1, 3, 5])
def test_what_comes_after_everything_was_removed_by_hand_is_read_whole_and_the_loss_is_said(
    open_stream: Callable[[Path], Stream], tmp_path: Path, count: int
) -> None:
    stream = open_stream(tmp_path)
    for number in range(3):
        stream.append([(1, b"old %d" % number)])
    before = stream.read({})
    for path in segments(tmp_path):
        path.unlink()
    for number in range(count):
        open_stream(tmp_path).append([(1, b"new %d" % number)])
    read = open_stream(tmp_path).read(before.offsets)
    assert [p.data for p in read.packs] == [b"new %d" % n for n in range(count)]
    assert len(read.lost) == 1
    assert {p.offset for p in read.packs}.isdisjoint(p.offset for p in before.packs), "a position names one pack"
    after = stream.read(read.offsets)
    assert (after.packs, after.lost, stream.backlog(read.offsets).size_bytes) == ([], [], 0)


# -- what the folder of segments adds --------------------------------------------------------------------------------


def segments(folder: Path) -> list[Path]:
    return sorted((folder / "segments").glob("*.seg"))


@pytest.mark.parametrize("damage", [b"", b"short", None], ids=["empty", "cut", "flipped footer"])
def test_a_damaged_segment_is_named_with_what_to_do(damage: bytes | None, tmp_path: Path) -> None:
    stream = LocalStream(tmp_path)
    stream.append([(1, b"a" * 100)])
    path = segments(tmp_path)[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-2] + b"??" if damage is None else damage)
    with pytest.raises(StreamError, match=path.name):
        stream.read({})


def test_a_segment_that_was_moved_away_is_reported_as_lost(tmp_path: Path) -> None:
    stream = LocalStream(tmp_path)
    for number in range(4):
        stream.append([(1, b"%d" % number)])
    segments(tmp_path)[1].unlink()
    read = stream.read({})
    assert [p.data for p in read.packs] == [b"0", b"2", b"3"]
    assert read.lost == ["segments 2 to 2 were removed before they had been read"]


def test_what_a_killed_producer_leaves_behind_is_never_read_and_removed_later(tmp_path: Path) -> None:
    stream = LocalStream(tmp_path)
    stream.append([(1, b"a")])
    rest = tmp_path / "segments" / "0123.tmp"
    rest.write_bytes(b"half a segm")
    assert [p.data for p in everything(stream)] == [b"a"]
    os.utime(rest, (0, 0))
    stream.trim({}, keep=timedelta(hours=1))
    assert not rest.exists()


def test_segments_are_read_by_zstdcat(tmp_path: Path) -> None:
    import zstandard

    stream = LocalStream(tmp_path)
    stream.append([(1, zstandard.compress(b"one\n")), (2, zstandard.compress(b"two\n"))])
    with segments(tmp_path)[0].open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        assert reader.read() == b"one\ntwo\n"


def test_stream_metadata_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "stream.json").write_text("{")
    with pytest.raises(StreamError, match=r"stream\.json"):
        _ = LocalStream(tmp_path).stream_id


def without_count(folder: Path) -> None:
    """As a stream is that a version before made."""
    (folder / "numbered").unlink()


def test_a_stream_of_a_version_before_goes_on(tmp_path: Path) -> None:
    stream = LocalStream(tmp_path)
    stream.append([(1, b"a")])
    without_count(tmp_path)
    LocalStream(tmp_path).append([(1, b"b")])
    assert [path.name for path in segments(tmp_path)] == ["000000000001.seg", "000000000002.seg"]
    assert [p.data for p in everything(stream)] == [b"a", b"b"]


def test_an_emptied_stream_of_a_version_before_is_read_whole_and_the_loss_is_said(tmp_path: Path) -> None:
    stream = LocalStream(tmp_path)
    for number in range(3):
        stream.append([(1, b"old %d" % number)])
    after = stream.read({}).offsets
    for path in segments(tmp_path):
        path.unlink()
    without_count(tmp_path)
    for number in range(5):
        LocalStream(tmp_path).append([(1, b"new %d" % number)])
    read = stream.read(after)
    assert [pack.data for pack in read.packs] == [b"new %d" % n for n in range(5)]
    assert "begun anew" in read.lost[0]


def test_a_stream_that_a_version_before_numbered_anew_is_read_from_its_new_beginning(tmp_path: Path) -> None:
    stream = LocalStream(tmp_path)
    for number in range(3):
        stream.append([(1, b"old %d" % number)])
    after = stream.read({}).offsets
    for path in segments(tmp_path):
        path.unlink()
    (tmp_path / "numbered").write_text("0")
    LocalStream(tmp_path).append([(1, b"new")])
    read = stream.read(after)
    assert [pack.data for pack in read.packs] == [b"new"]
    assert "begun anew" in read.lost[0]
    assert stream.read(read.offsets).packs == []


def test_numbers_go_on_beyond_what_was_taken_however_many_producers_there_were(tmp_path: Path) -> None:
    one, two = LocalStream(tmp_path), LocalStream(tmp_path)
    last = tmp_path / "segments" / "000000000999.seg"
    one.append([(1, b"a")])
    segments(tmp_path)[0].rename(last)
    for stream in (one, two, one):
        stream.append([(1, b"b")])
    assert int((tmp_path / "numbered").read_text()) == 1002
    for path in segments(tmp_path):
        path.unlink()
    two.append([(1, b"c")])
    assert [path.name for path in segments(tmp_path)] == ["000000002001.seg"]


@pytest.mark.parametrize("kept", [0, 2, 5])
def test_what_comes_after_the_newest_segments_were_removed_by_hand_is_read(tmp_path: Path, kept: int) -> None:
    stream = LocalStream(tmp_path)
    for number in range(6):
        stream.append([(1, b"old %d" % number)])
    before = stream.read({})
    for path in segments(tmp_path)[kept:]:
        path.unlink()
    for number in range(6 - kept):
        LocalStream(tmp_path).append([(1, b"new %d" % number)])
    read = stream.read(before.offsets)
    assert [p.data for p in read.packs] == [b"new %d" % n for n in range(6 - kept)]
    assert {p.offset for p in read.packs}.isdisjoint(p.offset for p in before.packs), "a position names one pack"


def test_what_was_removed_before_it_was_read_is_said_also_of_the_newest_segments(tmp_path: Path) -> None:
    stream = LocalStream(tmp_path)
    stream.append([(1, b"a")])
    before = stream.read({})
    for number in range(3):
        stream.append([(1, b"%d" % number)])
    for path in segments(tmp_path)[2:]:
        path.unlink()
    LocalStream(tmp_path).append([(1, b"new")])
    read = stream.read(before.offsets)
    assert [p.data for p in read.packs] == [b"0", b"new"]
    assert read.lost == ["segments 3 to 4 were removed before they had been read"]


def test_the_folder_is_not_listed_to_append_after_the_newest_or_to_find_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour of a live feed may be 14,400 segments."""
    stream = LocalStream(tmp_path)
    stream.append([(0, b"a")])

    def refused(path: Path) -> list[str]:
        raise AssertionError(f"{path} was listed")

    monkeypatch.setattr("coattail.streams.local.os.listdir", refused)
    stream.append([(0, b"b")])
    read = LocalStream(tmp_path).read({})
    assert [pack.data for pack in read.packs] == [b"a", b"b"]
    assert stream.backlog(read.offsets).segments == 0
    assert not stream.read(read.offsets).packs


def test_no_number_is_given_twice_where_the_count_was_taken_back(tmp_path: Path) -> None:
    """As after a power cut: the count is not synced, segments are."""
    stream = LocalStream(tmp_path)
    for data in (b"a", b"b", b"c"):
        stream.append([(0, data)])
    reached = stream.read({}).offsets
    (tmp_path / "numbered").write_bytes(b"%012d" % 1)
    segments(tmp_path)[1].unlink()
    LocalStream(tmp_path).append([(0, b"d")])
    assert [pack.data for pack in LocalStream(tmp_path).read(reached).packs] == [b"d"]


def test_a_count_that_is_not_a_number_is_named_with_what_to_do(tmp_path: Path) -> None:
    LocalStream(tmp_path).append([(1, b"a")])
    (tmp_path / "numbered").write_text("")
    segments(tmp_path)[0].unlink()
    with pytest.raises(StreamError, match="numbered"):
        LocalStream(tmp_path).append([(1, b"b")])


def test_the_name_of_a_segment_is_on_disk_when_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[Path, list[str]]] = []
    real = os.fsync

    def noting(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.is_dir():
            synced.append((path, sorted(p.name for p in path.glob("*.seg"))))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    stream = LocalStream(tmp_path)
    stream.append([(1, b"a")])
    stream.append([(1, b"b")])
    assert (tmp_path, []) in synced
    assert synced[-1] == (tmp_path / "segments", ["000000000001.seg", "000000000002.seg"])
