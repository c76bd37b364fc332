import gzip
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from coattail.home import Home
from tests.harness.commands import Child, Done, alerts, trades, until

Run = Callable[..., Done]
Spawn = Callable[..., Child]


def test_simulate_then_replay_lands_everything_once(run: Run, tmp_path: Path) -> None:
    simulated = run("simulate", "--out", "market", "--hours", "0.05", "--seed", "3", "--json").json
    assert simulated["planted"] == {}
    assert Path(simulated["truth"]).exists()
    done = run("replay", "market", "--json").json
    assert done["recordings"] == list(simulated["recordings"].values())
    assert (done["skipped"], done["damaged"], done["complete"]) == ([], None, True)
    landed = done["landed"]
    assert landed["received"] == landed["landed"] == done["trades"] > 1000
    assert (landed["gaps"], landed["instruments"], landed["conserved"]) == ([], 7, True)
    again = run("replay", "market", "--json").json["landed"]
    assert (again["landed"], again["duplicates"], again["rejected"]) == (0, done["trades"], 0)
    assert len(trades(tmp_path / ".coattail")) == done["trades"]


def test_people_are_told_what_happened_and_what_to_type_next(run: Run, market_folder: Path) -> None:
    done = run("replay", market_folder)
    assert (done.code, done.err) == (0, "")
    assert " trades of 2025-03-04 " in done.out
    assert "rejected 0 + duplicates 0" in done.out
    assert "0 gaps in the trade ids of 7 instruments" in done.out
    assert "alerts: " in done.out
    assert "\x1b" not in done.out
    assert next(line for line in done.out.splitlines() if line.startswith("see them: ")).endswith("coattail alerts")


def test_simulate_says_what_it_planted_and_the_next_command(run: Run) -> None:
    done = run("simulate", "--out", "my market", "--hours", "1.3", "--rate", "0.1")
    assert "planted 1 burst, 1 whale" in done.out
    assert done.out.splitlines()[-1].endswith('coattail replay "my market"')


@pytest.mark.parametrize("options", [["--hours", "0"], ["--hours", "nan"], ["--rate", "-1"], ["--out", "file"]])
def test_simulate_refuses_what_makes_no_sense(run: Run, tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "file").write_text("mine")
    done = run("simulate", "--out", "market", *options)
    assert done.code == 2
    assert options[0] in done.err


def test_a_missing_part_is_a_gap_of_its_instrument(run: Run, market_folder: Path, tmp_path: Path) -> None:
    lines = _lines(market_folder / "binance.frames.zst")
    eth = [line for line in lines if b'"ETHUSDT"' in line]
    (tmp_path / "holed").write_bytes(b"".join(eth[:100] + eth[103:200] + eth[250:400]))
    done = run("replay", "holed", "--json").json["landed"]
    assert done["gaps"] == [{"exchange": "binance", "symbol": "ETH-USDT", "gaps": 2, "missing_ids": 53}]
    assert (
        "2 gaps in the trade ids of 1 instrument\n  binance ETH-USDT: 2 gaps, 53 trades missing"
        in run("replay", "holed").out
    )


def test_only_the_symbols_asked_for_are_fed(run: Run, market_folder: Path, tmp_path: Path) -> None:
    done = run("replay", market_folder, "--symbols", "BTC-USDT, SOL-USD", "--json").json
    assert set(trades(tmp_path / ".coattail")["symbol"]) == {"BTC-USDT", "SOL-USD"}
    assert done["filtered"] > 0


def test_no_land_feeds_and_a_drain_lands(run: Run, market_folder: Path, tmp_path: Path) -> None:
    fed = run("replay", market_folder, "--no-land")
    assert "only fed the stream; land it with: " in fed.out
    done = run("land", "--drain", "--json").json
    assert done["event"] == "landed"
    assert done["received"] == done["landed"] == len(trades(tmp_path / ".coattail"))
    assert (done["waiting_bytes"], done["conserved"]) == (0, True)
    assert "received 0 = landed 0" in run("land", "--drain").out


