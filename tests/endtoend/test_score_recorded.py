"""`coattail score --recorded`, as people use it: a thin market of three days, and a pump that was announced."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coattail.alerts import DISCLAIMER
from tests.harness.commands import Done
from tests.harness.documented import keys
from tests.harness.rows import MS, lines, written

Run = Callable[..., Done]

PAGE = (Path(__file__).parents[2] / "docs" / "CLI.md").read_text()
MINUTES = 3 * 1440
PUMP = 2 * 1440 + 600
"""Minute of the pump: 2024-08-10 10:00."""
READ = (
    "--exchange", "binance", "--make-ids", "--columns",
    "time=timestamp,price=price,quantity=amount,side=side,symbol=symbol",
)  # fmt: skip
LABELS = lines(
    "symbol,group,date,hour,exchange",
    "BRD,BPG,2024-08-10,10:00,binance",
    "BRD,BPF,2024-08-10,10:01,binance",
    "AST,BPG,2024-08-10,10:00,binance",
    "BRD,BPG,2024-08-10,10:00,yobit",
    "BRD,BPG,2024-09-10,10:00,binance",
    "BRD,BPG,2024-08-10,noon,binance",
)


def documented() -> Any:
    found = re.search(r"### Recorded trades with announced events\n.*?```json\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return json.loads(found[1])


def market(symbol: str, seed: int) -> Iterator[str]:
    """Two trades a minute, and 600 in the minute of the pump."""
    drawn = random.Random(seed)
    for minute in range(MINUTES):
        for ms in sorted(drawn.randrange(60_000) for _ in range(600 if minute == PUMP else 2)):
            yield f"{symbol},{MS + minute * 60_000 + ms},buy,1.4e-05,{drawn.uniform(50, 400):.1f}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trades")
    written(path / "BRD.csv.gz", lines("symbol,timestamp,side,price,amount", *market("BRD/BTC", 1)))
    written(path / "labels.csv", LABELS)
    return path


def score(run: Run, folder: Path, *more: object) -> Done:
    return run(
        "score", "--recorded", folder / "BRD.csv.gz", "--labels", folder / "labels.csv", "--warm-up", 1, *READ,
        "--cache", "kept", *more,
    )  # fmt: skip


def test_an_announced_event_is_found_on_recorded_trades(run: Run, folder: Path) -> None:
    done = score(run, folder)
    assert (done.code, done.err) == (0, "")
    for said in (
        "9,238 trades of 1 market", "2 of 6 labels of labels.csv name 1 event",
        "1 not: no trades of its market (row 3",
        "1 not: its market was recorded at another exchange (row 4", "1 not: outside of the recorded time",
        "1 not: cannot be read (row 6: time is '2024-08-10 noon'", "binance BRD-BTC  2024-08-10 10:00:00Z  classic",
        DISCLAIMER,
    ):  # fmt: skip
        assert said in done.out


def test_the_document_is_the_one_of_the_page(run: Run, folder: Path) -> None:
    found = score(run, folder, "--json").json
    assert set(keys(found)) - set(keys(documented())) == {
        f"presets.{name}" for name in sorted(_free(found["presets"]) - _free(documented()["presets"]))
    } | {"labels.columns.exchange"}
    card = found["presets"]["classic"]["volume-anomaly"]["volume_spike"]
    assert card["announced"]["each"][0]["labels"] == [1, 2]
    assert 0 < card["announced"]["each"][0]["first_s"] <= 60
    assert card["announced"]["each"][0]["severity_highest"] == "critical"
    assert card["quiet_days"] == 1.0
    again = score(run, folder, "--json").json
    assert again == found, "from the cache it is the same"
    assert set(score(run, folder, "--json", "--preset", "classic").json["presets"]) == {"classic"}


def _free(presets: dict[str, Any]) -> set[str]:
    """Dotted keys of what depends on presets, modules and types of alerts."""
    return set(keys(presets))


WRONG = [
    (("score", "--recorded", "{}/BRD.csv.gz"), "labels say nothing without recordings; give --labels, too"),
    (("score", "--labels", "{}/labels.csv"), "give --recorded, too"),
    (("score", "--recorded", "x", "--labels", "y", "--seed", "7"), "--seed is about simulated markets"),
    (("score", "--recorded", "x", "--labels", "y", "--days", "7", "--curves"), "--days, --curves are about"),
    (("score", "--make-ids", "--symbol", "A-B"), "--symbol, --make-ids are about recordings (--recorded)"),
    (("score", "--recorded", "{}", "--labels", "{}/labels.csv"), "say what they are: --columns time="),
    (("score", "--recorded", "{}/BRD.csv.gz", "--labels", "{}/labels.csv", *READ), "longer than the 7d"),
    (("score", "--recorded", "{}/BRD.csv.gz", "--labels", "nowhere", *READ), "the labels nowhere cannot be read"),
    (("score", "--recorded", "{}/BRD.csv.gz", "--labels", "{}/labels.csv", "--within", "soon"), "--within 'soon'"),
    (
        ("score", "--recorded", "{}/BRD.csv.gz", "--labels", "{}/labels.csv", "--label-columns", "time=day", *READ),
        "labels.csv has no column day; the columns there are: symbol, group, date, hour, exchange",
    ),
    (
        ("score", "--recorded", "{}/BRD.csv.gz", "--labels", "{}/labels.csv", "--label-columns", "time", *READ),
        "--label-columns 'time' is not a list of FIELD=COLUMN",
    ),
    (
        ("score", "--recorded", "{}/BRD.csv.gz", "--labels", "{}/other.csv", "--warm-up", "1", *READ),
        "none of the 2 labels of {}/other.csv names an event of the 1 recorded market; nearest: 1 in the days that "
        "are only learned from (row 2: BRD at 2024-08-08 10:00:00); give a shorter --warm-up",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("words", "said"), WRONG, ids=[said for _, said in WRONG])
def test_mistakes_are_named_with_the_next_step(words: tuple[str, ...], said: str, run: Run, folder: Path) -> None:
    written(folder / "other.csv", lines("symbol,time", "AST,2024-08-10T10:00", "BRD,2024-08-08T10:00"))
    done = run(*(word.format(folder) for word in words))
    assert done.code == 2, (done.out, done.err)
    assert said.format(folder) in done.err
    assert "Traceback" not in done.err


def test_a_folder_is_read_without_what_is_no_recording(run: Run, folder: Path) -> None:
    done = run(
        "score", "--recorded", folder, "--labels", folder / "labels.csv", "--warm-up", 1, "--preset", "classic", *READ
    )
    assert done.code == 0, done.err
    assert "skipped: " in done.out
    assert "labels.csv" in done.out
