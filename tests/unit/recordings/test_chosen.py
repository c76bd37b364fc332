from pathlib import Path

import pytest

from coattail.errors import DamagedInput, UsageError
from coattail.recordings import RowHints
from coattail.recordings.chosen import choose

TRADES = "id,time,price,quantity\n1,2025-03-04T12:00:00Z,1.5,2\n"
COLUMNS = {"time": "time", "price": "price", "quantity": "quantity", "id": "id"}
AS_TABLE = {"exchange": "kraken", "hints": RowHints(symbol="BTC-USD", columns=COLUMNS)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b.csv").write_text(TRADES)
    (tmp_path / "a.csv").write_text(TRADES.replace("1.5", "2.5"))
    (tmp_path / "notes.md").write_text("# nothing\n")
    (tmp_path / "truth.json").write_text("{}")
    (tmp_path / ".hidden").write_text("not looked at")
    (tmp_path / "cut.part").write_text("not looked at either")
    return tmp_path


def test_a_folder_gives_its_recordings_by_name_and_says_what_it_skips(folder: Path) -> None:
    found = choose([folder], **AS_TABLE)  # type: ignore[arg-type]
    assert [path.name for path in found.paths] == ["a.csv", "b.csv"]
    assert [path.name for path in found.skipped] == ["notes.md"]
    assert found.total_bytes == 2 * len(TRADES)
    assert (found.damage, found.symbols, found.format) == (None, None, "auto")


def test_a_file_that_is_named_and_is_not_a_recording_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"notes\.md"):
        choose([folder / "notes.md"])


def test_symbols_are_looked_for_in_the_recordings(folder: Path) -> None:
    assert choose([folder], symbols=["BTC-USD"], **AS_TABLE).symbols == {"BTC-USD"}  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no recording has trades of ETH-USD; known there: BTC-USD"):
        choose([folder], symbols=["BTC-USD", "ETH-USD"], **AS_TABLE)  # type: ignore[arg-type]


def test_damage_is_kept_while_there_is_something_else_to_read(folder: Path) -> None:
    (folder / "c.gz").write_bytes(b"\x1f\x8b\x08 not gzip at all")
    found = choose([folder], **AS_TABLE)  # type: ignore[arg-type]
    assert found.damage is not None
    assert "c.gz" in str(found.damage)
    with pytest.raises(DamagedInput, match=r"c\.gz"):
        choose([folder / "c.gz"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "pcap"}, "unknown format 'pcap'; known: auto, frames"),
        ({"market": "margin"}, "unknown market 'margin'; known: spot, usdm, coinm"),
        ({"hints": RowHints(time_unit="h")}, "unknown time unit 'h'; known: s, ms, us, ns"),  # type: ignore[arg-type]
    ],
)
def test_unknown_words_are_refused_with_the_known_ones(folder: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose([folder], **options)  # type: ignore[arg-type]
