"""Four pumps that were announced, in the trades that were recorded around them, by the lists that others published."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from coattail.config import load_settings
from coattail.landing import Checks
from coattail.recordings import RowHints
from coattail.recordings.chosen import choose
from coattail.scoring.announced import Why, announced
from coattail.scoring.labels import read_labels
from coattail.scoring.recorded import Recorded, together
from coattail.scoring.reduced import reduced
from coattail.scoring.scorecard import of_preset
from coattail.workspace.documents import plain
from coattail.workspace.questions.recorded import score_recorded
from tools.recorded_page import KEPT

COLUMNS = {"time": "timestamp", "price": "price", "quantity": "amount", "side": "side", "symbol": "symbol"}
HINTS = RowHints(columns=COLUMNS, make_ids=True)
ANNOUNCED = {
    "AST": "2018-09-07 15:30",
    "BRD": "2018-11-13 17:00",
    "DLT": "2018-08-23 16:00",
    "STORJ": "2019-08-10 20:00",
}
LISTS = {"pump_telegram.csv": (1110, 4, 0), "label_5S.csv": (317, 4, 15), "pumps_b0r0koko.json": (498, 3, 0)}
"""List -> its labels, how many of the four it names, and how far from the announced minute (s)."""


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="session")
def markets(recordings: Path, kept: Path) -> list[Recorded]:
    paths = sorted((recordings / "pump-trades").glob("*.csv.gz"))
    found = reduced(choose(paths, exchange="binance", hints=HINTS), Checks(), cache=kept)
    assert found.counts.trades == 158_488
    assert not found.counts.rejected
    return [market for group in together(found) for market in group.markets]


@pytest.mark.parametrize("name", LISTS)
def test_every_list_is_read_as_it_is(name: str, markets: list[Recorded], recordings: Path) -> None:
    labels, named, off = LISTS[name]
    file = read_labels(recordings / "pump-labels" / name)
    assert (len(file.labels), len(file.unreadable)) == (labels, 0)
    found = announced(file.labels, markets)
    judged = {event.markets[0].symbol.split("-")[0]: event.start for event in found.events}
    assert len(judged) == len(found.events) == named
    for coin, at in judged.items():
        announcement = datetime.strptime(f"{ANNOUNCED[coin]}+0000", "%Y-%m-%d %H:%M%z")
        assert abs((at - announcement).total_seconds()) <= off, coin
    assert sum(map(len, found.left.values())) + sum(len(event.rows) for event in found.events) == labels
    assert set(found.left) <= {Why.NO_MARKET, Why.OTHER_VENUE, Why.OUTSIDE, Why.WARM_UP}


def test_classic_finds_every_pump_within_a_minute_among_many_alarms(recordings: Path, kept: Path) -> None:
    chosen = choose([recordings / "pump-trades"], exchange="binance", hints=HINTS)
    labels = recordings / "pump-labels" / "pump_telegram.csv"
    scored = score_recorded(chosen, labels, load_settings(None), {"classic": of_preset("classic")}, cache=kept)
    written = json.loads(KEPT.read_text())["score"]
    measured = plain(scored.document)
    assert measured["recordings"] == written["recordings"], "the page was written from these files"
    assert measured["labels"] == written["labels"]
    assert measured["presets"]["classic"] == written["presets"]["classic"], "and says what comes out: make pumps"
    card = scored.document.presets["classic"]["volume-anomaly"]["volume_spike"]
    assert card.announced is not None
    assert [one.first_s for one in card.announced.each] == [60.0] * 4
    assert card.announced.found.low == pytest.approx(0.4729, abs=1e-3)
    assert 40 < (card.per_market_day.alerts.value or 0) < 60
