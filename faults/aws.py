"""The stores on emulated AWS under experiments of a home, R1, R2, R4 and R10, and R8, which is DynamoDB's own.

The emulator is ministack on loopback, one for each run; how far it is like AWS, docs/AWS.md says.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest

from coattail.alerts import Alert
from coattail.batch.maintenance import maintain
from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.records import Record
from coattail.stores.dlq_bucket import BucketDeadLetters
from coattail.stores.dynamo import DynamoTable
from coattail.stores.hot_dynamo import DynamoHotStore
from coattail.stores.lake import Lake
from coattail.stores.opening import open_hot
from coattail.streams.opening import open_stream
from faults.experiment import Control, Experiment, LeftOut, Outcome, Task
from faults.seeds import rearranged
from tests.harness import killing
from tests.harness.aws_place import hot_there, place_there
from tests.harness.crash_points import Point, failing, label
from tests.harness.emulator import CREDENTIALS, INSTALLED, emulator
from tests.harness.faulty_front import Faults, faulty
from tests.harness.oracle import Expected, expected
from tests.harness.running import Killed, differences, feed, found, new_home, settings_of
from tests.harness.scenes import evenly, market, spoiled, with_duplicates

AWS = ("aws",)
_SMALL: dict[str, object] = {"engine.batch_bytes": 1, "engine.keep_snapshots": 10_000}
_DERIVED_ALWAYS: dict[str, object] = {**_SMALL, "engine.derived_commit_every": "0s"}
_TABLES = ("bars", "anomaly_alerts", "coverage")
_places = itertools.count(1)


@contextmanager
def service() -> Iterator[str]:
    """An emulator of its own.

    Raises: LeftOut: If it is not installed.
    """
    if not INSTALLED:
        raise LeftOut("the emulate extra is not installed")
    with mock.patch.dict(os.environ, CREDENTIALS), emulator() as address:
        yield address


class There:
    """A home whose stores are a new place of the service, and what feeds and reads it."""

    def __init__(self, address: str, folder: Path, *, at: str | None = None, **more: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.home: Home = new_home(folder)
        self.overrides = {**_SMALL, **place_there(f"place{next(_places)}", address, at=at), **more}

    def feed(self, pieces: Sequence[Sequence[Record]]) -> None:
        feed(open_stream(str(self.overrides["stream.url"]), self.home.stream), pieces)

    def engine(self, more: Mapping[str, object] = {}) -> LocalEngine:
        return LocalEngine(self.home, settings_of({**self.overrides, **more}))

    def drained(self, more: Mapping[str, object] = {}) -> None:
        with self.engine(more) as engine:
            engine.drain()

    def differs(self, wanted: Expected, *, counts: bool = True) -> list[str]:
        return differences(wanted, found(self.home, settings_of(self.overrides)), counts=counts)


def _scene(seed: int) -> list[Record]:
    return with_duplicates(spoiled(market(), seed=seed), 0.02, seed=seed)


# -- R1 ----------------------------------------------------------------------------------------------------------


def killed(task: Task) -> Outcome:
    """Kill engines on the place, and see what is left."""
    task.folder.mkdir(exist_ok=True)
    kills = task.size["aws_kills"]
    with service() as address:
        place = place_there("kills", address)
        calm = {"engine.batch_bytes": "16 KiB", "engine.derived_commit_every": "1s"}
        done = killing.killed_again_and_again(task.folder, kills=kills, seed=task.seed, place={**place, **calm})
    wrong, slowest = list(done.differences), max(done.recovery_s)
    if slowest > 30:
        wrong.append(f"a restart took {slowest:.1f} s")
    figures: dict[str, object] = {"lost": 0, "doubled": 0, "alerts changed": 0} if not wrong else {"wrong": len(wrong)}
    return Outcome(f"{kills} kills", {**figures, "slowest restart": f"{slowest:.1f} s"}, wrong)


# -- R2 ----------------------------------------------------------------------------------------------------------

_POINTS: tuple[Point, ...] = (
    (BucketDeadLetters, "write", None),
    (Lake, "write", "raw_trades"),
    (Lake, "commit", "raw_trades"),
    (DynamoHotStore, "put_alerts", None),
    *((Lake, "commit", table) for table in _TABLES),
)


def crashed(task: Task) -> Outcome:
    """Every step of a batch and some of a derived commit fail, just before and just after."""
    records = _scene(task.seed)
    wanted, wrong = expected(records), list[str]()
    points = [(point, after) for point in _POINTS for after in (False, True)][:: task.size.get("every", 1)]
    with service() as address:
        for number, (point, after) in enumerate(points, 1):
            where = f"{'after' if after else 'before'} {label(point)}"
            there = There(address, task.folder / f"{number}")
            there.feed(evenly(records, 3))
            with pytest.MonkeyPatch.context() as patch:
                fired = failing(point, nth=1 if point[1] == "put_alerts" else 2, after=after, patch=patch)
                with suppress(Killed):
                    there.drained(_DERIVED_ALWAYS)
            wrong += [] if fired else [f"{where}: never met"]
            there.drained()
            wrong += [f"{where}: {line}" for line in there.differs(wanted)]
            task.say(f"{number} of {len(points)} points, {len(wrong)} differences")
    held = len(points) - len({line.split(":")[0] for line in wrong})
    return Outcome(f"{len(points)} crash points", {"exactly as the oracle says": held}, wrong)


# -- R4 ----------------------------------------------------------------------------------------------------------


def recut(task: Task) -> Outcome:
    """The same input in other interleavings and batches, each time through a stream of its own."""
    records, wrong = _scene(task.seed), list[str]()
    wanted = expected(records)
    with service() as address:
        for number in range(task.size["aws_examples"]):
            chance = random.Random(task.seed + number)
            size = chance.choice((1, 20_000, 1 << 20))
            there = There(address, task.folder / f"{number}", **{"engine.batch_bytes": size})
            there.feed(rearranged(records, chance))
            there.drained()
            wrong += [f"example {number}: {line}" for line in there.differs(wanted, counts=False)]
            task.say(f"{number + 1} of {task.size['aws_examples']} examples, {len(wrong)} differences")
    return Outcome(f"{task.size['aws_examples']} examples", {"differences": len(wrong)}, wrong)


# -- R8 ----------------------------------------------------------------------------------------------------------


def run_r8(task: Task) -> Outcome:
    """Half of all requests to DynamoDB throttled, failed or without an answer; then an outage, while trades land."""
    records, wrong = _scene(task.seed), list[str]()
    wanted = expected(records)
    outage = float(task.size["outage_s"])
    with service() as address:
        faults = Faults(task.seed, share=0.5)
        with faulty(address, faults) as front, _hurried(outage == 0):
            hot = hot_there("alerts", address, at=front)
            there = There(address, task.folder / "faults", **{"hot.url": hot})
            pieces = evenly(records, 6)
            there.feed(pieces[:3])
            there.drained()
            if outage:
                faults.down = True
                threading.Timer(outage, setattr, (faults, "down", False)).start()
                task.say(f"{outage:.0f} s without DynamoDB")
            there.feed(pieces[3:])
            there.drained()
            faults.share = 0.0
            wrong += there.differs(wanted)
            items = _alerts_by_id(there)
        doubled = sum(count - 1 for count in items.values())
        control = _unconditional(address, task.folder)
    if doubled or not items:
        wrong.append(f"{doubled} alerts twice in the table, {len(items)} in all")
    wrong += [f"no request was {kind}" for kind in ("throttled", "failed", "lost") if not faults.met[kind]]
    asked = sum(faults.met.values())
    figures = {"alerts": len(items), "doubled": doubled, "requests that failed": asked - faults.met[""]}
    size = f"{asked} requests" + (f", {outage:.0f} s away" if outage else "")
    return Outcome(size, dict(figures), wrong, [control])


@contextmanager
def _hurried(wanted: bool) -> Iterator[None]:
    """botocore's pauses between two attempts take no time."""
    if not wanted:
        yield
        return
    with mock.patch("botocore.endpoint.time.sleep"):
        yield


