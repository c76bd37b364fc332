"""R13: exchanges whose clocks are wrong, many trades at one moment, and trades out of order."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from coattail.records import Record, Trade
from faults.engines import engine, fed
from faults.experiment import BOTH, LOCAL, Control, Experiment, Outcome, Task
from faults.silence import _late_metric
from tests.harness.memory import landed_in_memory
from tests.harness.oracle import expected
from tests.harness.running import differences, found, settings_of
from tests.harness.scenes import evenly, market

SECOND = 1_000_000
SKEWS = (-300, 30, 300, -299, -60, 59, -3)
"""Seconds by which Coinbase's clock is ahead. More than a minute ahead is rejected; 5 minutes behind is late."""
PIECES = 5


def skewed(skew: int, seed: int) -> list[Record]:
    """The scene with Coinbase's clock wrong, times cut to whole 5 s, and arrival out of order by up to 9 s."""
    rng = random.Random(seed)
    arriving: list[tuple[int, int, Record]] = []
    for record in market():
        changed = record
        if isinstance(record, Trade) and record.timestamp is not None:
            ahead = skew * SECOND if record.exchange == "coinbase" else 0
            when = record.timestamp // (5 * SECOND) * 5 * SECOND + ahead
            changed = msgspec.structs.replace(record, timestamp=when)
        arriving.append((record.received + rng.randint(0, 9) * SECOND, rng.getrandbits(32), changed))
    return [record for _, _, record in sorted(arriving, key=lambda item: item[:2])]


def run(task: Task) -> Outcome:
    """One landing per skew."""
    wrong: list[str] = []
    late_in_all = ahead_in_all = 0
    skews = SKEWS[: task.size["skews"]]
    for skew in skews:
        records = skewed(skew, task.seed)
        home = fed(task.folder / f"{skew}", evenly(records, PIECES))
        with engine(task.engine, home) as running:
            running.drain()
            totals = running.totals
        wrong += [f"{skew:+d} s: {line}" for line in differences(expected(records), found(home))]
        late, ahead = _late(records), _ahead(records)
        if not late == totals.late == _late_metric(home):
            wrong.append(f"{skew:+d} s: {late} rows are late, the engine says {totals.late}")
        if totals.rejected != ahead:
            wrong.append(f"{skew:+d} s: {ahead} rows are ahead of their receipt, {totals.rejected} rejected")
        late_in_all, ahead_in_all = late_in_all + late, ahead_in_all + ahead
        task.say(f"clock {skew:+d} s: {late} late, {ahead} rejected, {len(wrong)} differences")
    figures = {"differences": len(wrong), "counted late": late_in_all, "rejected as of the future": ahead_in_all}
    size = f"{len(skews)} clocks from {min(skews)} s to {max(skews):+d} s"
    return Outcome(size, figures, wrong, [_by_arrival(skewed(-60, task.seed))])


def _late(records: Sequence[Record]) -> int:
    trades = [r for r in records if isinstance(r, Trade) and r.timestamp is not None]
    return sum(r.received - (r.timestamp or 0) > 300 * SECOND for r in trades)


def _ahead(records: Sequence[Record]) -> int:
    trades = [r for r in records if isinstance(r, Trade) and r.timestamp is not None]
    return sum((r.timestamp or 0) > r.received + 60 * SECOND for r in trades)


def _by_arrival(records: Sequence[Record]) -> Control:
    """Windows of the time of arrival instead of the trade's own."""
    by_arrival = [
        msgspec.structs.replace(r, timestamp=r.received) if isinstance(r, Trade) else r for r in records
    ]  # fmt: skip
    shown = landed_in_memory(evenly(by_arrival, PIECES), settings_of({})).current()
    other = shown.keys() ^ expected(records).alerts.keys()
    return Control("windows of arrival time", f"{len(other)} alerts missing or invented", failed=bool(other))


R13 = Experiment(
    id="R13",
    does="an exchange's clock is up to five minutes wrong, many trades share one moment, all arrive out of order",
    run=run,
    engines=BOTH,
    seed=13,
    long={"skews": 7},
    short={"skews": 1},
    short_engines=LOCAL,
)
