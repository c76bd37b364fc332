"""The Spark engine gives what the oracle says and the local engine gives, whatever happens to it on the way."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from coattail.alerts import Alert
from coattail.engines.engine import DrainProgress
from coattail.engines.local import LocalEngine
from coattail.engines.recompute import recompute
from coattail.engines.spark import SparkEngine, _as_ours
from coattail.errors import SparkError
from coattail.home import Home
from coattail.packing import Packer
from coattail.records import LANES, Record
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from tests.harness.crash_points import BATCH, DERIVED, Point, failing, label
from tests.harness.oracle import Expected, expected
from tests.harness.running import (
    DERIVED_ALWAYS,
    Killed,
    differences,
    drained,
    feed,
    found,
    landed,
    new_home,
    settings_of,
)
from tests.harness.scenes import at, evenly, market, spoiled, with_duplicates, with_gap_refilled

pytestmark = pytest.mark.usefixtures("spark")

SMALL: dict[str, object] = {**DERIVED_ALWAYS, "spark.batch_bytes": 1}
"""One batch per segment, derived tables after each."""
LARGE: dict[str, object] = {"spark.batch_bytes": "1 GiB"}


@pytest.fixture(scope="module")
def records() -> list[Record]:
    scene = with_gap_refilled(market(), "coinbase", at(50), at(52))
    return with_duplicates(spoiled(scene, seed=5), 0.02, seed=5)


@pytest.fixture(scope="module")
def truth(records: list[Record]) -> Expected:
    return expected(records)


def drained_by_spark(home: Home, overrides: dict[str, object]) -> None:
    with SparkEngine(home, settings_of(overrides)) as engine:
        engine.drain()


def fed(folder: Path, pieces: Sequence[Sequence[Record]]) -> Home:
    home = new_home(folder)
    feed(LocalStream(home.stream), pieces)
    return home


@pytest.mark.parametrize(("pieces", "overrides"), [(1, LARGE), (4, SMALL), (7, LARGE)])
def test_a_drain_gives_what_the_oracle_says(
    pieces: int, overrides: dict[str, object], records: list[Record], truth: Expected, tmp_path: Path
) -> None:
    home = fed(tmp_path, evenly(records, pieces))
    drained_by_spark(home, overrides)
    assert differences(truth, found(home)) == []


def test_the_live_loop_gives_the_same_and_tells_of_alerts_as_they_fire(
    records: list[Record], truth: Expected, tmp_path: Path
) -> None:
    home = new_home(tmp_path)
    stream, stop, seen = LocalStream(home.stream), threading.Event(), list[Alert]()
    live = {**SMALL, "engine.trigger": "20ms"}

    def play(engine: SparkEngine) -> None:
        feed(stream, evenly(records, 4))
        waited = threading.Event()
        for _ in range(12_000):
            if engine.totals.received >= len(records):
                break
            waited.wait(0.01)
        stop.set()

    with SparkEngine(home, settings_of(live), on_alerts=seen.extend) as engine:
        thread = threading.Thread(target=play, args=(engine,))
        thread.start()
        engine.run(stop)
        thread.join()
    actual = found(home)
    assert differences(truth, actual) == []
    assert {alert.alert_id for alert in seen} >= actual.alerts.keys()


def test_one_engine_goes_on_where_the_other_stopped_and_back(
    records: list[Record], truth: Expected, tmp_path: Path
) -> None:
    home = new_home(tmp_path)
    stream = LocalStream(home.stream)
    for piece, drain in zip(evenly(records, 4), (drained, drained_by_spark) * 2, strict=True):
        feed(stream, [piece])
        drain(home, SMALL)
    assert differences(truth, found(home)) == []


@pytest.mark.parametrize("preset", ["classic", "default"])
def test_both_engines_write_the_same_details_byte_for_byte(preset: str, records: list[Record], tmp_path: Path) -> None:
    local, spark = (fed(tmp_path / name, evenly(records, 2)) for name in ("local", "spark"))
    drained(local, {**SMALL, "preset": preset})
    drained_by_spark(spark, {**LARGE, "preset": preset})
    assert found(spark).texts == found(local).texts


def test_batch_on_spark_gives_what_batch_gives_and_what_was_streamed(
    records: list[Record], spark: Callable[[Home], Any], tmp_path: Path
) -> None:
    from coattail.engines.spark_batch import facts_by

    home = landed(tmp_path, evenly(records, 3), SMALL)
    lake = Lake(embedded(home.path), writable=False)
    here = recompute(lake, settings_of({}))
    there = recompute(lake, settings_of({}), facts_of=facts_by(spark(home)))
    lake.close()
    assert there.bars.equals(here.bars)
    assert there.orders.equals(here.orders)
    assert there.alerts == here.alerts
    assert {alert.alert_id for alert in there.alerts} == found(home).alerts.keys()


def test_a_run_that_is_stopped_between_two_batches_leaves_the_rest_for_the_next(
    records: list[Record], truth: Expected, tmp_path: Path
) -> None:
    home = fed(tmp_path, evenly(records, 4))

    def enough(at: DrainProgress) -> None:
        raise Killed

    with pytest.raises(Killed), SparkEngine(home, settings_of(SMALL)) as engine:
        engine.drain(enough)
    lake = Lake(embedded(home.path))
    committed = lake.newest("raw_trades")
    lake.close()
    assert committed is not None
    assert committed.sequence == 1
    drained_by_spark(home, LARGE)
    assert differences(truth, found(home)) == []


@pytest.mark.parametrize("after", [False, True], ids=label)
@pytest.mark.parametrize("point", [*BATCH[1:3], DERIVED[0], DERIVED[5]], ids=label)
def test_a_run_that_dies_around_a_commit_is_neither_lost_nor_doubled(
    point: Point, after: bool, records: list[Record], truth: Expected, tmp_path: Path
) -> None:
    home = fed(tmp_path, evenly(records, 3))
    with pytest.MonkeyPatch.context() as patch:
        if point[1] == "write":  # here the tasks write
            point = (SparkEngine, "_take", None)
        fired = failing(point, nth=2, after=after, patch=patch)
        with pytest.raises(Killed):
            drained_by_spark(home, SMALL)
    assert fired, "the failpoint was never met"
    drained_by_spark(home, SMALL)
    assert differences(truth, found(home)) == []


def test_whatever_is_left_of_a_checkpoint_makes_no_difference(
    records: list[Record], truth: Expected, tmp_path: Path
) -> None:
    """A run that died leaves its checkpoint: the newest commit lost, a file cut short, or one of another version."""
    home = new_home(tmp_path)
    stream = LocalStream(home.stream)
    for number, piece in enumerate(evenly(records, 4)):
        feed(stream, [piece])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SparkEngine, "_forget_checkpoint", lambda engine: None)
            kept = tmp_path / "kept"
            if number == 0:
                drained_by_spark(home, SMALL)
                shutil.copytree(home.checkpoint, kept)
                assert [p.name for p in sorted((kept / "commits").glob("[0-9]*"))]
        shutil.rmtree(home.checkpoint, ignore_errors=True)
        if number > 0:
            shutil.copytree(kept, home.checkpoint)
            newest = max((home.checkpoint / "commits").glob("[0-9]*"), key=lambda path: int(path.name))
            if number == 1:
                newest.unlink()
            elif number == 2:
                newest.write_bytes(newest.read_bytes()[:3])
            else:
                (home.checkpoint / "offsets" / newest.name).write_text("v99\n{}\n")
            drained_by_spark(home, SMALL)
    assert differences(truth, found(home)) == []


def test_an_instrument_in_lanes_that_are_not_its_own_lands_once(records: list[Record], tmp_path: Path) -> None:
    """A stranger wrote valid packs: the same trades once more, under other lanes."""
    home = new_home(tmp_path)
    packer = Packer()
    for record in records:
        packer.add(record)
    packs = packer.take()
    LocalStream(home.stream).append([*packs, *(((lane + 7) % LANES, data) for lane, data in packs)])
    drained_by_spark(home, LARGE)
    assert differences(expected([*records, *records]), found(home)) == []


def test_a_reader_that_fails_ends_the_run_with_its_own_sentence(records: list[Record], tmp_path: Path) -> None:
    home = fed(tmp_path, evenly(records, 3))
    damaged = home.stream / "segments" / f"{2:012d}.seg"
    damaged.write_bytes(b"not a segment")
    with pytest.raises(SparkError, match=r"segment .* is damaged"):
        drained_by_spark(home, SMALL)
    lake = Lake(embedded(home.path))
    committed = lake.newest("raw_trades")
    lake.close()
    assert committed is not None
    assert committed.sequence == 1, "what could be read has landed"


def test_a_task_that_fails_ends_the_run_in_one_sentence(records: list[Record], tmp_path: Path) -> None:
    home = fed(tmp_path, evenly(records, 1))
    folder = home.path / "warehouse" / "coattail" / "raw_trades"
    folder.mkdir(parents=True)
    (folder / "data").write_text("where a folder should be")
    with pytest.raises(SparkError, match=r"^Spark gave up \((FileExists|NotADirectory)Error: .*data") as caught:
        drained_by_spark(home, LARGE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("said", ["OSError: [Errno 28] No space left on device", "java.io.IOException: File too large"])
def test_a_full_disk_is_named_wherever_spark_met_it(said: str) -> None:
    words = f"\n  An exception was thrown.\nTraceback (most recent call last):\n  File\n{said}\n"
    assert str(_as_ours(Exception(words))).startswith("Spark gave up (the disk is full)")


def test_only_one_engine_runs_on_a_home(tmp_path: Path) -> None:
    from coattail.errors import HomeError

    home = new_home(tmp_path)
    with LocalEngine(home, settings_of({})), pytest.raises(HomeError, match="already runs"):
        SparkEngine(home, settings_of({})).__enter__()