def _alerts_by_id(there: There) -> dict[str, int]:
    from tests.harness.aws_place import alerts_there

    counts: dict[str, int] = {}
    for item in alerts_there(str(there.overrides["hot.url"])):
        counts[item["alert_id"]] = counts.get(item["alert_id"], 0) + 1
    return counts


def _unconditional(address: str, folder: Path) -> Control:
    """An alert is put whatever is there: of two revisions the one that came last stays, not the newer."""
    now = datetime.now(UTC)
    old = Alert(
        alert_id="a", alert_type="whale_trade", module_id="MOD-002", symbol="BTC-USDT", exchange=None, severity="low",
        detected_at=now, status="final", message="old", details="{}", preset="classic", revision=1,
    )  # fmt: skip
    new = replace(old, revision=2, message="new")
    update = DynamoTable.update

    def whatever(self: DynamoTable, *args: object, condition: str | None = None, **more: object) -> bool:
        always = f"({condition}) OR attribute_exists(alert_id)" if condition else None
        return update(self, *args, condition=always, **more)  # type: ignore[arg-type]

    def newest() -> str:
        (folder / "control").mkdir(exist_ok=True)
        url = hot_there(f"control{next(_places)}", address)
        with closing(open_hot(new_home(folder / "control"), settings_of({"hot.url": url}), writable=True)) as hot:
            for alert in (new, old):
                hot.put_alerts([alert], now=now)
            stored = hot.alert("a", now=now)
        assert stored is not None
        return stored.alert.message

    guarded = newest()
    with mock.patch.object(DynamoTable, "update", whatever):
        plainer = newest()
    assert guarded == "new"
    failed = plainer == "old"
    return Control("puts without a condition", "an old revision covers the new one" if failed else "nothing", failed)


