"""`coattail score` and `coattail what-if`, as people use them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from coattail.alerts import DISCLAIMER
from coattail.cli import main
from coattail.market import Market, write
from tests.harness.commands import Done, alerts

Run = Callable[..., Done]


PAGE = (Path(__file__).parents[2] / "docs" / "CLI.md").read_text()


def documented(name: str) -> Any:
    """The JSON that the page of commands shows."""
    found = re.search(rf"## coattail {name}\n.*?```json\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return json.loads(found[1])


@pytest.fixture(scope="module")
def landed(market_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of the preset `classic` with the trades of that market; only to be looked at."""
    home = tmp_path_factory.mktemp("landed") / "home"
    assert main(["init", "--home", str(home)]) == 0
    (home / "coattail.yaml").write_text("preset: classic\n")
    assert main(["replay", str(market_folder), "--home", str(home)]) == 0
    return home


@pytest.fixture(scope="module")
def other_truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The truth of a market of another seed, at the same time."""
    folder = tmp_path_factory.mktemp("other")
    write(Market(seed=8, rate=0.01, duration=timedelta(minutes=80)), folder)
    text = (folder / "truth.json").read_text().replace('"size": 180000', '"size": 280000')
    (folder / "truth.json").write_text(text)
    return folder / "truth.json"


def test_a_simulated_market_is_scored_for_both_presets(run: Run, tmp_path: Path) -> None:
    chosen = ("--days", 1, "--warm-up", 0, "--rate", 0.05, "--cache", "evidence")
    done = run("score", *chosen)
    assert (done.code, done.err) == (0, "")
    for said in ("burst", "whale", "classic looks for no stall, ", "side flip: ", "by chance", DISCLAIMER):
        assert said in done.out
    found = run("score", *chosen, "--json", "--preset", "default").json
    assert set(found["presets"]) == {"default"}
    whales = found["presets"]["default"]["whale-detector"]["whale"]
    assert whales["recall"]["value"] >= 0.9
    assert set(whales["recall"]) == {"value", "low", "high"}
    assert found["always_off"] == {"recall": 0.0, "false_per_day": 0.0, "precision": None}
    assert found["disclaimer"] == DISCLAIMER
    page = documented("score")
    assert set(found) == set(page) - {"curves", "equal_false_alarms"}
    assert set(whales) == set(page["presets"]["default"]["volume-anomaly"]["burst"])


def test_the_trades_of_a_home_are_scored_by_their_truth(run: Run, landed: Path, market_folder: Path) -> None:
    found = run("score", "--home", landed, "--truth", market_folder, "--json").json
    classic = found["presets"]["classic"]
    assert classic["volume-anomaly"]["burst"]["events"] == 1
    assert classic["whale-detector"]["whale"]["recall"]["value"] == 1.0
    assert len(found["judged"]) == 1
    assert run("score", "--home", landed, "--truth", market_folder).code == 0


def test_what_if_says_which_alerts_appear_and_vanish_and_writes_nothing(run: Run, landed: Path) -> None:
    before = alerts(landed)
    done = run("what-if", "--home", landed, "--set", "volume-anomaly.z_threshold=6", "--json")
    said = done.json["set"]
    assert said["counts"]["vanished"] > 0
    assert said["alerts_per_day"]["then"] < said["alerts_per_day"]["now"]
    assert set(said) == set(documented("what-if")["set"])
    assert (said["truth"], done.json["sweep"]) == (None, None)
    gone = [d for d in said["differences"] if d["verdict"] == "vanished"]
    assert len(gone) == said["counts"]["vanished"]
    assert set(before["alert_id"]) >= {d["alert_id"] for d in gone}
    assert alerts(landed).equals(before)
    shown = run("what-if", "--home", landed, "--set", "volume-anomaly.z_threshold=6").out
    assert "alerts a day: " in shown
    assert "vanished" in shown
    assert DISCLAIMER in shown


def test_a_sweep_counts_alerts_at_every_value_and_draws_them(run: Run, landed: Path, tmp_path: Path) -> None:
    sweep = ("what-if", "--home", landed, "--sweep", "volume-anomaly.z_threshold=6,3,2", "--out", "sweep.svg")
    points = run(*sweep, "--json").json["sweep"]["points"]
    assert [p["value"] for p in points] == [2, 3, 6]
    counts = [p["alerts_per_day"]["volume_spike"] for p in points]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]
    assert set(points[0]) == set(documented("what-if")["sweep"]["points"][0])
    assert points[0]["kinds"] is None
    ElementTree.parse(tmp_path / "sweep.svg")


def test_a_sweep_with_a_truth_says_how_much_is_found(
    run: Run, landed: Path, market_folder: Path, tmp_path: Path
) -> None:
    sweep = (
        "what-if",
        "--home",
        landed,
        "--truth",
        market_folder,
        "--sweep",
        "whale-detector.medium=100000,900000",
    )
    points = run(*sweep, "--out", "sweep.svg", "--json").json["sweep"]["points"]
    assert [p["kinds"]["whale"]["recall"]["value"] for p in points] == [1.0, 0.0]
    drawn = (tmp_path / "sweep.svg").read_text()
    assert "whales: at 100000 100 % (" in drawn
    assert "false alarms a day" in drawn
    shown = run(*sweep).out
    assert "held against the truth" in shown


@pytest.mark.parametrize(
    ("preset", "sweep", "values", "drawn"),
    [
        ("classic", "volume-anomaly.minimum_windows=50,2", [2, 50], "volume-anomaly.minimum_windows"),
        ("default", "spread-calculator.cooldown=2h,30s", ["30s", "2h"], "spread-calculator.cooldown, s"),
    ],
)
def test_a_sweep_takes_whole_numbers_and_durations(
    run: Run, landed: Path, tmp_path: Path, preset: str, sweep: str, values: list[object], drawn: str
) -> None:
    asked = ("what-if", "--home", landed, "--preset", preset, "--sweep", sweep)
    done = run(*asked, "--out", "sweep.svg", "--json")
    assert (done.code, done.err) == (0, "")
    points = done.json["sweep"]["points"]
    assert [point["value"] for point in points] == values
    if preset == "classic":
        assert len({point["alerts_per_day"]["volume_spike"] for point in points}) > 1, "the parameter matters"
    assert drawn in (tmp_path / "sweep.svg").read_text()
    rows = run(*asked).out.splitlines()
    assert [word for row in rows for word in row.split()[:1] if word in map(str, values)] == list(map(str, values))


def test_settings_of_both_presets_can_be_asked(run: Run, landed: Path) -> None:
    done = run("what-if", "--home", landed, "--preset", "default", "--sweep", "volume-anomaly.budget=1,8", "--json")
    assert done.code == 0, done.err
    assert len(done.json["sweep"]["points"]) == 2


WRONG = [
    (("score", "--truth", "nowhere.parquet"), "there is no truth file nowhere.parquet"),
    (("score", "--market", "livley"), "unknown character 'livley'"),
    (("score", "--market", "calm", "--truth", "x"), "--market simulates a market"),
    (("score", "--since", "2h"), "about a home's trades"),
    (("score", "--days", "0"), "give 1 to 366 days"),
    (("score", "--rate", "nan"), "--rate is nan"),
    (("score", "--preset", "defualt"), "did you mean default?"),
    (("what-if",), "no change is asked for"),
    (("what-if", "--sweep", "volume-anomaly.z_threshold=3"), "2 to 50 numbers"),
    (("what-if", "--sweep", "volume-anomaly.z_threshold=3,many"), "2 to 50 numbers"),
    (("what-if", "--sweep", "volume-anomaly.z_threshold=3,30s"), "numbers or durations"),
    (("what-if", "--sweep", "volume-anomaly.minimum_windows=2,2.5"), "must be a whole number"),
    (("what-if", "--sweep", "volume-anomaly=1,2"), "'volume-anomaly' is not a parameter"),
    (("what-if", "--set", "volume-anomaly.z_threshold=3", "--out", "x.svg"), "--out draws a sweep"),
    (("what-if", "--sweep", "volume-anomaly.z_threshold=2,3", "--out", "x.png"), "charts are SVG; name it x.svg"),
    (("score", "--out", "x.png"), "charts are SVG; name it x.svg"),
    (("what-if", "--set", "volume-anomly.z_threshold=3"), "did you mean volume-anomaly?"),
    (("what-if", "--sweep", "volume-anomaly.z_treshold=3,4"), "z_threshold"),
    (("what-if", "--preset", "default", "--set", "volume-anomaly.budget=0"), "must be above zero"),
    (("what-if", "--preset", "default", "--sweep", "volume-anomaly.budget=0,1"), "must be above zero"),
    (("what-if", "--set", "volume-anomaly.z_threshold=3", "--truth", "nowhere"), "there is no truth file"),
]


@pytest.mark.parametrize(("words", "said"), WRONG, ids=lambda value: value if isinstance(value, str) else None)
def test_mistakes_are_named_with_the_next_step(words: tuple[str, ...], said: str, run: Run, landed: Path) -> None:
    done = run(*words, "--home", landed)
    assert done.code == 2, done.err
    assert said in done.err
    assert "Traceback" not in done.err


def test_the_truth_of_another_market_is_refused_by_name(run: Run, landed: Path, other_truth: Path) -> None:
    for words in (("score",), ("what-if", "--sweep", "volume-anomaly.z_threshold=2,3")):
        done = run(*words, "--home", landed, "--truth", other_truth)
        assert done.code == 2
        assert "seed 8, character calm" in done.err
        assert "is about another market" in done.err


def test_a_truth_of_another_day_is_refused(run: Run, landed: Path, market_folder: Path, tmp_path: Path) -> None:
    text = (market_folder / "truth.json").read_text().replace("2025-03-04T", "2025-03-07T")
    (tmp_path / "late.json").write_text(text)
    done = run("score", "--home", landed, "--truth", "late.json")
    assert done.code == 2
    assert "its events are from 2025-03-07" in done.err


def test_a_home_without_trades_cannot_be_judged(run: Run, market_folder: Path) -> None:
    assert run("init", "--home", "empty").code == 0
    for words in (("score", "--truth", market_folder), ("what-if", "--set", "volume-anomaly.z_threshold=3")):
        done = run(*words, "--home", "empty", "--preset", "classic")
        assert done.code == 2, done.err
        assert "nothing has landed" in done.err
    document = json.loads((market_folder / "truth.json").read_text())
    assert document["seed"] == 7
