"""R3: one seed, one world, one engine that dies and comes back; every promise checked by code of its own."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from unittest import mock

import msgspec
import numpy as np
import polars as pl

import coattail.landing.kernel
from coattail.landing import Coverage
from coattail.landing.dedup import Instruments
from coattail.landing.ledger import Ledger
from coattail.records import Record, Trade
from faults.world import World, in_pack_order, world
from tests.harness.memory import Kept, MemoryEngine, bars_in, packs_of, trades_in
from tests.harness.oracle import Expected, expected
from tests.harness.running import Killed, _same, settings_of
from tests.harness.scenes import START

MINIMUM = 3
SETTINGS = settings_of({"detectors.volume-anomaly.minimum_windows": MINIMUM})

Hole = tuple[str, str, int, int, str]
"""exchange, symbol, first id, last id, `gap` or `unobserved`."""


@dataclass
class Run:
    """The outcome of a seed: `wrong` in words, the hash of everything that happened, and how much it was."""

    seed: int
    wrong: list[str]
    trace: str
    records: int
    crashes: int
    alerts: int
    holes: int
    refilled: int


def simulate(seed: int, *, counted: bool = False) -> Run:
    """One seed. `counted` is a plainer design: the reader counts the segments it has read."""
    made = world(seed)
    rng = random.Random(f"engine {seed}")
    trace = hashlib.blake2b(digest_size=16)
    kept = Kept()
    crashes, engine, read = 0, MemoryEngine(kept, SETTINGS), 0
    refilled = 0
    while True:
        place = read if counted else kept.offset
        if place >= len(made.segments):
            if refilled or rng.random() < 0.3:
                break
            found = _refill(made, engine.coverage)
            refilled = len(found)
            if not found:
                break
            made.segments.append(found)
        upto = min(place + rng.randint(1, 3), len(made.segments))
        read = upto
        packs = [p for n in range(place, upto) for p in packs_of(made.segments[n], n)]
        die = rng.choice(("before", "after")) if rng.random() < 0.12 else ""
        try:
            landed, revised = engine.take(packs, reaches=upto, die=die)
            rows = [landed.counts.rows(), [(a.alert_id, a.revision, a.status, a.details) for a in revised]]
            trace.update(repr((place, upto, rows, landed.coverage.table(START).rows())).encode())
        except Killed:
            crashes += 1
            trace.update(f"died {die} the commit that reaches {upto}".encode())
            engine = MemoryEngine(kept, SETTINGS)
            trace.update(repr(sorted((i, a.revision) for i, a in kept.published.items())).encode())
    records = [record for segment in made.segments for record in in_pack_order(segment)]
    wanted = expected(records, minimum_windows=MINIMUM)
    holes = holes_of(wanted, records)
    wrong = violations(made, wanted, holes, kept, engine.coverage, refilled > 0)
    return Run(seed, wrong, trace.hexdigest(), len(records), crashes, len(wanted.alerts), len(holes), refilled)


def _refill(made: World, coverage: Coverage) -> list[Record]:
    """What the exchange still knows of the ids that the ledger says are missing."""
    found: list[Record] = []
    for (exchange, symbol), ledger in sorted(coverage.ledgers.items()):
        for first, last, _ in ledger.missing():
            trades = (made.traded[exchange, symbol][n] for n in range(first, last + 1))
            found += (
                msgspec.structs.replace(t, source="backfill", session=f"{exchange}-refill", received=_later(t))
                for t in trades
            )
    return found


def _later(trade: Trade) -> int:
    return (trade.timestamp or 0) + 3_600_000_000


def holes_of(wanted: Expected, records: Sequence[Record]) -> list[Hole]:
    """Every id that is missing, and whether somebody listened: plain sets of integers."""
    landed: dict[tuple[str, str], set[int]] = {}
    for trade in wanted.landed:
        landed.setdefault((trade.exchange, trade.symbol), set()).update(range(trade.first, trade.last + 1))
    gone: dict[tuple[str, str], set[int]] = {}
    for exchange, symbol, first, _, _ in wanted.rejected:
        if symbol is not None:
            gone.setdefault((exchange, symbol), set()).add(first)
    sessions: dict[tuple[str, str, str], list[int]] = {}
    first_seen: set[tuple[str, str, int]] = set()
    for record in records:
        if isinstance(record, Trade) and record.symbol is not None and record.trade_id is not None:
            key = (record.exchange, record.symbol, record.trade_id)
            if key not in first_seen and record.trade_id in landed.get(key[:2], ()):
                first_seen.add(key)
                sessions.setdefault((*key[:2], record.session), []).append(record.trade_id)
    holes: list[Hole] = []
    for key in sorted(landed.keys() | gone.keys()):
        here = landed.get(key, set()) | gone.get(key, set())
        spans = [(min(ids), max(ids)) for (e, s, _), ids in sessions.items() if (e, s) == key]
        states = {n: _state(n, spans) for n in range(min(here), max(here)) if n not in here}
        for n, state in states.items():
            before = holes[-1] if holes else None
            if before is not None and before[:2] == key and before[3] == n - 1 and before[4] == state:
                holes[-1] = (*before[:3], n, state)
            else:
                holes.append((*key, n, n, state))
    return holes


def _state(number: int, spans: Sequence[tuple[int, int]]) -> str:
    return "gap" if any(low < number < high for low, high in spans) else "unobserved"


def violations(
    made: World, wanted: Expected, holes: list[Hole], kept: Kept, coverage: Coverage, refilled: bool
) -> list[str]:
    """Which promises were broken, in words."""
    return [
        *_lost_or_doubled(wanted, kept),
        *_unaccounted(wanted, kept),
        *_other_alerts(wanted, kept),
        *_other_bars(wanted, kept),
        *_other_holes(made, holes, coverage, refilled),
    ]


def _lost_or_doubled(wanted: Expected, kept: Kept) -> Iterator[str]:
    trades = trades_in(kept)
    if trades != wanted.trades:
        lost, extra = set(wanted.trades) - set(trades), set(trades) - set(wanted.trades)
        yield f"G1: {len(lost)} lost, {len(trades) - len(set(trades))} doubled, {len(extra)} invented"


def _unaccounted(wanted: Expected, kept: Kept) -> Iterator[str]:
    counted: dict[str, dict[str, int]] = {}
    for counts in kept.counts:
        for row in counts.drop("late").iter_rows(named=True):
            if row["received"] != row["landed"] + row["rejected"] + row["duplicates"]:
                yield f"G2: {row} does not add up"
            total = counted.setdefault(row.pop("exchange"), dict.fromkeys(row, 0))
            for name, value in row.items():
                total[name] += value
    if counted != wanted.counts:
        yield f"G2: counted {counted}, expected {wanted.counts}"
    if (rejected := sum(f.height for f in kept.rejected)) != len(wanted.rejected):
        yield f"G2: {rejected} rows in the DLQ, expected {len(wanted.rejected)}"


def _other_alerts(wanted: Expected, kept: Kept) -> Iterator[str]:
    given = kept.current()
    for identity in sorted(wanted.alerts.keys() | given.keys()):
        want, alert = wanted.alerts.get(identity), given.get(identity)
        have: dict[str, Any] | None = None
        if alert is not None:
            have = {"status": alert.status, "severity": alert.severity, "details": json.loads(alert.details)}
        if want is None or have is None or not _same({k: want[k] for k in have}, have):
            yield f"G3, G4: expected {want}, found {have}"
            return


def _other_bars(wanted: Expected, kept: Kept) -> Iterator[str]:
    bars = bars_in(kept)
    wrong = [key for key in sorted(wanted.bars.keys() | bars.keys()) if wanted.bars.get(key) != bars.get(key)]
    if wrong:
        yield f"G4: {len(wrong)} bars differ, the first {wrong[0]}"


def _other_holes(made: World, holes: list[Hole], coverage: Coverage, refilled: bool) -> Iterator[str]:
    said = coverage.table(START).filter(pl.col("state").is_in(["gap", "unobserved"]))
    listed = sorted(said.select("exchange", "symbol", "first_id", "last_id", "state").iter_rows())
    if listed != sorted(holes):
        yield f"G5: the ledger says {listed[:3]}, missing are {sorted(holes)[:3]}"
    if refilled and holes:
        yield f"G5: {len(holes)} holes after the refill"
    for row in holes:
        if any(n not in made.traded[row[0], row[1]] for n in range(row[2], row[3] + 1)):
            yield f"G5: {row} never was"


# -- plainer designs ---------------------------------------------------------------------------------------------


def _newer_than_the_last(trades: pl.DataFrame, instruments: Instruments, coverage: Coverage) -> np.ndarray:
    """A trade is new if its id is above the highest one seen."""
    result = np.zeros(trades.height, dtype=np.int8)
    ids = trades["trade_id"].to_numpy()
    for place, key in enumerate(instruments.keys):
        ledger = coverage.ledger(key)
        last = ledger.landed.lasts[-1] if ledger is not None and len(ledger.landed) else -1
        for row in range(int(instruments.starts[place]), int(instruments.starts[place + 1])):
            if ids[row] <= last:
                result[row] = 1
            last = max(last, int(ids[row]))
    return result


PLAINER: dict[str, tuple[Callable[[], AbstractContextManager[Any]], bool]] = {
    "dedup by the last id only": (
        lambda: mock.patch.object(coattail.landing.kernel, "verdicts", _newer_than_the_last),
        False,
    ),
    "offsets by counting": (nullcontext, True),
    "gaps not recorded": (lambda: mock.patch.object(Ledger, "missing", return_value=()), False),
}
"""Name -> how it is put in place of ours, and whether its reader counts."""


def found_out(name: str, seeds: range) -> int:
    """After how many seeds a plainer design is found out; 0 if never."""
    patch, counted = PLAINER[name]
    with patch():
        for tried, seed in enumerate(seeds, 1):
            if simulate(seed, counted=counted).wrong:
                return tried
    return 0