# -- R10 ---------------------------------------------------------------------------------------------------------


def maintained(task: Task) -> Outcome:
    """An engine dies between two derived commits, the place is maintained, and an engine goes on; several times."""
    records, wrong = _scene(task.seed), list[str]()
    wanted, crashes = expected(records), task.size["aws_crashes"]
    pieces, compacted, forgotten = evenly(records, 4 * crashes), 0, 0
    with service() as address:
        there = There(address, task.folder)
        for turn in range(crashes):
            there.feed(pieces[4 * turn : 4 * turn + 4])
            with suppress(Killed), there.engine() as engine:
                _some_steps(engine, derived_after=3 + turn % 2)
            settings = settings_of({**there.overrides, "engine.keep_snapshots": 2})
            done = maintain(there.home, settings, now=datetime.now(UTC))
            compacted += sum(upkeep.compacted.commits for upkeep in done.tables)
            forgotten += sum(upkeep.snapshots_forgotten for upkeep in done.tables)
            task.say(f"{turn + 1} of {crashes} crashes")
        there.drained()
        wrong += there.differs(wanted, counts=False)
        with there.engine() as engine:
            if engine.totals.received != len(records):
                wrong.append(f"{engine.totals.received} records counted of {len(records)}")
    if not compacted or not forgotten:
        wrong.append("nothing was compacted, or no snapshot forgotten")
    figures = {"problems": len(wrong), "compactions": compacted, "snapshots forgotten": forgotten}
    return Outcome(f"{crashes} crashes", dict(figures), wrong)


def _some_steps(engine: LocalEngine, *, derived_after: int) -> None:
    for number in range(1, 100):
        more = engine.step()
        if number == derived_after:
            engine.commit_derived()
        if not more:
            break
    raise Killed


R8 = Experiment(
    id="R8",
    does="DynamoDB throttles, fails, stores and does not answer, and is away, while alerts are put",
    run=run_r8,
    engines=AWS,
    seed=8,
    long={"outage_s": 60},
    short=None,
    shortly="tests/engines/test_dynamo.py",
)

_ON_AWS: dict[str, Callable[[Task], Outcome]] = {"R1": killed, "R2": crashed, "R4": recut, "R10": maintained}
_SIZES = {
    "R1": {"aws_kills": 12}, "R2": {}, "R4": {"aws_examples": 12}, "R10": {"aws_crashes": 3},
}  # fmt: skip


def there_too(experiment: Experiment) -> Experiment:
    """The experiment, on a place of AWS too where it can be."""
    run = _ON_AWS.get(experiment.id)
    if run is None:
        return experiment
    return replace(
        experiment,
        run=lambda task: run(task) if task.engine == "aws" else experiment.run(task),
        engines=(*experiment.engines, *AWS),
        long={**experiment.long, **_SIZES[experiment.id]},
    )
