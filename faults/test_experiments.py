"""The fault experiments in their short form; `make faults` runs the long one and writes docs/RELIABILITY.md."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from faults import report
from faults.__main__ import main
from faults.experiment import Control, Experiment, Outcome, Task
from faults.registry import EXPERIMENTS
from faults.simulation import PLAINER, found_out, simulate

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "RELIABILITY.md"
SHORT = [(e, engine) for e in EXPERIMENTS for engine in e.short_engines]


@pytest.mark.parametrize(("experiment", "engine"), SHORT, ids=lambda value: getattr(value, "id", value))
def test_whatever_is_done_to_it_the_promises_hold_and_plainer_designs_fail(
    experiment: Experiment, engine: str, tmp_path: Path
) -> None:
    assert experiment.short is not None
    outcome = experiment.run(Task(engine=engine, seed=experiment.seed, size=experiment.short, folder=tmp_path))
    assert outcome.wrong == []
    assert [str(control) for control in outcome.controls if not control.failed] == []


def test_a_seed_always_tells_the_same_story() -> None:
    assert simulate(42).trace == simulate(42).trace != simulate(43).trace


@pytest.mark.parametrize("name", PLAINER)
def test_a_plainer_design_is_found_out_within_some_seeds(name: str) -> None:
    assert found_out(name, range(500, 560)) > 0


def test_every_experiment_has_a_short_form_or_names_the_tests_that_are() -> None:
    for experiment in EXPERIMENTS:
        assert (experiment.short is not None) == bool(experiment.short_engines) != bool(experiment.shortly)
        for path in filter(None, experiment.shortly.split(", ")):
            assert (ROOT / path).exists(), path


def test_ids_are_unique_and_in_order() -> None:
    numbers = [e.number for e in EXPERIMENTS]
    assert numbers == sorted(set(numbers))


def test_the_page_has_a_row_for_every_experiment_on_every_engine() -> None:
    _, table = PAGE.read_text().split(report.BEGIN)
    assert report.lines_of(table).keys() == {(e.id, engine) for e in EXPERIMENTS for engine in e.engines}
    assert "FAILED" not in table


def test_a_failure_stands_in_the_table_as_one() -> None:
    experiment = EXPERIMENTS[0]
    for outcome in (
        Outcome("3 kills", {"lost": 1}, ["trades: 1 lost"]),
        Outcome("3 kills", controls=[Control("a naive one", "nothing", failed=False)]),
    ):
        assert not outcome.passed
        row = report.row_of(experiment, "local", outcome, 1.0)
        assert "**FAILED**" in report.line(row)
    held = report.row_of(experiment, "local", Outcome("3 kills", controls=[Control("a", "b", failed=True)]), 1.0)
    assert "held" in report.line(held)
    assert "no Java" in report.line(report.left_out(experiment, "spark", "no Java"))


def test_a_run_replaces_its_own_row_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\n{report.END}\nafter\n")
    known = [(experiment, "local") for experiment in EXPERIMENTS[:3]]
    for number, experiment, figure in ((0, EXPERIMENTS[0], 1), (1, EXPERIMENTS[1], 2), (1, EXPERIMENTS[0], 3)):
        row = report.row_of(experiment, "local", Outcome("", {"figure": figure}), 1.0)
        report.keep(row, tmp_path / f"kept{number}")
        report.publish(page, report.rows(tmp_path / f"kept{number}"), known)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert re.findall(r"figure (\d)|(not run yet)", text) == [("3", ""), ("2", ""), ("", "not run yet")]
    assert "2 of 2 runs held" in text


def test_what_has_no_row_that_held_or_an_old_one_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{report.BEGIN}\n{report.END}\n")
    one, two, three, four = EXPERIMENTS[:4]
    rows = [
        {**report.row_of(one, "local", Outcome(""), 1.0), "run_at": "2026-11-25 12:00Z"},
        {**report.row_of(two, "local", Outcome(""), 1.0), "run_at": "2026-11-26 12:00Z"},
        report.row_of(three, "local", Outcome("", wrong=["lost"]), 1.0),
        report.left_out(four, "local", "no Java"),
    ]
    report.publish(page, rows)
    assert report.held(page, date.min) == {(one.id, "local"), (two.id, "local")}
    assert report.held(page, date(2026, 11, 26)) == {(two.id, "local")}
    monkeypatch.setattr("faults.__main__.PAGE", page)
    assert main(["-k", one.id, "--engine", "local", "--missing"]) == 0
    assert capsys.readouterr().out == "0 to run\n"
