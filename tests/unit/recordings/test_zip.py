"""Zip archives: streamed from the front, named but never unpacked, and read up to where they are cut."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from coattail.errors import CoattailError, DamagedInput, UsageError
from coattail.recordings import RecordedLine, Recording
from coattail.recordings.lines import LineSource
from tests.harness.rows import MS, SPOT_TRADES, errors, frames, lines, rows, written, zip_of

NAME = "BTCUSDT-trades-2024-08-08"


def many(count: int, first: int = 1) -> list[str]:
    prices = random.Random(first)
    return [f"{first + n},{prices.uniform(1, 9):.8f},1,1,{MS + n},True,True" for n in range(count)]


@pytest.mark.parametrize("packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_every_line_of_an_archive_is_read_however_it_was_packed(tmp_path: Path, packed: int) -> None:
    path = written(tmp_path / f"{NAME}.zip", zip_of((f"{NAME}.csv", many(30_000)), packed=packed))
    assert [row.trade_id for row in rows(frames(path))] == list(range(1, 30_001))


class Unseekable(io.RawIOBase):
    """A file that is only ever written on, as a pipe is: then sizes and checksum follow the data."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        block = bytes(data)  # type: ignore[call-overload]
        self.data += block
        return len(block)


@pytest.mark.parametrize("force_zip64", [False, True])
def test_an_archive_whose_sizes_follow_its_data_is_read(tmp_path: Path, force_zip64: bool) -> None:
    pipe = Unseekable()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for first in (1, 1001):
            with archive.open(f"{NAME}.csv" if first == 1 else "BTCUSDT-trades-2024-08-09.csv", "w",
                              force_zip64=force_zip64) as member:  # fmt: skip
                member.write(lines(*many(1000, first)).encode())
    path = written(tmp_path / f"{NAME}.zip", bytes(pipe.data))
    assert [row.trade_id for row in rows(frames(path))] == list(range(1, 2001))


def test_two_members_are_two_files_each_with_its_own_instrument_and_lines(tmp_path: Path) -> None:
    archive = zip_of((f"{NAME}.csv", SPOT_TRADES[0]), ("ETHUSDT-trades-2024-08-08.csv", ["rubbish", SPOT_TRADES[1]]))
    found = frames(written(tmp_path / f"{NAME}.zip", archive))
    assert [(frame.symbol, frame.kind) for frame in found] == [
        ("BTC-USDT", "row"), (None, "garbage"), ("ETH-USDT", "row")]  # fmt: skip
    assert errors(found)[0].startswith("line 1 of ETHUSDT-trades-2024-08-08.csv: ")


def test_a_name_with_folders_above_is_a_name_and_nothing_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "in"
    path = written(folder / "a.zip", zip_of((f"../../{NAME}.csv", SPOT_TRADES), (f"/etc/{NAME}.csv", many(1))))
    before = sorted(tmp_path.rglob("*"))
    assert [frame.symbol for frame in frames(path)] == ["BTC-USDT"] * 3
    assert sorted(tmp_path.rglob("*")) == before


def test_folders_and_hidden_files_in_an_archive_are_left_out(tmp_path: Path) -> None:
    archive = zip_of(("x/", ""), ("__MACOSX/._x.csv", "junk"), (".DS_Store", "junk"), (f"x/{NAME}.csv", SPOT_TRADES))
    assert [frame.kind for frame in frames(written(tmp_path / "a.zip", archive))] == ["row", "row"]


def test_an_archive_without_members_is_a_recording_without_frames(tmp_path: Path) -> None:
    recording = Recording(written(tmp_path / "a.zip", zip_of()))
    assert recording.layout is None
    assert list(recording.frames()) == []


def read_until_damage(path: Path) -> list[RecordedLine]:
    found: list[RecordedLine] = []

    def keep() -> Iterator[RecordedLine]:
        yield from Recording(path).frames()

    with pytest.raises(DamagedInput, match="fetch the file again"):
        found.extend(keep())
    return found


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_cut_archive_gives_a_prefix_of_its_rows_and_then_says_so(tmp_path: Path, part: float) -> None:
    whole = zip_of((f"{NAME}.csv", many(20_000)))
    found = rows(read_until_damage(written(tmp_path / f"{NAME}.zip", whole[: int(len(whole) * part)])))
    assert len(found) > 1000
    assert [row.trade_id for row in found] == list(range(1, len(found) + 1))


def test_a_cut_gzip_gives_a_prefix_of_its_rows_and_then_says_so(tmp_path: Path) -> None:
    path = written(tmp_path / f"{NAME}.csv.gz", lines(*many(20_000)))
    path.write_bytes(path.read_bytes()[:-5000])
    found = rows(read_until_damage(path))
    assert [row.trade_id for row in found] == list(range(1, len(found) + 1))


def test_a_flipped_byte_is_noticed_by_the_checksum(tmp_path: Path) -> None:
    whole = bytearray(zip_of((f"{NAME}.csv", many(2000)), packed=zipfile.ZIP_STORED))
    place = whole.index(b"True", len(whole) // 2)
    whole[place : place + 4] = b"true"
    assert len(rows(read_until_damage(written(tmp_path / f"{NAME}.zip", bytes(whole))))) == 2000


def test_every_cut_and_every_flip_of_a_small_archive_ends_in_rows_or_a_told_error(tmp_path: Path) -> None:
    whole = zip_of((f"{NAME}.csv", SPOT_TRADES), ("ETHUSDT-trades-2024-08-08.csv", SPOT_TRADES))
    broken = [whole[:end] for end in range(len(whole))]
    broken += [whole[:n] + bytes([whole[n] ^ 0xFF]) + whole[n + 1 :] for n in range(len(whole))]
    path = tmp_path / f"{NAME}.zip"
    for data in broken:
        path.write_bytes(data)
        with suppress(CoattailError):  # and nothing else
            assert len(list(Recording(path).frames())) <= 4


def test_an_encrypted_archive_is_refused_with_the_remedy(tmp_path: Path) -> None:
    data = bytearray(zip_of((f"{NAME}.csv", SPOT_TRADES)))
    data[6] |= 1
    with pytest.raises(UsageError, match="encrypted"):
        Recording(written(tmp_path / f"{NAME}.zip", bytes(data)))


def test_a_bomb_is_unpacked_in_pieces(tmp_path: Path) -> None:
    path = written(tmp_path / "bomb.zip", zip_of(("x.csv", "\n" * (64 << 20))))
    largest = max(len(block) for block in LineSource(path)._blocks())
    assert largest <= 1 << 20


def test_frames_of_an_exchange_may_be_zipped_too(tmp_path: Path) -> None:
    message = '{"e":"trade","s":"BTCUSDT","t":1,"p":"1","q":"2","T":3,"m":true,"M":true}'
    found = frames(written(tmp_path / "session.zip", zip_of(("session.txt", [f"{MS}000 {message}"]))))
    assert [(frame.kind, frame.data.decode()) for frame in found] == [("message", message)]
