import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coattail.cli.app import Session

Run = Callable[..., Any]


def rows(done: Any) -> dict[str, tuple[object, str]]:
    return {row["key"]: (row["value"], row["source"]) for row in json.loads(done.out)["settings"]}


def test_config_show_lists_key_value_and_source_without_colour_or_cut(coattail: Run) -> None:
    done = coattail("config", "show")
    lines = done.out.splitlines()
    assert done.code == 0
    assert lines[0].split() == ["key", "value", "from"]
    assert "time.lateness                   10s" in done.out
    assert "volume-anomaly, whale-detector, spread-calculator" in done.out
    assert "\x1b" not in done.out
    assert "…" not in done.out
    assert all(line == line.rstrip() for line in lines)


def test_config_show_as_json_keeps_types(coattail: Run, tmp_path: Path) -> None:
    done = coattail("config", "show", "--json")
    assert json.loads(done.out)["home"] == str(tmp_path / ".coattail")
    assert rows(done)["engine.keep_snapshots"] == (20, "package defaults")
    assert rows(done)["quality.symbols"] == (None, "package defaults")
    assert rows(done)["quality.earliest"] == ("2009-01-03", "package defaults")


@pytest.mark.parametrize("place", ["before", "between", "after"])
def test_global_options_stand_anywhere(coattail: Run, tmp_path: Path, place: str) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("time: {lateness: 7s}\n")
    options = ("--config", mine, "--home", tmp_path / "h")
    arguments = {
        "before": (*options, "config", "show", "--json"),
        "between": ("config", *options, "show", "--json"),
        "after": ("config", "show", "--json", *options),
    }[place]
    done = coattail(*arguments)
    assert rows(done)["time.lateness"] == ("7s", str(mine))
    assert json.loads(done.out)["home"] == str(tmp_path / "h")


def test_the_option_after_the_command_beats_the_one_before(coattail: Run, tmp_path: Path) -> None:
    done = coattail("--home", tmp_path / "a", "config", "show", "--json", "--home", tmp_path / "b")
    assert json.loads(done.out)["home"] == str(tmp_path / "b")


def test_a_mistake_in_the_homes_settings_is_one_sentence(coattail: Run, tmp_path: Path) -> None:
    (tmp_path / ".coattail").mkdir()
    (tmp_path / ".coattail" / "coattail.yaml").write_text("time: {latness: 7s}\n")
    done = coattail("config", "show")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: unknown setting time.latness = '7s' in ")


def test_a_place_and_single_settings_override_in_their_order(coattail: Run, tmp_path: Path) -> None:
    home = tmp_path / ".coattail"
    home.mkdir()
    (home / "aws.yaml").write_text("stream: {retention: 2h}\nlake: {s3.region: eu-central-1}\n")
    options = ("--setting", "engine.trigger=5s", "--place", "aws", "--setting", "lake.glue.region=eu-west-1")
    shown = rows(coattail("config", "show", "--json", *options, "--setting", "engine.trigger=6s"))
    assert shown["stream.retention"] == ("2h", str(home / "aws.yaml"))
    assert (shown["lake.s3.region"][0], shown["lake.glue.region"]) == ("eu-central-1", ("eu-west-1", "flag"))
    assert shown["engine.trigger"] == ("6s", "flag")


def test_a_part_of_a_run_is_told_the_place_and_the_single_settings(coattail: Run, tmp_path: Path) -> None:
    home = tmp_path / ".coattail"
    home.mkdir()
    (home / "aws.yaml").write_text("stream: {retention: 2h}\n")
    single = {"engine.trigger": "5s", "quality.symbols": ["BTC-USD"], "lake.s3.region": "eu-central-1"}
    flags = Session(home_option=home, place_option="aws", single=dict(single)).flags(home)
    shown = rows(coattail("config", "show", "--json", *flags))
    assert {key: shown[key][0] for key in (*single, "stream.retention")} == {**single, "stream.retention": "2h"}


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--place", "awz"), 2, "there is no place 'awz'; did you mean aws?"),
        (("--place", "aws"), 1, "aws.yaml is not there"),
        (("--setting", "engine.trigger"), 2, "--setting 'engine.trigger' gives no value"),
        (("--setting", "engine.trigger={"), 2, "the value cannot be read"),
        (("--setting", "engine.triger=5s"), 2, "did you mean engine.trigger?"),
    ],
)
def test_a_place_or_setting_that_is_none_is_refused(
    coattail: Run, options: tuple[str, ...], code: int, said: str
) -> None:
    refused = coattail("config", "show", *options)
    assert (refused.code, said in refused.err) == (code, True), refused.err


@pytest.mark.parametrize("flag", ["--preset", "--tier"])
def test_a_mistake_in_a_flag_is_one_in_the_command(coattail: Run, flag: str) -> None:
    done = coattail("config", "show", flag, "nope")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: unknown {flag.removeprefix('--')} 'nope' ({flag}); ")


@pytest.mark.parametrize("text", ["detectors: {whale: {}}", "detectors: {whale: {medium: 1}}", "detectors: {whale: }"])
def test_a_detector_that_does_not_exist_is_refused_with_the_nearest(coattail: Run, tmp_path: Path, text: str) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(text + "\n")
    done = coattail("config", "show", "--config", mine)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: unknown detector 'whale' in {mine}; did you mean whale-detector? known: ")
    (tmp_path / ".coattail").mkdir()
    mine.rename(tmp_path / ".coattail" / "coattail.yaml")
    found = json.loads(coattail("doctor", "--json").out)["findings"]
    assert next(f["state"] for f in found if f["name"] == "settings") == "broken"
