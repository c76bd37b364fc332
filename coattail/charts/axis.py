"""What lies along an axis: times, numbers, or numbers by their logarithm. Names lie along lanes (chart.py)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from coattail.amounts import number, short

_STEPS_SECONDS = (1, 2, 5, 10, 30, *(60 * n for n in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080)))
_DAY_MS = 86_400_000


@dataclass(frozen=True, kw_only=True)
class Axis:
    """How values lie along an axis."""

    kind: Literal["time", "number", "log"] = "number"
    """A time is in ms since 1970, UTC; on a log axis every value is above 0."""
    name: str = ""
    """What the values are, with their unit."""

    def place(self, value: float) -> float:
        """The value where equal distances are equally long."""
        return math.log10(value) if self.kind == "log" else value

    def share(self, value: float, low: float, high: float) -> float:
        """How far from `low` to `high` it lies, 0 to 1."""
        first, last = self.place(low), self.place(high)
        return (self.place(value) - first) / ((last - first) or 1.0)

    def around(self, low: float, high: float) -> tuple[float, float]:
        """Limits a little beyond both, and apart."""
        first, last = self.place(low), self.place(high)
        room = (last - first) * 0.06 or (0.1 if self.kind == "log" else abs(last) * 0.01) or 1.0
        return (10 ** (first - room), 10 ** (last + room)) if self.kind == "log" else (first - room, last + room)

    def ticks(self, low: float, high: float, most: float = 3.5) -> list[tuple[float, str]]:
        """About `most` round values between the two, each with its text."""
        if self.kind == "time":
            return _times(int(low), int(high))
        if self.kind == "log":
            powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            for digits in ((1, 2, 5), (1, 3), (1,)):
                found = [v for p in powers for d in digits if low <= (v := float(f"{d}e{p}")) <= high]
                if len(found) <= 2 * most:
                    break
            if len(found) > 1:
                return [(v, short(v)) for v in found[:: math.ceil(len(found) / (2 * most))]]
        coarse = (high - low) > 0.3 * max(abs(low), abs(high))  # three digits tell the ticks apart
        return [
            (v, number(v) if abs(v) < 10_000 else short(v) if coarse else f"{v:,.0f}") for v in _round(low, high, most)
        ]


TIME, NUMBER = Axis(kind="time", name="UTC"), Axis()


def axis_of(values: list[float], name: str) -> Axis:
    """An axis for these values: by their logarithm where they are above 0 and the largest is 30 times the smallest."""
    wide = bool(values) and min(values) > 0 and max(values) >= 30 * min(values)
    return Axis(kind="log" if wide else "number", name=name)


def _round(low: float, high: float, most: float) -> list[float]:
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * 0.9)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(n * step, 12) + 0.0 for n in range(first, last + 1)]


def _times(since: int, until: int) -> list[tuple[float, str]]:
    """Round times; midnight says the day."""
    seconds = (until - since) / 1000
    step = next((s for s in _STEPS_SECONDS if seconds / s <= 8), math.ceil(seconds / 8 / 86_400) * 86_400) * 1000
    found = []
    for x in range(-(-since // step) * step, until + 1, step):
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=x)
        midnight = when.hour == 0 and when.minute == 0
        first = x - since < 0.999 * (until - since)
        clock = f"{when:%H:%M:%S}" if step < 60_000 else f"{when:%H:%M}"
        found.append(
            (float(x), f"{when:%m-%d}" if step >= _DAY_MS or (midnight and first and not when.second) else clock)
        )
    return found
