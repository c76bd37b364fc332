"""Long work in a cell shows one line, in place; short work nothing."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from coattail.workspace import cells
from coattail.workspace.cells import underway
from coattail.workspace.progress import Step, unheard


class Cell:
    """What a cell was shown; waits for the next."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self._came = threading.Condition()

    def show(self, seen: dict[str, Any]) -> None:
        with self._came:
            self.shown.append(seen["text/plain"])
            self._came.notify_all()

    def wait_for(self, words: str) -> None:
        with self._came:
            assert self._came.wait_for(lambda: any(words in line for line in self.shown), 10), self.shown


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    made = Cell()
    monkeypatch.setattr(cells, "in_cell", lambda: made.show)
    return made


def test_it_says_how_far_the_work_is_and_at_the_end_how_long_it_took(cell: Cell) -> None:
    with underway("backfill", quiet=0) as heard:
        cell.wait_for("backfill · 0.")
        heard(Step("fetching\x1b[31m", 3, 4))
        cell.wait_for(" 75 % · fetching\\x1b[31m · ")
        heard(Step("landing", 5, 0))
        cell.wait_for("backfill · landing · ")
    assert cell.shown[-1].startswith("backfill: done in ")


def test_work_that_fails_says_so(cell: Cell) -> None:
    def work() -> None:
        with underway("report", quiet=0):
            cell.wait_for("report")
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        work()
    assert cell.shown[-1].startswith("report: stopped after ")


def test_short_work_shows_nothing(cell: Cell) -> None:
    with underway("report") as heard:
        heard(Step("drawing the page"))
    assert cell.shown == []


def test_who_listens_gets_the_steps_and_outside_of_a_notebook_nobody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Step] = []
    with underway("backfill", said.append) as heard:
        heard(Step("fetching"))
    assert said == [Step("fetching")]
    with underway("backfill") as heard:
        assert heard is unheard
