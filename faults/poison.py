"""R11: values that no exchange should send, between those that they do send."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import polars as pl

from coattail.connectors import CONNECTORS
from coattail.engines.timeline import watermark
from coattail.landing import Checks, Coverage, land
from coattail.landing.checks import standard_checks
from coattail.records import Malformed, Record, Trade
from faults.engines import drained, engine, fed
from faults.experiment import BOTH, LOCAL, Control, Experiment, Outcome, Task
from tests.harness.memory import packs_of
from tests.harness.oracle import expected
from tests.harness.running import differences, found
from tests.harness.scenes import evenly, market

PIECES = 5
YEAR_2099_MS = 4_070_908_800_000
MEGABYTE = "9" * (1 << 20)

BINANCE: tuple[Mapping[str, Any], ...] = (
    {"T": YEAR_2099_MS}, {"T": 0}, {"T": -1}, {"T": 1_741_089_600_000_000_000},
    {"T": None}, {"T": "soon"}, {"T": 1e20}, {"p": None}, {"p": "NaN"}, {"p": "nan"}, {"p": "Infinity"},
    {"p": "-inf"}, {"p": "1e308"}, {"p": 1e308}, {"p": "1e400"}, {"p": "-62000"}, {"p": "-0"}, {"p": "0"}, {"p": ""},
    {"p": " "}, {"p": "6,200"}, {"p": "0x10"}, {"p": MEGABYTE}, {"p": [1]}, {"p": {}}, {"p": True}, {"q": None},
    {"q": "NaN"}, {"q": "1e308"}, {"q": "-1"}, {"q": "0"}, {"q": "١٢"}, {"t": None}, {"t": -1}, {"t": 2**63},
    {"t": 1.5}, {"t": "one"}, {"s": None}, {"s": ""}, {"s": "BTC USDT"}, {"s": "<script>"}, {"s": "BTCUSDT\x00"},
    {"s": MEGABYTE}, {"m": "no"}, {"p": "1e9", "q": "1e9"},
)  # fmt: skip
"""What a Binance trade is changed to; a field that is None is sent as null."""

COINBASE: tuple[Mapping[str, Any], ...] = (
    {"time": "2099-01-01T00:00:00Z"}, {"time": "1970-01-01T00:00:00Z"}, {"time": "9999-12-31T23:59:59.999999Z"},
    {"time": "0001-01-01T00:00:00Z"}, {"time": None}, {"time": "yesterday"}, {"time": 1_741_089_600},
    {"time": "2025-02-30T12:00:00Z"}, {"price": None}, {"price": "NaN"}, {"price": "1e308"}, {"price": "-1"},
    {"price": ""}, {"price": MEGABYTE}, {"size": None}, {"size": "0"}, {"size": "-0.0"}, {"size": "inf"},
    {"trade_id": None}, {"trade_id": -7}, {"trade_id": "x"}, {"trade_id": 10**30},
    {"side": 1}, {"product_id": None}, {"product_id": "btc-usd"}, {"product_id": "../../etc/passwd"},
)  # fmt: skip


def poisoned(exchange: str, model: Trade, change: Mapping[str, Any]) -> Record:
    """The record that the exchange's connector makes of a frame with this change; else like `model`, its id too."""
    frame = json.loads(model.payload)
    inner = frame.get("data", frame)
    inner |= change
    (record,) = CONNECTORS[exchange]().records(json.dumps(frame).encode(), model.received, session=model.session)
    return record


def all_poison(records: Sequence[Record], seed: int) -> list[tuple[int, Record]]:
    """(place, poison) for every value, at random places after a trade of its exchange whose id it takes."""
    rng = random.Random(seed)
    found: list[tuple[int, Record]] = []
    for exchange, changes in (("binance", BINANCE), ("coinbase", COINBASE)):
        places = [i for i, r in enumerate(records) if r.exchange == exchange and '"' in r.payload[30:]]
        for change in changes:
            place = rng.choice(places)
            model = records[place]
            assert isinstance(model, Trade)
            found.append((place, poisoned(exchange, model, change)))
    first = records[0]
    found += [
        (0, Malformed(exchange="binance", error="no JSON", payload="\x00" * (1 << 20), received=first.received)),
        (0, Malformed(exchange="coinbase", error="no JSON", payload="\ud800", received=first.received)),
    ]
    return sorted(found, key=lambda item: item[0])


