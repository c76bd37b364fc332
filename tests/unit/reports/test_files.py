"""A page is on disk whole or not at all, and never in place of something else."""

import os
import threading
from pathlib import Path

import pytest

from coattail.errors import StoreError, UsageError
from coattail.reports.files import is_report, write_page
from coattail.reports.page import page_of
from coattail.reports.scorecards import read_scorecards
from tests.harness.report_facts import COMMANDS, make_bars, make_facts

EMPTY = page_of(make_facts(bars=make_bars(minutes=0)), COMMANDS, {}, None)


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_page_knows_itself_and_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "a.html"
    assert write_page(EMPTY, out) == len(EMPTY.encode())
    assert is_report(out)
    write_page(EMPTY.replace("Nothing", "Little"), out)
    assert "Little" in out.read_text()
    assert left_over(tmp_path) == ["a.html"]


def test_another_file_is_only_replaced_by_force(tmp_path: Path) -> None:
    out = tmp_path / "thesis.html"
    out.write_text("years of work")
    with pytest.raises(UsageError, match=r"exists and is not a report"):
        write_page(EMPTY, out)
    assert out.read_text() == "years of work"
    write_page(EMPTY, out, force=True)
    assert is_report(out)


def test_a_folder_or_a_pipe_is_refused_even_by_force(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(UsageError, match="not a regular file"):
            write_page(EMPTY, tmp_path / name, force=True)
    with pytest.raises(UsageError, match="there is no folder"):
        write_page(EMPTY, tmp_path / "nowhere" / "a.html")


def test_what_came_meanwhile_is_looked_at_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "a.html"
    real = os.link

    def late(source: Path, target: Path) -> None:
        if not out.exists():
            out.write_text("somebody else's")
        real(source, target)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(UsageError, match="is not a report"):
        write_page(EMPTY, out)
    assert out.read_text() == "somebody else's"
    assert left_over(tmp_path) == ["a.html"]


def test_of_writers_at_once_one_wins_whole(tmp_path: Path) -> None:
    out = tmp_path / "a.html"
    pages = [EMPTY.replace("Nothing", f"{n}" * 200_000) for n in range(4)]
    threads = [threading.Thread(target=write_page, args=(page, out)) for page in pages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert out.read_text() in pages
    assert left_over(tmp_path) == ["a.html"]


def test_a_failed_write_leaves_nothing_and_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "a.html"
    write_page(EMPTY, out)

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        StoreError,
        match=r"a.html cannot be written \(No space left on device\); free some space .* as it was",
    ):
        write_page("other", out)
    assert out.read_text() == EMPTY
    assert left_over(tmp_path) == ["a.html"]


@pytest.mark.parametrize("content", [None, b"", b"[1]", b"\xff"])
def test_scorecards_that_are_missing_or_of_another_form_are_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "scorecards.json"
    if content is not None:
        path.write_bytes(content)
    assert read_scorecards(path) == {}
