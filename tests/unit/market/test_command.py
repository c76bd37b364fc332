"""`coattail simulate`: characters and plans."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coattail.cli import main
from coattail.market import identity_of

pytestmark = pytest.mark.slow


def simulate(folder: Path, *options: str) -> int:
    return main(["simulate", "--out", str(folder), "--json", *options])


def test_a_lively_market_says_how_many_whales_are_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(tmp_path, "--hours", "1.5", "--character", "lively", "--plan", "none") == 0
    printed = json.loads(capsys.readouterr().out)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert printed["planted"] == {}
    assert printed["natural_whales"] == len(truth["events"]) > 0
    assert (
        truth["character"] == printed["character"] == "lively" == identity_of(tmp_path / "truth.parquet")["character"]
    )


@pytest.mark.slow
def test_the_evidence_plants_every_kind_after_six_hours_and_refills_in_a_recording_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "binance-1.frames.zst").write_bytes(b"of a market written here before")
    assert simulate(tmp_path, "--hours", "20", "--rate", "0.02", "--plan", "evidence") == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"burst", "whale", "gap", "refilled_gap", "stall"} <= set(printed["planted"])
    refills = {path.name.removesuffix(".frames.zst") for path in tmp_path.glob("*-1.frames.zst")}
    assert refills == set(printed["recordings"]) - {"binance", "coinbase"} != set()
    assert (tmp_path / "binance-1.frames.zst").exists() == ("binance-1" in refills)


@pytest.mark.parametrize("options", [("--character", "wild"), ("--plan", "everything")])
def test_an_unknown_character_or_plan_is_refused(
    options: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(tmp_path / "new", *options) == 2
    assert "known: " in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_thin_market_with_a_crash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--hours", "8", "--seed", "27", "--character", "thin", "--rate", "0.2", "--plan", "crashes")
    assert simulate(tmp_path, *options) == 0
    assert {"crash", "lag", "spread"} <= set(json.loads(capsys.readouterr().out)["planted"])
    assert identity_of(tmp_path / "truth.parquet")["character"] == "thin"
