"""R17: frames of the simulator, broken in every way that chance finds."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from coattail.connectors import CONNECTORS, BaseConnector
from coattail.connectors.base import UnsupportedMessage
from coattail.landing.decode import decode
from coattail.market import Market
from coattail.records import Malformed, Record, Trade
from faults.experiment import Control, Experiment, Outcome, Task
from tests.harness.memory import packs_of

SLOW_S = 0.1
_AT_ONCE = 2_000
"""Accepted records that are packed and decoded together."""
TOKENS = (
    b"null", b"true", b"-1", b"1e308", b"9" * 400, b'"NaN"', b'""', b"[]", b"{}", b"[" * 3_000, b'{"a":' * 500,
    b"\xff\xfe", b"\x00", b'"\\ud800"', b"\n", b"18446744073709551616", b"-0.0", b'"' + b"x" * 70_000 + b'"',
    b'"2099-01-01T00:00:00Z"', b'"0000-00-00T99:99:99Z"', "١٢".encode(), b"1e-400",
)  # fmt: skip


def sound(exchange: str) -> list[bytes]:
    """Some thousand frames as the exchange sends them."""
    market = Market(seed=17, rate=0.3, duration=timedelta(minutes=10))
    spoken = "coinbase" if exchange == "coinbase" else "binance"
    return [f.data for f in market.frames() if f.exchange == spoken]


def mutated(frame: bytes, other: bytes, rng: random.Random) -> bytes:
    """The frame with one to four things done to it."""
    data = bytearray(frame)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        to = min(len(data), at + rng.randint(1, 24))
        way = rng.randrange(8)
        if way == 0 and data:
            data[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
        elif way == 1:
            del data[at:to]
        elif way == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 8))
        elif way == 3:
            data[at:at] = data[at:to]
        elif way == 4:
            data = data[:at]
        elif way == 5:
            data[at:] = other[rng.randrange(len(other)) :]
        else:
            _swap_value(data, rng)
    return bytes(data)


def _swap_value(data: bytearray, rng: random.Random) -> None:
    """Put something else in place of what follows a colon."""
    colons = [place for place, byte in enumerate(data) if byte == 0x3A]
    if colons:
        start = rng.choice(colons) + 1
        ends = [e for e in (data.find(b",", start), data.find(b"}", start)) if e >= 0]
        data[start : min(ends, default=len(data))] = rng.choice(TOKENS)


def run(task: Task) -> Outcome:
    """Some frames per connector."""
    wrong: list[str] = []
    accepted = malformed = unsupported = 0
    slowest = 0.0
    for name, kind in CONNECTORS.items():
        connector, rng, frames = kind(), random.Random(f"{task.seed} {name}"), sound(name)
        waiting: list[Trade] = []
        for number in range(task.size["frames"]):
            frame = mutated(rng.choice(frames), rng.choice(frames), rng)
            records, seconds, problem = _read(connector, frame)
            if seconds > SLOW_S:  # a machine may stutter: the best of four decides
                seconds = min(seconds, *(_read(connector, frame)[1] for _ in range(3)))
            slowest = max(slowest, seconds)
            if problem:
                wrong.append(f"{name}: {problem} from {frame[:80]!r}")
            unsupported += records is None
            malformed += sum(isinstance(r, Malformed) for r in records or ())
            waiting += [r for r in records or () if isinstance(r, Trade)]
            if len(waiting) >= _AT_ONCE or number == task.size["frames"] - 1:
                wrong += [f"{name}: {line}" for line in _round_trips(waiting)]
                accepted, waiting = accepted + len(waiting), []
            if (number + 1) % 50_000 == 0:
                task.say(f"{name}: {number + 1:,} frames, {len(wrong)} faults")
    if slowest > SLOW_S:
        wrong.append(f"a frame took {slowest * 1e3:.0f} ms")
    total = task.size["frames"] * len(CONNECTORS)
    figures = {
        "uncaught": len(wrong), "slowest": f"{slowest * 1e3:.1f} ms", "read as trades": f"{accepted:,}",
        "malformed": f"{malformed:,}", "of another kind": f"{unsupported:,}",
    }  # fmt: skip
    return Outcome(f"{total:,} frames, {len(CONNECTORS)} connectors", figures, wrong, [_trusting(task)])


def _read(connector: BaseConnector, frame: bytes) -> tuple[Sequence[Record] | None, float, str]:
    """Records (None: a kind that is not read), seconds, and what came up uncaught."""
    began = time.perf_counter()
    records: Sequence[Record] | None = []
    problem = ""
    try:
        records = connector.records(frame, 1_741_089_600_000_000, session="fuzz")
    except UnsupportedMessage:
        records = None
    except Exception as error:  # what the experiment is about
        problem = f"{type(error).__name__}: {error}"[:200]
    return records, time.perf_counter() - began, problem


_KEPT = ("exchange", "symbol", "trade_id", "last_trade_id", "price", "quantity", "side", "timestamp", "payload")


def _round_trips(trades: Sequence[Trade]) -> list[str]:
    """Whether trades come out of their packs as they went in."""
    if not trades:
        return []
    decoded = decode(packs_of(trades, 0))
    if decoded.undecodable:
        return [f"{len(decoded.undecodable)} packs cannot be read: {decoded.undecodable[0].error}"]
    back = sorted(decoded.records.select(_KEPT).rows(), key=repr)
    given = sorted((tuple(getattr(t, n) for n in _KEPT) for t in trades), key=repr)
    if back == given:
        return []
    first = next((pair for pair in zip(given, back, strict=False) if pair[0] != pair[1]), (len(given), len(back)))
    return [f"{first[0]} came back as {first[1]}"]


def _trusting(task: Task) -> Control:
    """A parser that takes a frame at its word."""

    def parse(frame: bytes) -> float:
        fields = json.loads(frame)
        fields = fields.get("data", fields)
        return float(fields["p"]) * float(fields["q"])

    reader: Callable[[bytes], float] = parse
    rng, frames, uncaught = random.Random(task.seed), sound("binance"), 0
    for _ in range(1_000):
        try:
            reader(mutated(rng.choice(frames), rng.choice(frames), rng))
        except Exception:
            uncaught += 1
    return Control("json.loads and float()", f"{uncaught} of 1,000 frames raise", uncaught > 0)


R17 = Experiment(
    id="R17",
    does="frames with bits flipped, cut, spliced, repeated, and with values of any kind and length",
    run=run,
    engines=("connectors",),
    seed=17,
    long={"frames": 100_000},
    short={"frames": 3_000},
    short_engines=("connectors",),
)
