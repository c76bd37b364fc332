"""R12: one exchange falls silent for two hours, and then comes twenty minutes late."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

from coattail.alerts import FINAL, Alert
from coattail.records import Record, Trade, micros
from coattail.stores.catalog import embedded
from coattail.streams.local import LocalStream
from faults.engines import EVERY_SEGMENT, engine
from faults.experiment import BOTH, LOCAL, Control, Experiment, Outcome, Task
from tests.harness.oracle import expected
from tests.harness.running import differences, feed, found, new_home, rows_of
from tests.harness.scenes import START, at, make_trade

SECOND = 1_000_000
BATCH_S = 120
MINIMUM = 10
OVERRIDES = {**EVERY_SEGMENT, "detectors.volume-anomaly.minimum_windows": MINIMUM}
BOUND_S = 30 + BATCH_S
"""Lateness and idle limit, and the event time that one batch holds here."""


def feed_of(before: int, silent: int, after: int, behind: int, seed: int) -> list[Record]:
    """Binance all the time; Coinbase until it falls silent, then `behind` minutes late. By time of receipt."""
    rng = random.Random(seed)
    records: list[Record] = []
    end = before + silent + after
    bursts = [before // 2, before + silent // 2, before + silent + after // 2]
    for exchange, symbol in (("binance", "BTC-USDT"), ("coinbase", "BTC-USD")):
        number, second = 1, 0.0
        while second < end * 60:
            minute = second / 60
            late = timedelta(minutes=behind) if exchange == "coinbase" and minute >= before + silent else timedelta(0)
            if exchange == "binance" or not before <= minute < before + silent:
                size = 0.4 if any(b <= minute < b + 1 for b in bursts) else rng.choice((0.02, 0.025, 0.03))
                received = at(minute)
                records.append(
                    make_trade(
                        number, received - late, exchange=exchange, symbol=symbol, price="60000.5",
                        quantity=f"{size:.3f}", received=received,
                    )
                )  # fmt: skip
                number += 1
            second += rng.choice((3.0, 5.0, 7.0))
    return sorted(records, key=lambda r: r.received)


def batches(records: Sequence[Record]) -> list[list[Record]]:
    """Two minutes of arrivals each."""
    found: dict[int, list[Record]] = {}
    for record in records:
        found.setdefault((record.received - micros(START)) // (BATCH_S * SECOND), []).append(record)
    return list(found.values())


def run(task: Task) -> Outcome:
    """The feed, batch by batch; the local engine also says when each alert became final."""
    minutes = (task.size["before"], task.size["silent"], task.size["after"], task.size["behind"])
    records = feed_of(*minutes, task.seed)
    home = new_home(task.folder)
    stream = LocalStream(home.stream)
    newest, delays = 0, dict[str, float]()

    def fired(alerts: list[Alert]) -> None:
        for alert in alerts:
            if alert.status == FINAL and alert.exchange == "binance":
                delays.setdefault(alert.alert_id, (newest - micros(alert.detected_at)) / SECOND)

    with engine(task.engine, home, OVERRIDES, on_alerts=fired) as running:
        pieces = batches(records)
        if task.engine == "spark":
            feed(stream, pieces)
            running.drain()
        else:
            for piece in pieces:
                newest = max(newest, *(r.timestamp or 0 for r in piece if isinstance(r, Trade)))
                feed(stream, [piece])
                running.drain()
        totals = running.totals
    wrong = differences(expected(records, minimum_windows=MINIMUM), found(home))
    late = sum(r.received - (r.timestamp or 0) > 300 * SECOND for r in records if isinstance(r, Trade))
    counted = _late_metric(home)
    if not late == totals.late == counted:
        wrong.append(f"{late} rows are late, the engine says {totals.late}, the metric {counted}")
    figures: dict[str, object] = {"late rows, counted exactly": late, "lost": 0 if not wrong else "?"}
    if task.engine != "spark":
        slowest = max(delays.values())
        figures["alerts of the other exchange"] = len(delays)
        figures["final after at most"] = f"{slowest:.0f} s of event time (bound {BOUND_S} s)"
        if slowest > BOUND_S or len(delays) < 2:
            wrong.append(f"{len(delays)} alerts of the other exchange, the slowest {slowest:.0f} s late")
    task.say(f"{len(records):,} trades in {len(pieces)} batches")
    size = f"{len(records):,} trades; silent {minutes[1]} min, then {minutes[3]} min late"
    return Outcome(size, figures, wrong, [_plain_watermark(records, late)])


def _late_metric(home: object) -> int:
    from coattail.home import Home
    from coattail.stores.lake import Lake

    assert isinstance(home, Home)
    lake = Lake(embedded(home.path))
    try:
        return sum(row["records_late"] for row in rows_of(lake, "quality_metrics"))
    finally:
        lake.close()


def _plain_watermark(records: Sequence[Record], late: int) -> Control:
    """A model, in Python, of `withWatermark("10 seconds")`: what is older than the mark is dropped."""
    mark = newest = dropped = 0
    for piece in batches(records):
        times = [r.timestamp or 0 for r in piece if isinstance(r, Trade)]
        dropped += sum(t < mark for t in times)
        newest = max(newest, *times)
        mark = newest - 10 * SECOND
    return Control(
        "one watermark over all exchanges (a model of Spark's)", f"drops {dropped} rows of {late} late ones",
        failed=dropped > 0,
    )  # fmt: skip


R12 = Experiment(
    id="R12",
    does="one exchange falls silent and then comes minutes late, while the other one goes on",
    run=run,
    engines=BOTH,
    seed=12,
    long={"before": 60, "silent": 120, "after": 60, "behind": 20},
    short={"before": 20, "silent": 10, "after": 10, "behind": 8},
    short_engines=LOCAL,
)
