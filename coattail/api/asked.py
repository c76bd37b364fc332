"""What a request asks for: its parameters as typed values, or why they make no sense."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeVar

import msgspec
from starlette.datastructures import QueryParams

from coattail.alerts import FINAL, PROVISIONAL, SEVERITIES
from coattail.api.refusal import wrong
from coattail.records import when
from coattail.stores.hot import Wanted

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$")]

TYPES = (
    "volume_spike", "volume_drop", "venue_stall", "whale_trade", "spread_divergence", "venue_divergence",
    "stablecoin_depeg",
)  # fmt: skip
"""The types of alerts that the detectors of this version raise; a test holds it against them."""

_CURSOR = re.compile(r"(\d{1,17})\.([0-9a-f]{32})", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,9}", re.ASCII)
_LOST_PLUS = re.compile(r"(T[\d:.]+) (\d\d:?\d\d)$", re.ASCII)
"""A zone whose + came as a space, which it means in an address."""
_AHEAD = timedelta(minutes=1)
"""How far clocks may differ before a time counts as lying in the future."""


class Concerning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which alerts are meant."""

    type: Name | None = None
    """For example `volume_spike`; any without it."""
    symbol: Name | None = None
    """As people write it: `BTC-USDT`, `btcusdt`, `BTC/USDT`; any without it."""
    exchange: Name | None = None
    """For example `binance`, in any case; any without it."""
    severity: Literal["low", "medium", "high", "critical"] | None = None
    """This or above; any without it."""


class AlertsAsked(Concerning, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page of which alerts is meant."""

    status: Literal["provisional", "final", "retracted"] | None = None
    """Without it the alerts that stand: provisional and final ones."""
    since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    """Time of the market: detected then or later. ISO 8601 with a zone, like `2025-03-04T14:00:00Z`."""
    until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    """Time of the market: detected before it."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    """How many alerts a page holds at most."""
    cursor: Annotated[str, msgspec.Meta(max_length=50, pattern=r"^[0-9]{1,17}\.[0-9a-f]{32}$")] | None = None
    """`next_cursor` of the page before: the page after it, whatever has been written meanwhile."""

    def wanted(self, symbol: str | None) -> Wanted:
        """The same for a hot store; `symbol` is the one that was meant."""
        return Wanted(
            alert_type=self.type,
            symbol=symbol,
            exchange=self.exchange and self.exchange.lower(),
            severities=severities(self.severity),
            statuses=(PROVISIONAL, FINAL) if self.status is None else (self.status,),
            since=self.since,
            until=self.until,
            after=None if self.cursor is None else _place(self.cursor),
        )


class Nothing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No parameters."""


T = TypeVar("T", bound=msgspec.Struct)

_PROBLEM = re.compile(r"(.*?)(?: - at `\$\.(\w+)`)?$", re.DOTALL)
_HINTS: Mapping[str, str] = {
    "limit": "give a whole number from 1 to 200",
    "since": "write it like 2025-03-04T14:00:00Z, with a zone",
    "until": "write it like 2025-03-04T14:00:00Z, with a zone",
    "cursor": "give the next_cursor of the page before, as it is",
    "severity": "known: low, medium, high, critical",
    "status": "known: provisional, final, retracted",
}


def asked(kind: type[T], given: QueryParams) -> T:
    """The parameters as `kind`.

    Raises: Refusal: If one is unknown, stands twice, or has a value that does not fit.
    """
    values: dict[str, str | int] = {}
    known = kind.__struct_fields__
    for name, value in given.multi_items():
        if name not in known:
            raise _unknown(name, known)
        if name in values:
            raise wrong(name, f"{name} stands there twice", next_step="give it once")
        if name in ("since", "until"):
            values[name] = _LOST_PLUS.sub(r"\1+\2", value)
        else:
            values[name] = int(value) if name == "limit" and _WHOLE.fullmatch(value) else value
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        found = _PROBLEM.fullmatch(str(error))
        problem, bad = (found[1], found[2] or "") if found else (str(error), "")
        shown = f"{bad}={str(values.get(bad, ''))[:60]}: {problem[:1].lower()}{problem[1:]}"
        raise wrong(bad, shown, next_step=_HINTS.get(bad, "docs/API.md says what fits")) from None


def _unknown(name: str, known: Sequence[str]) -> Exception:
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    step = f"{meant}known: {', '.join(known)}" if known else "there are none here"
    return wrong(name[:60], f"{name[:60]!r} is not a parameter of this", next_step=step)


def severities(least: str | None) -> tuple[str, ...] | None:
    """A severity and those above; None: any."""
    return None if least is None else SEVERITIES[SEVERITIES.index(least) :]


def refuse_times(query: AlertsAsked, newest: Callable[[], datetime | None], now: datetime) -> None:
    """Refuse a stretch of time that holds no alert whatever happens.

    newest: Time of the newest trade; None: of none. now: The clock's.
    Raises: Refusal: If it ends before it begins, or begins after both the newest trade and the clock.
    """
    since, until = query.since, query.until
    if since is not None and until is not None and since >= until:
        raise wrong("until", f"until {_text(until)} is not after since {_text(since)}", next_step="exchange the two")
    if since is not None and since > now + _AHEAD:
        trade = newest()
        if trade is None or since > trade:
            latest = f"the newest trade is of {_text(trade)}" if trade is not None else f"it is {_text(now)}"
            raise wrong("since", f"since {_text(since)} lies in the future: {latest}", next_step="give an earlier time")


def _place(cursor: str) -> tuple[datetime, str]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise wrong("cursor", f"cursor={cursor} is not one", next_step=_HINTS["cursor"])
    return when(int(found[1])), found[2]


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
