"""R5: a day is streamed out of order, recomputed, and recomputed as of old snapshots."""

from __future__ import annotations

from datetime import timedelta

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
from tests.harness.time_travel import asked, grown, now, shuffled_within, stores, texts


def run(task: Task) -> Outcome:
    """The alerts of stream, batch and time travel on a simulated day (with fewer than 100,000 trades: on two hours).

    The stream is shuffled, has repeats and broken records, and lands in six runs; then the snapshot after each of them
    is recomputed. The oracle has the last word.
    """
    seed, trades = task.seed, task.size["trades"]
    length = timedelta(days=1) if trades >= 100_000 else timedelta(hours=2)
    day = Market(seed=seed, duration=length, rate=trades / length.total_seconds() / 25.5)
    records: list[Record] = []
    for frame in day.frames():
        records += CONNECTORS[frame.exchange]().records(frame.data, frame.received // 1000, session=frame.exchange)
    records = with_duplicates(spoiled(shuffled_within(records, 40), seed=seed), 0.01, seed=seed)
    home, past = grown(task.folder, evenly(records, 6))
    different = 0
    with stores(home) as (lake, _):
        hold(lake, RAW_TRADES.name, "held", past[2][0], keep=None, now=now())
        for number, (snapshot_id, then) in enumerate(past, 1):
            again = texts(recompute(lake, settings_of({}), snapshot_id=snapshot_id))
            different += len(set(again.items()) ^ set(then.items()))
            task.say(f"{number} of {len(past)} snapshots, {different} alerts differ")
        batched = texts(recompute(lake, settings_of({})))
        done = reprocess(lake, asked(lake))
        rows = at_newest(lake, RAW_TRADES.name).rows
        refused = [c.name for c in checks(lake, done) if not c.passed]
    streamed = past[-1][1]
    different += len(set(batched.items()) ^ set(streamed.items()))
    different += len(set(expected(records).alerts) ^ set(streamed))
    counts = done.counts()
    wrong = [f"{different} alerts differ between stream, batch, time travel and oracle"] if different else []
    wrong += [f"promote refuses: {name}" for name in refused]
    wrong += [f"{counts[verdict]} alerts {verdict}" for verdict in ("vanished", "changed") if counts[verdict]]
    if not counts["same"]:
        wrong.append("no alert of the day stayed: nothing was compared")
    figures = {"alerts": f"{len(streamed):,}", "snapshots": len(past), "different": different}
    return Outcome(f"{rows:,} trades", figures, wrong, [own_bars(seed)])


R5 = Experiment(
    id="R5",
    does="a day is streamed out of order with repeats, recomputed, and recomputed as of old snapshots",
    run=run,
    engines=LOCAL,
    seed=5,
    long={"trades": 200_000},
    short={"trades": 12_000},
    short_engines=LOCAL,
)
