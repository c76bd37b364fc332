"""Muting alerts for a while, and acknowledging them. They stay in the tables and in every list, marked."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

from coattail.errors import UsageError
from coattail.home import Home
from coattail.stores.opening import open_replies
from coattail.stores.replies import Mute
from coattail.values import Symbol, read_value
from coattail.workspace.documents.replies import AcknowledgementDocument, MuteDocument, MutesDocument, muted_words
from coattail.workspace.opening import Stores
from coattail.workspace.text import clock


def mute(
    home: Home,
    symbol: str | None = None,
    *,
    type: str | None = None,
    exchange: str | None = None,
    until: datetime | None = None,
    now: datetime | None = None,
) -> MuteDocument:
    """Have nothing sent of some alerts from now on, until a time (None: until they are unmuted).

    symbol, type, exchange: None means any; without all three and without `until`, nothing is meant.
    Raises: UsageError: If it is about nothing, the type or the exchange is unknown, or `until` has passed. HomeError:
    If the home is read-only.
    """
    now = now or datetime.now(UTC)
    symbol, type, exchange = _checked(symbol, type, exchange)
    if until is None and symbol is type is exchange is None:
        raise UsageError(
            "mute what?", next_step="name a symbol, a type or an exchange, or say for how long everything is muted"
        )
    if until is not None and until <= now:
        raise UsageError(f"until {clock(until)} has passed", next_step="give a time to come, or a duration: --for 2h")
    wish = Mute(symbol=symbol, alert_type=type, exchange=exchange, since=now, until=until)
    with closing(open_replies(_writable(home), writable=True)) as replies:
        replies.mute(wish)
    return _document(wish)


def unmute(
    home: Home,
    symbol: str | None = None,
    *,
    type: str | None = None,
    exchange: str | None = None,
    now: datetime | None = None,
) -> MutesDocument:
    """End the mute of exactly these alerts; returns those that still hold.

    Raises: UsageError: If there is no such mute. HomeError: If the home is read-only.
    """
    now = now or datetime.now(UTC)
    symbol, type, exchange = _checked(symbol, type, exchange)
    with closing(open_replies(_writable(home), writable=True)) as replies:
        ended = replies.unmute(symbol=symbol, alert_type=type, exchange=exchange, now=now)
        left = [_document(one) for one in replies.mutes() if one.holds(now)]
    if not ended:
        here = "; ".join(one.words() for one in left) or "nothing is"
        raise UsageError(f"{muted_words(symbol, type, exchange)}: not muted as such", next_step=f"muted: {here}")
    return MutesDocument(mutes=left)


def mutes(stores: Stores, *, now: datetime | None = None) -> MutesDocument:
    """The mutes that hold now, the newest first."""
    now = now or datetime.now(UTC)
    return MutesDocument(mutes=[_document(one) for one in stores.marks().mutes if one.holds(now)])


def acknowledge(
    stores: Stores, identity: str, *, note: str | None = None, now: datetime | None = None
) -> AcknowledgementDocument:
    """Note that somebody has seen the alert whose id begins with `identity`; nothing more is sent of it.

    note: A word about it, which replaces an earlier one; None means none.
    Raises: UsageError: If no alert's id begins so, or several do. HomeError: If the home is read-only.
    """
    now = now or datetime.now(UTC)
    home = _writable(stores.home)
    found = _identified(stores, identity, now)
    with closing(open_replies(home, writable=True)) as replies:
        replies.acknowledge(found, note=note, now=now)
    return AcknowledgementDocument(alert_id=found, at=now, note=note)


def _identified(stores: Stores, identity: str, now: datetime) -> str:
    from coattail.stores.current import identified
    from coattail.tables import ALERTS

    recent = {stored.alert.alert_id for stored in stores.hot.alerts(now=now)}
    return identified(
        identity, recent, lambda: recent | set(stores.lake.scan(ALERTS, columns=("alert_id",))["alert_id"])
    )


def _writable(home: Home) -> Home:
    return Home.open(home.path, write=True)


def _checked(symbol: str | None, type: str | None, exchange: str | None) -> tuple[str | None, str | None, str | None]:
    """The three as tables write them."""
    symbol, exchange = symbol and symbol.upper(), exchange and exchange.lower()
    if symbol is not None:
        try:
            read_value(symbol, Symbol)
        except ValueError as error:
            raise UsageError(f"symbol {symbol!r} {error}") from None
    if type is not None:
        from coattail.detectors import ALERT_TYPES

        if type not in ALERT_TYPES:
            raise UsageError(f"type {type!r} is unknown", next_step=f"known: {', '.join(ALERT_TYPES)}")
    if exchange is not None:
        from coattail.connectors import CONNECTORS

        if exchange not in CONNECTORS:
            raise UsageError(f"exchange {exchange!r} is unknown", next_step=f"known: {', '.join(sorted(CONNECTORS))}")
    return symbol, type, exchange


def _document(mute: Mute) -> MuteDocument:
    return MuteDocument(
        symbol=mute.symbol, type=mute.alert_type, exchange=mute.exchange, since=mute.since, until=mute.until
    )
