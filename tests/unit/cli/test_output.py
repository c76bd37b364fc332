import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from coattail.cli.output import print_json_line, print_table, progress
from coattail.workspace.progress import Step


def test_a_json_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_json_line({"text": "a\nb", "n": Decimal("0.10")})
    assert capsys.readouterr().out == '{"text":"a\\nb","n":"0.10"}\n'


class Yielding(io.StringIO):
    """A terminal that lets other threads go first whenever something is written."""

    def write(self, text: str) -> int:
        time.sleep(0.0005)
        return super().write(text)


def test_json_lines_of_several_threads_are_not_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = Yielding()
    monkeypatch.setattr("sys.stdout", printed)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: print_json_line({"number": number}), range(100)))
    assert sorted(json.loads(line)["number"] for line in printed.getvalue().splitlines()) == list(range(100))


def test_a_piped_table_is_neither_cut_nor_coloured_and_reads_markup_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    long = "[bold]x[/bold] " * 40
    print_table(["name", "value"], [("a", long.strip()), ("b", None), ("c", Decimal("1.50"))], right=["name"])
    header, first, second, third = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "value"]
    assert first == f"   a  {long.strip()}"
    assert second.split() == ["b", "-"]
    assert third.split() == ["c", "1.50"]


def test_progress_is_silent_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as heard:
        heard(Step("landing", 1, 3))
        heard(Step("still landing"))
    assert capsys.readouterr() == ("", "")


def test_progress_is_a_bar_at_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress() as heard:
        heard(Step("landing", 1, 4))
    assert "landing" in capsys.readouterr().err
    with progress():
        pass
    assert capsys.readouterr() == ("", ""), "without a step there is nothing to show"
    with progress(silent=True) as heard:
        heard(Step("landing", 1, 4))
    assert capsys.readouterr() == ("", "")
