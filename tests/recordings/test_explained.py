"""Every alert of the recordings is a claim that can be checked: computed again from the tables, it comes out again."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coattail.config import load_settings
from coattail.engines.explain import REPRODUCED, Explainer
from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.producer.replay import replay
from coattail.stores.catalog import embedded
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream

FILES = (
    "spot_btcusdt_20240808.gz",
    "spot_ethusdt_20240808.gz",
    "usdm_btcusdt_20240808.gz",
    "cm_btcusd_perp_20240808.gz",
)


@pytest.mark.parametrize("preset", ["classic", "default"])
def test_every_alert_of_a_recording_is_reproduced(preset: str, recordings: Path, tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home", create=True)
    replay([recordings / "binance-ws" / name for name in FILES], LocalStream(home.stream))
    settings = load_settings(home, preset=preset)
    with LocalEngine(home, settings) as engine:
        engine.drain()
    lake = Lake(embedded(home.path), writable=False)
    hot = SqliteHotStore(home.hot_db, writable=False)
    explainer = Explainer(lake, hot, settings, now=datetime.now(UTC))
    found = Counter(explainer.explain(identity).verdict for identity in explainer.ids())
    hot.close()
    lake.close()
    assert found.total() > 20
    assert set(found) == {REPRODUCED}
