"""What `coattail maintain` and `coattail schema-drill` print and refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coattail.batch.drill_readers import TableReader
from coattail.batch.last_run import LastRun, remember
from coattail.config import load_settings
from coattail.errors import SparkError
from coattail.home import Home
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.tables import ORDERS, RAW_TRADES

Run = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with three commits of large_trades."""
    made = Home.open(tmp_path / "home", create=True)
    lake = Lake(embedded(made.path))
    for number in range(3):
        row = {"exchange": "e", "symbol": "S", "trade_id": number, "last_trade_id": number,
               "timestamp": datetime(2025, 3, 4, tzinfo=UTC) + timedelta(hours=number)}  # fmt: skip
        lake.commit(ORDERS, lake.write(ORDERS, ORDERS.conform(pl.DataFrame([row]))), {"through": str(number)})
    lake.close()
    return made


def on_the_page(command: str) -> dict[str, Any]:
    """The document that docs/CLI.md shows for a command."""
    text = (Path(__file__).parents[3] / "docs" / "CLI.md").read_text(encoding="utf-8")
    block = text.partition(f"## coattail {command}\n")[2].partition("```json\n")[2].partition("```")[0]
    return dict(json.loads(block))


def test_an_empty_home_has_nothing_to_maintain(coattail: Run, tmp_path: Path) -> None:
    Home.open(tmp_path / "home", create=True)
    assert coattail("maintain", "--home", tmp_path / "home").out == "nothing has landed here yet\n"


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(coattail: Run, home: Home) -> None:
    lake = Lake(embedded(home.path))
    lake.write(ORDERS, lake.scan(ORDERS))
    before = lake.locations()
    done = coattail("maintain", "--home", home.path, "--dry-run", "--older-than", "0s")
    assert done.code == 0
    assert "3 -> 1" in done.out
    assert "would remove " in done.out
    assert "dry run: nothing was changed" in done.out
    assert lake.locations() == before
    lake.close()


def test_json_says_what_was_done(coattail: Run, home: Home) -> None:
    done = coattail("maintain", "--home", home.path, "--table", "large_trades", "--json")
    document = json.loads(done.out)
    page = on_the_page("maintain")
    (row,) = document["tables"]
    assert (set(document), set(row)) == (set(page), set(page["tables"][0]))
    assert (row["table"], row["files_before"], row["files_after"], row["rows"], row["notes"]) == (
        "large_trades", 3, 1, 3, [],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--older-than", "soon"), "--older-than 'soon' is not an age; write it like 3d or 12h"),
        (("--table", "nothing"), "there is no table 'nothing' to maintain; tables here: large_trades"),
        (("--engine", "flink"), "there is no engine 'flink'; choose local or spark"),
        (("--engine", "spark", "--dry-run"), "--dry-run works with the local engine only"),
    ],
)
def test_mistakes_are_said_in_one_sentence(coattail: Run, home: Home, arguments: tuple[str, ...], said: str) -> None:
    done = coattail("maintain", "--home", home.path, *arguments)
    assert done.code == 2
    assert said in done.err


def test_young_files_and_spark_need_the_home_for_themselves(coattail: Run, home: Home) -> None:
    with home.engine_lock("land"):
        for arguments in (("--older-than", "5m"), ("--engine", "spark")):
            done = coattail("maintain", "--home", home.path, *arguments)
            assert done.code == 1
            assert "needs the home for itself" in done.err
            assert "already runs" in done.err


def test_spark_refuses_while_derived_tables_are_behind(coattail: Run, home: Home) -> None:
    lake = Lake(embedded(home.path))
    lake.commit(RAW_TRADES, [], {"commit": "7"})
    lake.close()
    done = coattail("maintain", "--home", home.path, "--engine", "spark")
    assert done.code == 1
    assert "complete through commit 0 of 7; run `coattail land --drain` first" in done.err


def without_java(*_: object, **__: object) -> None:
    raise SparkError("there is no Java", next_step="install it")


@pytest.mark.slow
def test_the_schema_drill_prints_a_table_and_why_a_reader_was_left_out(
    coattail: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coattail.spark.session.spark_session", without_java)
    Home.open(tmp_path / "home", create=True)
    done = coattail("schema-drill", "--home", tmp_path / "home", "--rows", 60)
    assert done.code == 0
    assert "rename a column" in done.out
    assert "Spark was left out: there is no Java; install it" in done.out
    assert "every reader was right after every step" in done.out


@pytest.mark.slow
def test_a_wrong_reader_is_named_and_the_exit_code_is_1(
    coattail: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(lake: Lake, table: str) -> TableReader:
        return TableReader("DuckDB", lambda snapshot_id: pl.DataFrame({"event_id": ["x"]}))

    monkeypatch.setattr("coattail.batch.drill_readers._duckdb", stale)
    monkeypatch.setattr("coattail.spark.session.spark_session", without_java)
    Home.open(tmp_path / "home", create=True)
    done = coattail("schema-drill", "--home", tmp_path / "home", "--rows", 60, "--json")
    document = json.loads(done.out)
    assert (done.code, document["ok"]) == (1, False)
    assert [c["ok"] for c in document["steps"][0]["checks"]] == [True, False, None]
    page, step = on_the_page("schema-drill"), document["steps"][0]
    assert (set(document), set(step)) == (set(page), set(page["steps"][0]))
    assert set(step["checks"][0]) == set(page["steps"][0]["checks"][0])


def test_maintain_says_what_it_did_and_what_is_to_come_as_the_page_has_it(coattail: Run, home: Home) -> None:
    done = coattail("maintain", "--home", home.path, "--json")
    document, page, status_page = json.loads(done.out), on_the_page("maintain"), on_the_page("status")
    assert document.keys() == page.keys()
    assert document["hot_removed"].keys() == page["hot_removed"].keys()
    assert document["forecast"].keys() == status_page["forecast"].keys()
    assert document["forecast"]["tables"][0].keys() == status_page["forecast"]["tables"][0].keys()
    assert document["forecast"]["words"].startswith("too little history to tell")
    assert document["forecast"]["days_until_full"] is None
    printed = json.loads(coattail("status", "--home", home.path, "--json").out)
    page_text = (Path(__file__).parents[3] / "docs" / "CLI.md").read_text(encoding="utf-8")
    section = page_text.partition("`maintenance.last` is null before")[2].partition("\n## ")[0]
    assert [name for name in printed["maintenance"]["last"] if f"`{name}`" not in section] == []
    assert (printed["maintenance"]["every"], printed["maintenance"]["last"]["by"]) == ("1h", "maintain")


def test_status_says_when_maintenance_was_done_or_why_it_failed(coattail: Run, home: Home) -> None:
    assert "upkeep     none yet; every 1h while an engine runs" in coattail("status", "--home", home.path).out
    dry = coattail("maintain", "--home", home.path, "--dry-run")
    assert "disk: " in dry.out
    assert "too little history to tell" in dry.out
    assert "upkeep     none yet" in coattail("status", "--home", home.path).out
    coattail("maintain", "--home", home.path)
    assert "3 files into 1" in coattail("status", "--home", home.path).out
    failed = LastRun(by="land", began=datetime.now(UTC), seconds=1.0, error="no room; make some")
    remember(home, load_settings(home.path), failed)
    assert re.search(r"FAILED \d+ s ago: no room; make some", coattail("status", "--home", home.path).out)
