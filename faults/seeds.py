"""R3 and R4: thousands of small worlds on a clock of their own, and any cut of the same input."""

from __future__ import annotations

import multiprocessing
import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from unittest import mock

import polars as pl

from coattail.engines.facts import FactStore
from coattail.landing.bars import merge_bars
from coattail.records import Record
from faults.experiment import KERNELS, Control, Experiment, Outcome, Task
from faults.simulation import PLAINER, SETTINGS, Run, found_out, simulate
from faults.world import world
from tests.harness.memory import Kept, bars_in, landed_in_memory, trades_in
from tests.harness.scenes import cut

_TWICE_EVERY = 20
_SEEDS_FOR_CONTROLS = 300


def run_r3(task: Task) -> Outcome:
    """Some seeds, a share of them twice, in as many processes as there are cores."""
    seeds = range(task.seed, task.seed + task.size["seeds"])
    wrong: list[str] = []
    total: dict[str, int] = dict.fromkeys(("records", "crashes", "alerts", "holes", "refilled"), 0)
    again = 0
    for number, run in enumerate(_all(seeds), 1):
        wrong += [f"seed {run.seed}: {line}" for line in run.wrong]
        for name in total:
            total[name] += getattr(run, name)
        if run.seed % _TWICE_EVERY == 0:
            again += 1
            if simulate(run.seed).trace != run.trace:
                wrong.append(f"seed {run.seed}: the second time something else happened")
        if number % 100 == 0:
            task.say(f"{number} of {len(seeds)} seeds, {len(wrong)} violations")
    figures = {"violations of G1 to G5": len(wrong), **{name: f"{n:,}" for name, n in total.items()}}
    figures["the same again, bit for bit"] = f"{again} of {again}"
    return Outcome(f"{len(seeds):,} seeds", figures, wrong, [_found_out(name, task) for name in PLAINER])


def _all(seeds: Sequence[int]) -> Iterator[Run]:
    if len(seeds) < 100:
        yield from map(simulate, seeds)
        return
    with (
        mock.patch.dict(os.environ, POLARS_MAX_THREADS="1"),
        ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool,
    ):
        yield from pool.map(simulate, seeds, chunksize=10)


def _found_out(name: str, task: Task) -> Control:
    after = found_out(name, range(task.seed, task.seed + _SEEDS_FOR_CONTROLS))
    return Control(name, f"found out by seed {after}", after > 0)


R3 = Experiment(
    id="R3",
    does="producer, line, stream, landing, ledger and detectors in one process without a clock: trades dropped, "
    "doubled, reordered, skewed, spoiled; connections, producer and engine die; gaps are refilled",
    run=run_r3,
    engines=KERNELS,
    seed=1,
    long={"seeds": 2_000},
    short={"seeds": 20},
    short_engines=KERNELS,
)


# -- any cut of the same input -----------------------------------------------------------------------------------


def rearranged(records: Sequence[Record], rng: random.Random) -> list[list[Record]]:
    """The same records in any interleaving of the instruments (each one's own order is kept), cut anywhere."""
    lanes: dict[tuple[str, object], list[Record]] = {}
    for record in records:
        lanes.setdefault((record.exchange, getattr(record, "symbol", None)), []).append(record)
    turns = [key for key, lane in lanes.items() for _ in lane]
    rng.shuffle(turns)
    waiting = {key: iter(lane) for key, lane in lanes.items()}
    mixed = [next(waiting[key]) for key in turns]
    return cut(mixed, [rng.randrange(len(mixed) + 1) for _ in range(rng.randint(0, 12))])


def _same(one: Kept, other: Kept) -> list[str]:
    said = []
    if trades_in(one) != trades_in(other):
        said.append("other trades")
    if bars_in(one) != bars_in(other):
        said.append("other bars")
    shown = [{i: (a.status, a.severity, a.details) for i, a in kept.current().items()} for kept in (one, other)]
    if shown[0] != shown[1]:
        said.append(f"other alerts: {len(shown[0].keys() ^ shown[1].keys())} ids")
    return said


def run_r4(task: Task) -> Outcome:
    """Some worlds, each landed at once and in two other ways."""
    wrong: list[str] = []
    alerts = 0
    for number in range(task.size["examples"]):
        seed = task.seed + number
        records = [r for segment in world(seed).segments for r in segment]
        whole = landed_in_memory([records], SETTINGS)
        alerts += len(whole.current())
        rng = random.Random(seed)
        wrong += [f"seed {seed}: {line}" for line in _same(whole, landed_in_memory(rearranged(records, rng), SETTINGS))]
        if (number + 1) % 50 == 0:
            task.say(f"{number + 1} of {task.size['examples']} examples, {len(wrong)} differences")
    figures = {"differences": len(wrong), "alerts compared": alerts}
    return Outcome(f"{task.size['examples']} examples", figures, wrong, [own_bars(task.seed)])


def own_bars(seed: int) -> Control:
    """Each batch is judged by its own bars, as a stream job without a table would."""
    newest: list[pl.DataFrame] = []
    original = FactStore.add

    def add(self: FactStore, bars: pl.DataFrame, orders: pl.DataFrame) -> None:
        newest[:] = [bars]
        original(self, bars, orders)

    def own(self: FactStore, since: datetime, until: datetime) -> pl.DataFrame:
        return merge_bars(newest[0], histograms=False)

    records = [r for segment in world(seed).segments for r in segment]
    whole = landed_in_memory([records], SETTINGS)
    with mock.patch.object(FactStore, "add", add), mock.patch.object(FactStore, "bars", own):
        other = landed_in_memory(rearranged(records, random.Random(seed)), SETTINGS)
    said = _same(whole, other)
    return Control("alerts from each batch's own bars", said[0] if said else "the same", bool(said))


R4 = Experiment(
    id="R4",
    does="the same input in any interleaving of instruments and cut into any batches",
    run=run_r4,
    engines=KERNELS,
    seed=70_000,
    long={"examples": 300},
    short={"examples": 8},
    short_engines=KERNELS,
)
