"""Which trades are here over time, drawn with characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from coattail.amounts import count
from coattail.errors import UsageError
from coattail.workspace.shown import Displayed, Folded
from coattail.workspace.text import clock, draws

if TYPE_CHECKING:
    from coattail.charts.chart import Chart
    from coattail.reports.strips import Strip

PIPED = 100
"""Columns where there is no terminal."""
_LEAST = 20
_BLOCKS = {"live": "█", "fetched": "▒", "gap": "\u2573", "unobserved": "·", "": " "}
_LETTERS = {"live": "#", "fetched": "+", "gap": "X", "unobserved": ".", "": " "}
_COLOURS = {"fetched": "cyan", "gap": "bold red", "unobserved": "bright_black"}
_STEPS_SECONDS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
)  # fmt: skip
_LABEL = 12
"""Columns between two times of the axis, at least."""


@dataclass(frozen=True, repr=False)
class Timeline(Displayed):
    """A line of cells for each instrument; prints as `coattail coverage` draws it."""

    since: datetime | None
    until: datetime | None
    """Both None: nothing is known."""
    strips: Sequence[Strip]
    """All of the same number of cells."""

    def said(self) -> list[str]:
        """What `words` says; a notebook shows it as it is drawn."""
        return [Folded(self.words().split("\n"))]

    def chart(self) -> Chart:
        """The same as a chart, to look at in a notebook.

        Raises: UsageError: If nothing is known about this time.
        """
        from coattail.charts.chart import Chart, ms
        from coattail.charts.svg import height_of
        from coattail.reports.facts import Span
        from coattail.reports.strips import STRIP_WORDS, lanes_of

        if self.since is None or self.until is None or not self.strips:
            raise UsageError("nothing is known about this time", next_step="ask for another, or land trades first")
        lanes = lanes_of(self.strips, Span(since=self.since, until=self.until))
        missing = [lane.name for lane in lanes if any(kind == "gap" for *_, kind in lane.stretches)]
        seen = {kind for lane in lanes for *_, kind in lane.stretches}
        kinds = ", ".join(said for kind, said in STRIP_WORDS.items() if kind in seen)
        said = f"Trades are missing of {', '.join(missing)}." if missing else "None has a gap."
        return Chart(
            title=f"Which trades are here: {kinds or 'none'}", unit="", lanes=lanes,
            since=ms(self.since), until=ms(self.until), height=height_of(len(lanes)),
            alt=f"{count(len(lanes), 'instrument')} from {clock(self.since)} to {clock(self.until)}. {said}",
        )  # fmt: skip

    def words(self, *, terminal: bool = False) -> str:
        """The drawing: a line for each instrument, the times, and what the characters mean. `terminal`: in colour."""
        if self.since is None or self.until is None or not self.strips:
            return "nothing is known about this time"
        from rich.console import Console
        from rich.text import Text

        from coattail.reports.strips import STRIP_WORDS

        signs = _BLOCKS if draws("".join(_BLOCKS.values())) else _LETTERS
        names = [f"{strip.exchange} {strip.symbol}" for strip in self.strips]
        margin = max(map(len, names)) + 2
        drawn = Text()
        for name, strip in zip(names, self.strips, strict=True):
            drawn.append(name.ljust(margin))
            for cell in strip.cells:
                drawn.append(signs[cell], _COLOURS.get(cell))
            drawn.append("\n")
        cells = len(self.strips[0].cells)
        drawn.append(" " * margin + _axis(self.since, self.until, cells) + "\n")
        drawn.append("   ".join(f"{signs[state]} {said}" for state, said in STRIP_WORDS.items()))
        each = (self.until - self.since) / cells
        drawn.append(f"\nfrom {clock(self.since)} to {clock(self.until)}, a column is {_long(each)}")
        if not terminal:
            return "\n".join(line.rstrip() for line in drawn.plain.splitlines())
        console = Console(soft_wrap=True, force_jupyter=False)
        with console.capture() as captured:
            console.print(drawn, end="")
        return captured.get()


def cells_within(columns: int, names: Sequence[str]) -> int:
    """How many cells fit beside the names of the instruments."""
    return max(columns - max(map(len, names), default=0) - 3, _LEAST)


def _axis(since: datetime, until: datetime, cells: int) -> str:
    """Round times, each at its column: `|12:00`; midnight says the day."""
    start, length = since.timestamp(), (until - since).total_seconds()
    rough = length * _LABEL / cells
    step = next((s for s in _STEPS_SECONDS if s >= rough), math.ceil(rough / 86_400) * 86_400)
    line = ""
    for second in range(math.ceil(start / step) * step, math.floor(start + length) + 1, step):
        when = datetime.fromtimestamp(second, UTC)
        midnight = when.hour == when.minute == when.second == 0
        said = f"|{when:%m-%d}" if midnight else f"|{when:%H:%M:%S}" if step < 60 else f"|{when:%H:%M}"
        place = int((second - start) / length * cells)
        if place + len(said) <= cells:
            line = line.ljust(place) + said
    return line


def _long(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