def run(task: Task) -> Outcome:
    """All poison at once, each before the trade whose id it takes."""
    clean = list(market())
    wrong: list[str] = []
    poison_count = mixed_count = 0
    for number in range(task.size["rounds"]):
        poison = all_poison(clean, task.seed + number)
        at = {place: [r for p, r in poison if p == place] for place, _ in poison}
        mixed = [r for place, record in enumerate(clean) for r in (*at.get(place, ()), record)]
        wanted = expected(mixed)
        home = fed(task.folder / f"{number}", evenly(mixed, PIECES))
        with engine(task.engine, home) as running:
            running.drain()
            mark, totals = running.watermark, running.totals
        actual = found(home)
        wrong += differences(wanted, actual)
        if len(actual.rejected) != len(poison):
            wrong.append(f"{len(actual.rejected)} of {len(poison)} are in the DLQ")
        without = fed(task.folder / f"{number}-clean", evenly(clean, PIECES))
        drained("local", without)
        undisturbed = found(without)
        if (actual.trades, actual.alerts) != (undisturbed.trades, undisturbed.alerts):
            wrong.append("other trades or alerts than without the poison")
        if mark != (clean_mark := _watermark(clean)):
            wrong.append(f"the watermark is {mark}, without the poison {clean_mark}")
        poison_count, mixed_count = poison_count + totals.rejected, mixed_count + len(clean)
        task.say(f"round {number + 1}: {len(poison)} values, {len(wrong)} differences")
    figures = {
        "in the DLQ with a reason": f"{poison_count} of {poison_count}",
        "sound rows lost": 0,
        "watermark": "unmoved",
    }
    return Outcome(
        f"{poison_count} values among {mixed_count:,} trades", figures if not wrong else {}, wrong, [_unchecked(clean)]
    )


def _watermark(records: Sequence[Record]) -> int:
    """As SPEC says, in plain Python."""
    newest: dict[str, int] = {}
    for record in records:
        if isinstance(record, Trade) and record.timestamp is not None:
            newest[record.exchange] = max(newest.get(record.exchange, 0), record.timestamp)
    return max(min(newest.values()) - 10_000_000, max(newest.values()) - 30_000_000)


def _unchecked(clean: Sequence[Record]) -> Control:
    """Without the checks of times, one row of the year 2099 is enough."""
    place = len(clean) // 2
    model = clean[place]
    poison = msgspec.structs.replace(model, timestamp=YEAR_2099_MS * 1000)
    lenient = Checks(tuple(c for c in standard_checks() if not c.name.startswith("timestamp_")))
    landed = land(packs_of([*clean[:place], poison, *clean[place:]], 1), Coverage(), lenient)
    lost = {t[0] for t in expected(clean).trades} - set(
        landed.trades.filter(pl.col("timestamp") < datetime(2099, 1, 1, tzinfo=UTC))["event_id"]
    )
    mark = watermark(landed.coverage.newest(), lateness=timedelta(seconds=10), idle_limit=timedelta(seconds=20))
    years = (mark - _watermark(clean)) / 1e6 / 86_400 / 365
    return Control(
        "without the checks of times", f"one row moves the watermark {years:.0f} years, {len(lost)} sound row lost",
        failed=years > 1 and bool(lost),
    )  # fmt: skip


R11 = Experiment(
    id="R11",
    does="values that no exchange should send: years 2099 and 1970, ns for ms, NaN, 1e308, negative, null, a megabyte "
    "of digits, markup, each with the id of a sound trade that comes after it",
    run=run,
    engines=BOTH,
    seed=11,
    long={"rounds": 3},
    short={"rounds": 1},
    short_engines=LOCAL,
)
