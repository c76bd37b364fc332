"""A scorecard, its curves and its charts, of one small market."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from coattail.config import PRESETS
from coattail.scoring.charts import Curve, Panel, curves_chart
from coattail.scoring.curves import SWEEPS, compared
from tools.heat import Heat, heat_chart

pytestmark = pytest.mark.slow


def test_a_scorecard_covers_every_kind_and_says_what_it_does_not(found: dict[str, Any]) -> None:
    cards = found["scorecard"]
    assert set(cards["presets"]) == set(PRESETS)
    assert {kind for modules in cards["presets"]["default"].values() for kind in modules} == {
        "burst", "drought", "stall", "whale", "spread", "runaway", "depeg",
    }  # fmt: skip
    assert cards["without_detector"]["classic"] == ["stall", "runaway", "depeg"]
    assert set(cards["not_covered"]) == {"wash", "side_flip"}
    json.dumps(cards, default=str)


def test_a_detector_beats_as_many_alarms_at_random(found: dict[str, Any]) -> None:
    for preset, modules in found["scorecard"]["presets"].items():
        for cards in modules.values():
            for kind, card in cards.items():
                if kind in ("burst", "whale", "spread"):
                    assert card["recall"]["value"] > card["chance"]["recall"], (preset, kind)


def test_a_swept_threshold_gives_a_curve(found: dict[str, Any]) -> None:
    points = found["curves"]["burst"]["classic"]
    assert len(points) == len(SWEEPS["classic", "volume-anomaly"]["z_threshold"])
    assert points == sorted(points, key=lambda p: (p["false_per_market_day"], p["recall"]))
    lowest = min(points, key=lambda p: p["value"])
    assert lowest["recall"] == max(p["recall"] for p in points)
    assert compared(found["curves"])["burst"]


def test_names_from_outside_do_not_become_markup() -> None:
    evil = '<script>"&'
    svgs = [
        curves_chart(evil, [Panel(evil, [Curve(evil, [(0, 0.1), (2, 0.5)], (2, 0.5))])], x_name=evil, alt=evil),
        heat_chart(evil, [Heat(evil, [evil], [evil], {(evil, evil): (0.4, 3)})], alt=evil),
    ]
    for svg in svgs:
        ElementTree.fromstring(svg)
        assert "<script>" not in svg
