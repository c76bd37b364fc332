"""The sections about recorded pumps and quiet markets: in step with what was kept, and counted by hand where small."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest

from coattail.detectors import DETECTORS
from coattail.market import THIN
from coattail.scoring.labels import read_labels
from coattail.scoring.stationary import stationary
from coattail.workspace.documents.recorded import RecordedDocument
from tests.harness.rows import lines, written
from tools.evidence_page import filled
from tools.label_lists import lists_compared
from tools.recorded_page import COMMAND, KEPT, PACES, places, quiet

PAGE = Path(__file__).parents[3] / "docs" / "EVIDENCE.md"


def test_the_page_says_what_was_kept() -> None:
    page = PAGE.read_text()
    for name, table in places(json.loads(KEPT.read_text())).items():
        assert filled(page, name, table) == page, f"write {name} again: make pumps"


def test_what_was_kept_is_a_document_of_the_command_and_says_what_it_came_from() -> None:
    kept = json.loads(KEPT.read_text())
    document = msgspec.convert(kept["score"], RecordedDocument)
    assert kept["command"] == COMMAND
    assert [len(file.sha256) for file in document.recordings] == [64] * 4
    assert document.labels.file in kept["lists"]["sha256"]
    assert {preset: set(modules) for preset, modules in document.presets.items()} == {
        preset: set(modules) for preset, modules in DETECTORS.items()
    }
    assert set(kept["quiet"]["characters"]) == {character.name for character in PACES}


def test_lists_are_compared_by_the_events_they_share(tmp_path: Path) -> None:
    one = lines(
        "symbol,exchange,time", "BRD,binance,2018-11-13T17:00", "BRD,binance,2018-11-13T17:05",
        "AST,yobit,2018-11-13T17:07",
        "DLT,binance,2018-11-14T17:15",
    )  # fmt: skip
    other = lines("symbol,time", "BRD,2018-11-13T17:00:20", "DLT,2018-11-14T17:14:00", "DLT,2018-11-15T17:15:00")
    files = [read_labels(written(tmp_path / name, text)) for name, text in (("one.csv", one), ("other.csv", other))]
    found = lists_compared(files)
    assert [(x["labels"], x["events"], x["public"]) for x in found["lists"]] == [(4, 3, 2), (3, 3, 3)]
    assert found["lists"][0]["exchanges"] == {"binance": 2, "yobit": 1}
    assert [x["whole_minutes"] for x in found["lists"]] == [1.0, 0.6667]
    assert [x["whole_quarters"] for x in found["lists"]] == [0.6667, 0.3333]
    (pair,) = found["pairs"]
    assert (pair["events"], pair["median_s"], pair["p90_s"], pair["within_60_s"]) == (2, 40.0, 60.0, 1.0)
    assert found["public"] == 3, "BRD and two of DLT"


def test_no_minute_of_a_quiet_market_is_missing() -> None:
    group = stationary(THIN, seed=5, days=2, warm_up=timedelta(days=1))
    scored = DETECTORS["classic"]["volume-anomaly"]().score(group.evidence.facts())
    whole = scored.filter(pl.col("state") != "partial").height
    assert 2 * 1440 - 30 < whole <= 2 * 1440, "but for those before the first trade and after the last"
    assert group.evidence.until - group.evidence.since == timedelta(days=2)


def test_quiet_markets_of_every_pace_stand_beside_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.recorded_page.PACES", (THIN,))
    found = quiet(2, [5])["characters"]["thin"]
    assert 0.2 < found["trades_a_minute"] < 0.8
    card = found["cards"]["volume_spike"]
    assert card["quiet_days"] == 2.0
    assert card["budget"] == DETECTORS["default"]["volume-anomaly"]().budget  # type: ignore[attr-defined]
    assert card["announced"]["events"] == 0
