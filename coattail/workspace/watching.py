"""Looking at a home again and again while an engine lands trades: prices, what is new, how far behind it is."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from coattail.alerts import DISCLAIMER, SEVERITIES
from coattail.amounts import count, price, short
from coattail.errors import UsageError
from coattail.stores.served import SYMBOL, SymbolFact, VenueFact, said
from coattail.workspace.alerts import AlertQuery, find
from coattail.workspace.cells import in_cell
from coattail.workspace.documents.alerts import AlertDocument
from coattail.workspace.documents.state import State
from coattail.workspace.opening import Stores
from coattail.workspace.state import state
from coattail.workspace.text import ago, clock, printable

if TYPE_CHECKING:
    from coattail.charts.chart import Panels

_SHOWN = 8
_OLD = timedelta(days=1)
"""A market whose newest trade is older is a recorded or simulated one: it is not late."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Glance:
    """The home at one moment."""

    at: datetime
    state: State
    symbol: str | None
    """Whose prices `picture` shows; None: nothing has landed yet."""
    picture: Panels | None
    venues: tuple[VenueFact, ...]
    """The symbol at each venue, as the engine last said in the hot store; live, that is every five seconds."""
    new: tuple[AlertDocument, ...]
    """Alerts that were not there when looking began, newest first."""
    trades: int
    """That landed since looking began."""

    @property
    def headline(self) -> str:
        """In one sentence."""
        engine = "an engine runs" if self.state.engine.running else "no engine runs"
        said = f"{engine}; {count(self.trades, 'trade')} and {count(len(self.new), 'alert')} since looking began"
        newest = self.state.time.newest_trade
        if newest is None:
            return f"{said}; nothing has landed yet"
        late = self.at - newest
        return f"{said}; the newest trade is of {clock(newest)}" + (f" ({ago(late)})" if late < _OLD else "")

    def _venues(self) -> list[str]:
        return [
            f"{v.exchange} {price(v.price)}"
            + (f", {v.change_1h_pct:+.2f} % in an hour" if v.change_1h_pct is not None else "")
            + f"; {short(v.volume_1h)} traded in an hour"
            + (f"; {v.coverage_pct:g} % of its trade ids are here" if v.coverage_pct is not None else "")
            for v in self.venues
        ]

    def __repr__(self) -> str:
        rows = [f"  {clock(a.detected_at)}  {a.severity:8}  {printable(a.message)}" for a in self.new[:_SHOWN]]
        return "\n".join([self.headline, *(f"  {line}" for line in self._venues()), *rows])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{clock(a.detected_at)}</td><td>{html.escape(a.severity)}</td><td>{html.escape(a.message)}</td></tr>"
            for a in self.new[:_SHOWN]
        )
        said = "".join(f"<li>{html.escape(line)}</li>" for line in self._venues())
        drawn = "" if self.picture is None else self.picture.svg()
        return f"<p>{html.escape(self.headline)}</p><ul>{said}</ul>{drawn}<table>{rows}</table><p>{DISCLAIMER}</p>"


def live(
    stores: Stores,
    *,
    symbol: str | None = None,
    severity: str | None = None,
    refreshes: int | None = None,
    every: timedelta = timedelta(seconds=2),
    length: timedelta = timedelta(hours=1),
    show: Callable[[Glance], None] | None = None,
) -> Glance:
    """Look at the home every few seconds, each look in place of the one before; returns the last. Ctrl-C ends it.

    symbol: Whose prices are drawn; None means the one with most trades of late.
    severity: The least that a new alert must have; None means any.
    refreshes: How often; None means until it is interrupted.
    length: How much of the market the picture shows.
    show: Gets each look; None means the cell of a notebook, or a terminal.
    Raises: UsageError: If a number makes no sense, or the symbol has never been seen.
    """
    if refreshes is not None and refreshes < 1:
        raise UsageError(f"refreshes {refreshes} is below one", next_step="give 1 or more, or None to go on")
    if severity is not None and severity not in SEVERITIES:
        raise UsageError(f"there is no severity {severity!r}", next_step=f"choose one of: {', '.join(SEVERITIES)}")
    wanted = SEVERITIES[SEVERITIES.index(severity) :] if severity else SEVERITIES
    show = show or in_cell() or print
    before, landed = {alert.alert_id for alert in _alerts(stores, wanted)}, _landed(stores)
    seen: Glance | None = None
    pause, looks = threading.Event(), 0
    try:
        while seen is None or refreshes is None or looks < refreshes:
            if seen is not None:
                pause.wait(every.total_seconds())
            new = tuple(alert for alert in _alerts(stores, wanted) if alert.alert_id not in before)
            now = state(stores)
            newest = now.time.newest_trade
            name, picture = (symbol, None) if newest is None else _picture(stores, newest, symbol, length)
            seen = Glance(
                at=datetime.now(UTC), state=now, symbol=name, picture=picture, venues=_venues(stores, name), new=new,
                trades=_landed(stores) - landed,
            )  # fmt: skip
            show(seen)
            looks += 1
    except KeyboardInterrupt:
        if seen is None:
            raise
    return seen


def _alerts(stores: Stores, severities: Sequence[str]) -> list[AlertDocument]:
    found = find(stores, AlertQuery(limit=None), now=datetime.now(UTC))
    return [alert for alert in found if alert.severity in severities]


def _venues(stores: Stores, symbol: str | None) -> tuple[VenueFact, ...]:
    found = said(stores.hot, f"{SYMBOL}{symbol}", SymbolFact)
    return () if found is None else tuple(found[0].venues)


def _landed(stores: Stores) -> int:
    raw = stores.outlines.of("raw_trades").newest
    return 0 if raw is None else raw.total("records")


def _picture(stores: Stores, newest: datetime, symbol: str | None, length: timedelta) -> tuple[str, Panels | None]:
    """The candles of the last stretch of the market, up to the newest trade."""
    from coattail.workspace.candles import candles

    since = newest - length
    found = candles(stores, symbol, timedelta(minutes=1), since=since)
    return found.symbol, found.chart() if len(found) else None
