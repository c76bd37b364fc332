from pathlib import Path

import pytest

from coattail.errors import DamagedInput, UsageError
from coattail.recordings import RowHints
from coattail.recordings.chosen import choose

TRADES = "id,time,price,quantity\n1,2025-03-04T12:00:00Z,1.5,2\n"
COLUMNS = {"time": "time", "price": "price", "quantity": "quantity", "id": "id"}
AS_TABLE = {"exchange": "bitstamp", "hints": RowHints(symbol="BTC-USD", columns=COLUMNS)}


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


def test_what_a_folder_passes_over_a_list_of_files_does_too(folder: Path) -> None:
    found = choose([folder / "a.csv", folder / "notes.md"], **AS_TABLE)  # type: ignore[arg-type]
    assert ([path.name for path in found.paths], [path.name for path in found.skipped]) == (["a.csv"], ["notes.md"])
    with pytest.raises(UsageError, match=r"no recording in .*: .*notes\.md is not a recording that is known here"):
        choose([folder / "notes.md", folder / "notes.md"])


def test_a_recording_of_a_folder_that_lacks_its_market_is_left_out_as_damage(tmp_path: Path) -> None:
    lacking = tmp_path / "BTCUSDT-aggTrades-2026-03-27.csv"
    lacking.write_text("1,62000.5,0.1,11,12,1774569600000,true\n")
    with pytest.raises(UsageError, match=r"of which market; say --market spot"):
        choose([tmp_path])
    (tmp_path / "ETHUSDT-trades-2025-03-01.csv").write_text("1,2200.5,0.1,220.05,1740787200000000,True,True\n")
    found = choose([tmp_path])
    assert ([path.name for path in found.paths], list(found.skipped)) == (["ETHUSDT-trades-2025-03-01.csv"], [lacking])
    assert "of which market; say --market spot" in str(found.damage)


def test_a_folder_of_folders_names_the_one_with_files(folder: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    (outer / "spot" / "BTCUSDT").mkdir(parents=True)
    (outer / "again").symlink_to(outer)
    with pytest.raises(UsageError, match=r"there is no recording in .*outer; name a recording"):
        choose([outer])
    (outer / "spot" / "BTCUSDT" / "a.csv").write_text(TRADES)
    with pytest.raises(UsageError, match=r"lie in folders within; name the folder: .*/outer/spot/BTCUSDT$"):
        choose([outer])


def test_an_empty_file_among_tables_is_a_recording_without_trades(folder: Path) -> None:
    (folder / "c.csv").write_text("")
    assert [path.name for path in choose([folder], **AS_TABLE).paths] == ["a.csv", "b.csv", "c.csv"]  # type: ignore[arg-type]


def test_an_unknown_exchange_is_named_for_a_folder_too(tmp_path: Path) -> None:
    (tmp_path / "a.frames").write_text('1741089600000000000 {"e":"trade"}\n')
    with pytest.raises(UsageError, match="unknown exchange 'mtgox'; known: binance"):
        choose([tmp_path], exchange="mtgox")


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
