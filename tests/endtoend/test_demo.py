import re
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import coattail.workspace.demo
from coattail.alerts import DISCLAIMER
from coattail.home import Home
from coattail.market import Market
from tests.harness.commands import Child, Done, trades

Run = Callable[..., Done]
Spawn = Callable[..., Child]


@pytest.fixture
def thin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A market with a tenth of the trades, where only the course of things matters."""
    monkeypatch.setattr(coattail.workspace.demo, "Market", partial(Market, rate=0.1))


def test_a_demo_lands_finds_counts_and_says_what_to_try(demo_output: str, demo_folder: Path) -> None:
    live = demo_output.split("Now the market goes on")[1].split("What had been planted")[0]
    assert "14:00:20 high     whale_trade" in live, "alerts appear as they fire"
    found, of = map(int, re.search(r"found (\d+) of (\d+) planted anomalies", demo_output).groups())  # type: ignore[union-attr]
    assert found == of >= 10
    assert "false alarms: " in demo_output
    assert re.search(r"^whales +\d+ +\d+ % \(\d+ to 100\)", demo_output.split("Scorecard of this run")[1], re.MULTILINE)
    received, landed = re.search(
        r"received ([\d,]+) = landed ([\d,]+) \+ rejected 0 \+ duplicates 0; 0 gaps", demo_output
    ).groups()  # type: ignore[union-attr]
    assert received == landed
    assert DISCLAIMER in demo_output
    assert "--home .coattail-demo alerts" in demo_output
    assert int(landed.replace(",", "")) == len(trades(demo_folder / ".coattail-demo"))
    assert not (demo_folder / ".coattail").exists()


@pytest.mark.usefixtures("thin")
def test_a_second_demo_replaces_the_first_and_nothing_else(run: Run, tmp_path: Path) -> None:
    first = run("demo", "--seconds", "0", "--json").json
    before = Home.open(".coattail-demo").record.home_id
    second = run("demo", "--seconds", "0", "--json").json
    assert Home.open(".coattail-demo").record.home_id != before
    assert first["planted"] == second["planted"]
    assert second["landed"]["conserved"]
    assert second["seconds_to_first_alert"] > 0
    other = run("demo", "--seconds", "0", "--seed", "8", "--json").json
    assert other["planted"] != []
    assert other["hours"]["trades"] != second["hours"]["trades"]


def test_a_demo_leaves_a_real_home_and_foreign_folders_alone(run: Run, tmp_path: Path) -> None:
    run("init", "--home", "mine")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("x")
    for folder in ("mine", "papers"):
        done = run("demo", "--home", folder, "--seconds", "0")
        assert done.code == 1
        assert f"{folder} was not made by a demo" in done.err
    assert (tmp_path / "papers" / "thesis.tex").exists()
    assert Home.open(tmp_path / "mine")


@pytest.mark.usefixtures("thin")
def test_a_demo_that_was_cut_short_is_replaced_too(run: Run, tmp_path: Path) -> None:
    run("demo", "--seconds", "0")
    (tmp_path / ".coattail-demo" / "home.json").unlink()
    assert run("demo", "--seconds", "0", "--json").code == 0


def test_a_running_demo_is_not_replaced_and_stops_on_ctrl_c(spawn: Spawn, run: Run, tmp_path: Path) -> None:
    demo = spawn("demo", "--seconds", "600")
    demo.line_with("Now the market goes on")
    refused = run("demo", "--seconds", "0")
    assert refused.code == 1
    assert f"`demo` (process {demo.process.pid}" in refused.err
    done = demo.end(signal.SIGINT)
    assert (done.code, done.err) == (0, "")
    assert "planted anomalies" in done.out
    assert "0 gaps" in done.out


def test_impossible_seconds_are_refused(run: Run) -> None:
    assert run("demo", "--seconds", "-1").code == 2
    assert run("demo", "--seconds", "nan").code == 2
