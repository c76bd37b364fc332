"""What others must know about a detector, as data: the nouns of its alerts, what they find, what it measures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import msgspec

Steps = tuple[tuple[str, float], ...]
"""(label, from this value on), rising."""
Place = Literal["market", "order", "asset", "every asset", "stablecoin", "venue"]
"""What an alert and an event must have in common: exchange and symbol; these, and the taker's side and the size of one
order; the base asset; nothing more; the symbol of a stablecoin against the dollar, at any venue; the exchange."""

EVERY_MARKET = "ALL"
"""The symbol of an alert about every market of a venue."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The kind of event in the simulator's truth (`coattail.market.truth`) that alerts of a type find.

    An alarm finds an event of its place that it overlaps: from `before` its `detected_at` until `after` it.
    """

    kind: str
    place: Place
    before: timedelta
    after: timedelta = timedelta(0)
    every: timedelta
    """From one moment at which such an alarm can come to the next."""
    sizes: Steps
    """By which recall is broken down."""
    lengths: Steps
    """The same, in seconds; of orders, in fills."""
    size_name: str
    length_name: str
    never_by: tuple[str, ...] = ()
    """Kinds of events that do not excuse an alarm that found nothing."""


@dataclass(frozen=True, kw_only=True)
class AlertType:
    """A type of alert."""

    name: str
    one: str
    """What one such alert is about, as a noun: `large order`."""
    many: str
    marks: Literal["price", "volume"] | None = None
    """On which chart of its market a report marks it; None: on none."""
    answer: Answer | None = None
    """What it finds in a simulated market; None: nothing that is planted there."""
    also: tuple[Answer, ...] = ()
    """What it finds besides, in the same place and time."""

    @property
    def answers(self) -> tuple[Answer, ...]:
        """All that it finds."""
        return () if self.answer is None else (self.answer, *self.also)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """The column of a module's table that is drawn over time, and what it is."""

    column: str
    title: str
    """For example `volume per minute`."""
    unit: str = ""


class Details:
    """An alert's details, and which of them were asked for."""

    _TIMES = ("window_start", "window_end", "last_window_end", "timestamp", "fired")
    """Numbers that the message already gives."""

    def __init__(self, text: str) -> None:
        self.all: Mapping[str, Any] = _read(text)
        self.used: set[str] = set(self._TIMES)

    def get(self, key: str) -> float | None:
        """The number under a key; None where there is none."""
        self.used.add(key)
        value = self.all.get(key)
        try:
            found = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
        except ValueError:
            return None
        return found if math.isfinite(found) else None

    def text(self, key: str) -> str:
        """Whatever is under a key, as text."""
        self.used.add(key)
        return str(self.all.get(key))

    def pass_over(self, *keys: str) -> None:
        """Leave these out: the message gives them, or they are of no use to a person."""
        self.used.update(keys)


def _read(text: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {"details": text}
    return found if isinstance(found, dict) else {"details": found}
