"""What `coattail run` shows: a table of instruments that changes in place, and alerts above it as they fire."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from coattail.cli.output import print_json_line
from coattail.cli.screen import Screen, repeated

if TYPE_CHECKING:
    from rich.console import RenderableType

    from coattail.workspace.documents.alerts import AlertDocument
    from coattail.workspace.documents.live import ExchangeState, InstrumentState, LineState, ProducerState

_RATE_SECONDS = 10.0
_MOST_ROWS = 24
_MOST_KNOWN = 10_000
_EVERY_MINUTE = 60.0


class Board:
    """Takes the lines of both processes. At a terminal it is drawn anew twice a second; elsewhere a line a minute."""

    def __init__(self, screen: Screen, *, json_lines: bool = False) -> None:
        self._screen, self._json_lines = screen, json_lines
        self._lock = threading.Lock()
        self._states: deque[tuple[float, ProducerState]] = deque(maxlen=600)
        self._engine: Mapping[str, Any] = {}
        self._known: dict[str, AlertDocument] = {}
        """Alerts by id, as they were said last."""
        self._stack = ExitStack()

    def heard(self, part: str, event: Mapping[str, Any]) -> None:
        """Take one line of a process."""
        from coattail.workspace.documents.live import ProducerState

        if self._json_lines:
            print_json_line({"part": part, **event})
        with self._lock:
            if part == "producer" and event["event"] in ("state", "stopped"):
                self._states.append((time.monotonic(), msgspec.convert(event, ProducerState, strict=False)))
            elif part == "engine" and event["event"] == "state":
                self._engine = event
        if part == "engine" and event["event"] == "alert":
            self._show(event)

    def trouble(self, sentence: str) -> None:
        """Say that something went wrong with a process."""
        self._screen.say(f"! {sentence}")

    def _show(self, event: Mapping[str, Any]) -> None:
        """An alert that fired, rose or was taken back; what only changes figures is not shown."""
        from coattail.workspace.documents.alerts import AlertDocument
        from coattail.workspace.standing import is_news

        alert = msgspec.convert(event, AlertDocument, strict=False)
        before = self._known.pop(alert.alert_id, None)
        self._known[alert.alert_id] = alert  # the newest last
        while len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        if is_news(alert, before):
            change = "retracted" if alert.status == "retracted" else "revised" if before is not None else ""
            self._screen.say(self._screen.alert_line(alert, change))

    # -- drawn -------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Board:
        if self._screen.lively:
            from rich.console import Console
            from rich.live import Live

            shown = Live(get_renderable=self.drawn, console=Console(), refresh_per_second=2, transient=True)
            self._stack.enter_context(self._screen.above(shown.console))
            self._stack.enter_context(shown)
        else:
            self._stack.enter_context(repeated(_EVERY_MINUTE, self._say_state))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _say_state(self) -> None:
        for sentence in self.summary():
            self._screen.say(sentence)

    def summary(self) -> list[str]:
        """How both are doing, in a sentence each."""
        from coattail.workspace.documents.live import engine_words, producer_words

        with self._lock:
            newest = self._states[-1][1] if self._states else None
            engine = self._engine
        said = [] if newest is None else [producer_words(newest)]
        return [*said, *([engine_words(engine)] if engine else [])]

    def drawn(self) -> RenderableType:
        """The table of instruments, and how both processes are doing."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        from coattail.workspace.documents.live import engine_words, problems

        with self._lock:
            states, engine = list(self._states), self._engine
        if not states:
            return Text("starting …", style="dim")
        now, state = states[-1]
        then, before = next((s for s in states if now - s[0] <= _RATE_SECONDS), states[0])
        earlier = {(e.exchange, i.symbol): i.trades for e in before.exchanges for i in e.instruments}
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for name in ("exchange", "symbol"):
            table.add_column(name)
        for name in ("price", "trades/s", "last trade", "behind", "missing", "fetched", "lost"):
            table.add_column(name, justify="right")
        table.add_column("feed")
        rows = [(e, i) for e in state.exchanges for i in e.instruments]
        for exchange, instrument in rows[:_MOST_ROWS]:
            line = next(line for line in exchange.lines if instrument.symbol in line.symbols)
            rate = (instrument.trades - earlier.get((exchange.exchange, instrument.symbol), 0)) / max(now - then, 1.0)
            table.add_row(*_cells(exchange, instrument, rate), _feed(line))
        parts: list[RenderableType] = [table]
        if len(rows) > _MOST_ROWS:
            parts.append(Text(f"… and {len(rows) - _MOST_ROWS} more", style="dim"))
        parts += [Text(f"! {problem}", style="yellow") for problem in problems(state)]
        parts.append(Text(engine_words(engine) if engine else "the engine is starting …", style="dim"))
        return Group(*parts)


def _cells(exchange: ExchangeState, instrument: InstrumentState, rate: float) -> Sequence[str]:
    traded, received = instrument.traded, instrument.received
    age = "" if received is None else f"{_span(datetime.now(UTC) - received)} ago"
    behind = "" if traded is None or received is None else _span(received - traded)
    counts = (instrument.missing, instrument.refilled, instrument.lacking)
    return (
        exchange.exchange, instrument.symbol, _short(instrument.price), f"{rate:,.1f}", age, behind,
        *(f"{count:,}" if count else "" for count in counts),
    )  # fmt: skip


def _span(duration: timedelta) -> str:
    """A duration in its largest unit; negative ones, from clocks that differ, too."""
    seconds = duration.total_seconds()
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds * 1000:,.0f} ms"


def _short(price: str | None) -> str:
    """A price without the zeros that exchanges add."""
    return "" if price is None else price.rstrip("0").rstrip(".") if "." in price else price


def _feed(line: LineState) -> str:
    if line.state == "listening":
        again = "" if not line.reconnects else f", {line.reconnects} reconnect{'s' * (line.reconnects > 1)}"
        return f"open{again}"
    return line.state
