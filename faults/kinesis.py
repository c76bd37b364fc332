"""R7: Kinesis refuses, loses answers, fails and is away."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from unittest import mock

from coattail.connectors import CONNECTORS
from coattail.engines.local import LocalEngine
from coattail.market import Market
from coattail.packing import Packer
from coattail.records import Record, Trade
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.streams.kinesis import KinesisStream
from coattail.streams.kinesis_sending import Sending
from faults.experiment import LOCAL, Control, Experiment, LeftOut, Outcome, Task
from tests.harness.emulator import CREDENTIALS
from tests.harness.kinesis_service import Clock, Faults, KinesisService
from tests.harness.running import new_home, rows_of, settings_of
from tests.harness.scenes import evenly, with_duplicates


def _simulated(seed: int, trades: int) -> list[Trade]:
    """The first `trades` trades of a simulated market."""
    source = Market(seed=seed, rate=6.0, start=datetime(2025, 3, 4, 12, tzinfo=UTC), duration=timedelta(days=30))
    connectors = {name: CONNECTORS[name]() for name in ("binance", "coinbase")}
    records = (
        record
        for frame in source.frames()
        for record in connectors[frame.exchange].records(frame.data, frame.received // 1000, session=frame.exchange)
        if isinstance(record, Trade)
    )
    return list(itertools.islice(records, trades))


class Measured(KinesisStream):
    """Remembers the most that was handed over at once: what a producer holds while the service stands still."""

    queued_bytes = 0

    def append(self, packs: Sequence[tuple[int, bytes]]) -> None:
        self.queued_bytes = max(self.queued_bytes, sum(len(data) for _, data in packs))
        super().append(packs)


def run(task: Task) -> Outcome:
    """30 % of the records refused, answers lost, 5xx, and two outages of 60 s on a clock that is wound.

    Raises: LeftOut: If boto3 is not installed.
    """
    if find_spec("boto3") is None:
        raise LeftOut("the aws extra is not installed")
    seed = task.seed
    records = _simulated(seed, task.size["trades"])
    with mock.patch.dict(os.environ, CREDENTIALS), KinesisService() as service:
        service.create("trades", 3)
        clock, chance = Clock(), random.Random(seed)
        producer, reader = (
            Measured(
                "trades",
                region="eu-central-1",
                endpoint=service.endpoint,
                clock=clock,
                sleep=clock.sleep,
                chance=chance,
            )
            for _ in range(2)
        )
        away = {"until": -1.0}
        service.faults = Faults(
            seed,
            refused_records=0.3,
            lost_answers=0.1,
            errors=0.1,
            throttled_reads=0.1,
            empty_reads=0.1,
            any_order=True,
            outage=lambda: clock.now < away["until"],
        )
        home = new_home(task.folder)
        pieces = evenly(with_duplicates(records, 0.01, seed), 10)
        with LocalEngine(home, settings_of({}), stream=reader) as engine:
            for number, piece in enumerate(pieces):
                if number == len(pieces) // 2:
                    away["until"] = clock.now + 60
                _produce(producer, piece)
                if number == len(pieces) // 2 + 1:
                    away["until"] = clock.now + 60  # now the reader meets it
                engine.drain()
                task.say(f"{number + 1} of {len(pieces)} pieces")
            totals = engine.totals
        lake = Lake(embedded(home.path))
        ids = [row["event_id"] for row in rows_of(lake, "raw_trades", ("event_id",))]
        lake.close()
    sent = sum(map(len, pieces))
    wanted = {f"{r.exchange}:{r.symbol}:{r.trade_id}" for r in records}
    counted = {
        "lost": len(wanted - set(ids)),
        "doubled": len(ids) - len(set(ids)),
        "invented": len(set(ids) - wanted),
        "rejected": totals.rejected,
    }
    wrong = [f"{count} {name}" for name, count in counted.items() if count]
    sending = producer.sending
    waited = sending.waited.total_seconds()
    if producer.queued_bytes + service.largest_call > 64 << 20:
        wrong.append(f"{producer.queued_bytes:,} bytes queued")
    if waited < 60:
        wrong.append("no back-pressure was felt in an outage of 60 s")
    if not sending.throttled or not sending.failed or sending.slowest >= Sending().rate:
        wrong.append("the service did not refuse, fail or slow the producer down")
    figures = {
        "lost": counted["lost"],
        "doubled": counted["doubled"],
        "duplicates": f"{totals.duplicates:,}",
        "throttled": f"{sending.throttled:,}",
        "failed": f"{sending.failed:,}",
        "waited": f"{waited:.1f} s",
        "queued bytes": f"{producer.queued_bytes:,}",
    }
    again = totals.duplicates - (sent - len(records))
    control = Control("dedup by sequence number", f"{again:,} trades of lost answers count twice", again > 0)
    return Outcome(f"{sent:,} trades", figures, wrong, [control])


def _produce(stream: KinesisStream, records: Sequence[Record]) -> None:
    packer = Packer()
    for record in records:
        packer.add(record)
        if packer.full:
            stream.append(packer.take())
    stream.append(packer.take())


R7 = Experiment(
    id="R7",
    does="Kinesis refuses 30 % of the records, loses answers after it accepted, fails with 5xx, is away for 60 s",
    run=run,
    engines=LOCAL,
    seed=17,
    long={"trades": 100_000},
    short={"trades": 20_000},
    short_engines=LOCAL,
)