def test_at_a_pace_it_lands_the_same_as_at_once(
    run: Run, market_folder: Path, tmp_path: Path, undisturbed: Path
) -> None:
    done = run("replay", market_folder, "--home", "paced", "--speed", "4000x")
    assert done.code == 0
    assert "whale_trade" in done.out.split("received")[0], "alerts appear as they fire"
    assert trades(undisturbed).drop("session").equals(trades(tmp_path / "paced").drop("session"))
    assert alerts(undisturbed).height > 0
    said = alerts(undisturbed).drop("evidence")  # which names the commit
    assert said.equals(alerts(tmp_path / "paced").drop("evidence"))


@pytest.mark.parametrize("wish", [signal.SIGINT, signal.SIGTERM])
def test_a_paced_replay_stops_gracefully_and_the_rest_lands_later(
    run: Run, spawn: Spawn, market_folder: Path, tmp_path: Path, undisturbed: Path, wish: int
) -> None:
    home = tmp_path / "home"
    child = spawn("replay", market_folder, "--home", home, "--speed", "60x")
    until(lambda: any(home.glob("warehouse/coattail/raw_trades/data/**/*.parquet")))
    done = child.end(wish)
    assert (done.code, done.err) == (0, "")
    assert "stopped before the end" in done.out
    assert Home.open(home).running_engine() is None
    run("replay", market_folder, "--home", home)
    assert trades(home).equals(trades(undisturbed))


def test_a_running_engine_is_left_to_land(run: Run, spawn: Spawn, market_folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    run("init", "--home", home)
    engine = spawn("land", "--home", home, "--json")
    until(lambda: (found := Home.open(home).running_engine()) is not None and found.pid == engine.process.pid)
    fed = run("replay", market_folder, "--home", home, "--json").json
    assert (fed["engine"], fed["landed"]) == ({"pid": engine.process.pid, "command": "land"}, None)
    refused = run("land", "--home", home)
    assert refused.code == 1
    assert f"`land` (process {engine.process.pid}" in refused.err
    assert run("land", "--drain", "--home", home).code == 1
    engine.line_with('"event":"alert"')
    done = engine.end(signal.SIGTERM)
    assert (done.code, done.err) == (0, "")
    assert '"event":"landed"' in done.out.splitlines()[-1]
    run("land", "--drain", "--home", home)
    assert len(trades(home)) == fed["trades"]


def test_land_prints_alerts_for_people_and_stops_on_ctrl_c(
    spawn: Spawn, run: Run, market_folder: Path, tmp_path: Path
) -> None:
    run("replay", market_folder, "--no-land", "--home", "home")
    engine = spawn("land", "--home", "home")
    assert "Ctrl-C stops" in engine.line_with("landing what arrives at")
    assert engine.line_with("whale_trade").startswith("  13:14:05 medium   whale_trade")
    done = engine.end(signal.SIGINT)
    assert (done.code, done.err) == (0, "")
    assert "stopped; everything landed is committed" in done.out


def test_land_needs_a_home(run: Run) -> None:
    done = run("land")
    assert (done.code, done.out) == (1, "")
    assert "coattail init" in done.err


def test_a_folder_without_a_recording_is_refused_and_others_are_skipped(
    run: Run, market_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "notes.md").write_text("# nothing\n")
    assert "there is no recording in mixed: mixed/notes.md is not a recording" in run("replay", "mixed").err
    (folder / "a.gz").write_bytes(gzip.compress(b"".join(_lines(market_folder / "binance.frames.zst")[:50])))
    done = run("replay", "mixed")
    assert done.code == 0
    assert "skipped: mixed/notes.md is not a recording that is known here (it begins with '# nothing')" in done.out
    assert "landed 50 " in done.out


def _lines(path: Path) -> list[bytes]:
    import zstandard

    with zstandard.open(path) as file:
        return bytes(file.read()).splitlines(keepends=True)
