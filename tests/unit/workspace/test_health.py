"""What is looked at, and what a repair says, without a shell."""

from pathlib import Path

import pytest

from coattail.config import load_settings
from coattail.errors import HomeError
from coattail.home import Home
from coattail.workspace.documents.health import Finding
from coattail.workspace.health import check, check_installation, repair


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_a_home_that_need_not_be_there_is_a_note(tmp_path: Path) -> None:
    assert by_name(check(tmp_path / "none", expected=False))["home"].state == "note"
    assert by_name(check(tmp_path / "none"))["home"].state == "broken"


def test_looking_at_an_empty_home_changes_nothing(home: Home) -> None:
    before = sorted(home.path.rglob("*"))
    findings = by_name(check(home.path))
    assert {name: f.state for name, f in findings.items() if name != "disk"} == dict.fromkeys(
        ("settings", "home", "catalog", "tables", "hot store", "stream", "dead letters", "engine", "producer"), "ok"
    )
    assert sorted(home.path.rglob("*")) == before
    assert [f.name for f in check_installation()] == ["python", "packages", "spark engine"]


def test_a_damaged_file_of_rejected_records_is_broken_and_names_the_file(home: Home) -> None:
    damaged = home.dlq / "invalid" / "dt=2025-03-04" / "120000-0.jsonl"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(bytes(100))
    found = by_name(check(home.path))["dead letters"]
    assert (found.state, str(damaged) in found.detail) == ("broken", True)
    assert found.remedy is not None
    assert "move the file away" in found.remedy


def test_a_repair_mends_what_is_broken_and_keeps_what_was_there(home: Home) -> None:
    assert repair(home, load_settings(home)) == []
    home.hot_db.write_bytes(b"not a database" * 100)
    assert by_name(check(home.path))["hot store"].state == "broken"
    said = repair(home, load_settings(home))
    assert said[-1].startswith("what was damaged is in ")
    assert (Path(said[-1].removeprefix("what was damaged is in ")) / "hot.db").read_bytes().startswith(b"not a data")
    assert by_name(check(home.path))["hot store"].state == "ok"


def test_a_home_on_which_an_engine_runs_is_not_repaired(home: Home) -> None:
    with home.engine_lock("land"), pytest.raises(HomeError, match="`land`"):
        repair(home, load_settings(home))
