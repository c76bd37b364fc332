"""How many requests of S3 and Glue a commit takes: what an estimate of their cost goes by is what an engine asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from coattail.aws.costs.streams import GETS_A_COMMIT, GLUE_A_COMMIT, PUTS_A_COMMIT
from coattail.engines.local import LocalEngine
from coattail.streams.local import LocalStream
from tests.harness.aws_place import lake_there
from tests.harness.emulator import INSTALLED
from tests.harness.faulty_front import Faults, faulty
from tests.harness.running import EVERY_SEGMENT, feed, new_home, settings_of
from tests.harness.scenes import evenly, market

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INSTALLED, reason="the emulator of AWS is not installed: coattail[dev,aws]"),
]


def test_an_engine_asks_as_much_as_its_estimate_says(service: str, tmp_path: Path) -> None:
    """Within a quarter of what was measured of a larger market in seven minutes."""
    faults, home = Faults(1, share=0.0), new_home(tmp_path)
    first, *others = evenly(market()[:4_000], 4)
    with faulty(service, faults) as front:
        settings = settings_of({**EVERY_SEGMENT, "lake": lake_there("asked", service, at=front)})
        with LocalEngine(home, settings) as engine:
            for pieces in ([first], others):
                faults.asked.clear()  # of the first, which makes the tables
                feed(LocalStream(home.stream), pieces)
                engine.drain()
                engine.commit_derived()
    asked = faults.asked
    commits = asked["AWSGlue.UpdateTable"]
    puts = (asked["PUT"] + asked["LIST"]) / commits
    gets = (asked["GET"] - asked["LIST"] + asked["HEAD"]) / commits
    glue = sum(count for name, count in asked.items() if name.startswith("AWSGlue")) / commits
    assert puts == pytest.approx(PUTS_A_COMMIT, rel=0.25)
    assert gets == pytest.approx(GETS_A_COMMIT, rel=0.25)
    assert glue == pytest.approx(GLUE_A_COMMIT, rel=0.25)
