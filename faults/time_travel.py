"""R5: a day is streamed out of order, recomputed, and recomputed as of old snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from coattail.config import CLASSIC, PRESETS
from coattail.connectors import CONNECTORS
from coattail.engines.promote import checks
from coattail.engines.recompute import recompute
from coattail.engines.reprocess import reprocess
from coattail.market import Market
from coattail.records import Record
from coattail.stores.history import at_newest, hold
from coattail.tables import RAW_TRADES
from faults.experiment import LOCAL, Experiment, Outcome, Task
from faults.seeds import own_bars
from tests.harness.oracle import expected
from tests.harness.running import settings_of
from tests.harness.scenes import evenly, spoiled, with_duplicates
from tests.harness.time_travel import Verdict, asked, grown, now, shuffled_within, stores, texts


def run(task: Task) -> Outcome:
    """The alerts of stream, batch and time travel on a simulated day (with fewer than 100,000 trades: on two hours).

    The stream is shuffled, has repeats and broken records, and lands in some runs; then the snapshot after each of them
    is recomputed, under either preset. Of `classic`, which it knows, the oracle has the last word.
    """
    seed, trades = task.seed, task.size["trades"]
    length = timedelta(days=1) if trades >= 100_000 else timedelta(hours=2)
    day = Market(seed=seed, duration=length, rate=trades / length.total_seconds() / 25.5)
    records: list[Record] = []
    for frame in day.frames():
        records += CONNECTORS[frame.exchange]().records(frame.data, frame.received // 1000, session=frame.exchange)
    records = with_duplicates(spoiled(shuffled_within(records, 40), seed=seed), 0.01, seed=seed)
    pieces = evenly(records, task.size["runs"])
    outcomes = [_judged(task, pieces, preset) for preset in PRESETS]
    wrong: list[str] = []
    figures: dict[str, object] = {}
    for preset, done in zip(PRESETS, outcomes, strict=True):
        wrong += [f"{preset}: {line}" for line in done.wrong]
        figures[f"alerts of {preset}"] = f"{len(done.alerts):,}"
    if others := set(expected(records).alerts) ^ set(outcomes[PRESETS.index(CLASSIC)].alerts):
        wrong.append(f"{len(others)} alerts of {CLASSIC} are other ones than the oracle's")
    figures |= {"snapshots": f"{len(pieces)} of each", "different": len(wrong)}
    return Outcome(f"{outcomes[0].rows:,} trades", figures, wrong, [own_bars(seed)])


@dataclass(frozen=True)
class Judged:
    """The alerts of one preset as they were streamed, and what does not agree with them."""

    rows: int
    alerts: dict[str, Verdict]
    wrong: list[str]


def _judged(task: Task, pieces: Sequence[Sequence[Record]], preset: str) -> Judged:
    """Stream the pieces; recompute the alerts now and as of each snapshot, and compare."""
    settings = settings_of({"preset": preset})
    folder = task.folder / preset
    folder.mkdir()
    home, past = grown(folder, pieces, preset)
    streamed, different = past[-1][1], 0
    with stores(home) as (lake, _):
        hold(lake, RAW_TRADES.name, "held", past[len(past) // 2][0], keep=None, now=now())
        for number, (snapshot_id, then) in enumerate(past, 1):
            again = texts(recompute(lake, settings, snapshot_id=snapshot_id))
            different += len(set(again.items()) ^ set(then.items()))
            task.say(f"{preset}: {number} of {len(past)} snapshots, {different} alerts differ")
        different += len(set(texts(recompute(lake, settings)).items()) ^ set(streamed.items()))
        done = reprocess(lake, asked(lake, preset=preset))
        rows = at_newest(lake, RAW_TRADES.name).rows
        refused = [c.name for c in checks(lake, done) if not c.passed]
    counts = done.counts()
    wrong = [f"{different} alerts differ between stream, batch and time travel"] if different else []
    wrong += [f"promote refuses: {name}" for name in refused]
    wrong += [f"{counts[verdict]} alerts {verdict}" for verdict in ("vanished", "changed") if counts[verdict]]
    if not counts["same"]:
        wrong.append("no alert of the day stayed: nothing was compared")
    return Judged(rows, streamed, wrong)


R5 = Experiment(
    id="R5",
    does="a day is streamed out of order with repeats, recomputed, and recomputed as of old snapshots, under both "
    "presets",
    run=run,
    engines=LOCAL,
    seed=5,
    long={"trades": 200_000, "runs": 6},
    short={"trades": 12_000, "runs": 3},
    short_engines=LOCAL,
)
