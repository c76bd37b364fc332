"""`coattail mute`, `unmute`, `mutes` and `ack`: what people say of alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.errors import UsageError
from coattail.values import parse_duration
from coattail.workspace.times import maybe_when

if TYPE_CHECKING:
    from coattail.workspace.documents.replies import MutesDocument

SymbolArgument = Annotated[str | None, typer.Argument(metavar="[SYMBOL]", help="This symbol only, like BTC-USDT.")]
KindOption = Annotated[str | None, typer.Option("--type", metavar="TYPE", help="This type only, like volume_spike.")]
VenueOption = Annotated[
    str | None, typer.Option("--exchange", metavar="NAME", help="This exchange only, like binance.")
]
ForOption = Annotated[str | None, typer.Option("--for", metavar="DURATION", help="For this long: 30m, 2h, 3d.")]
EndOption = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Until this time: ISO 8601 (UTC).")]
AlertArgument = Annotated[str, typer.Argument(metavar="ALERT_ID", help="The alert's id, or its beginning.")]
NoteOption = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="Remember this with it.")]


@command("mute", examples=["coattail mute BTC-USDT --for 2h", "coattail mute --type whale_trade"])
def mute(
    session: Session,
    symbol: SymbolArgument = None,
    *,
    type_: KindOption = None,
    exchange: VenueOption = None,
    for_: ForOption = None,
    until: EndOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send nothing of some alerts for a while.

    They are still stored and listed, marked as muted. Without --for and --until, until `coattail unmute`. With neither
    a symbol, a type nor an exchange, everything is muted.

    JSON: {"symbol", "type", "exchange", "since", "until"}.
    """
    from coattail.cli.output import print_json
    from coattail.workspace import replies

    now = datetime.now(UTC)
    if for_ is not None and until is not None:
        raise UsageError("--for and --until both say when it ends", next_step="give one of them")
    end = maybe_when(until, "--until", now=now) if for_ is None else now + _duration(for_)
    made = replies.mute(session.home(write=True), symbol, type=type_, exchange=exchange, until=end, now=now)
    print_json(made) if as_json else print(f"muted: {made.words()}")


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--for {text!r} {error}") from None


@command("unmute", examples=["coattail unmute BTC-USDT", "coattail unmute --type whale_trade"])
def unmute(
    session: Session,
    symbol: SymbolArgument = None,
    *,
    type_: KindOption = None,
    exchange: VenueOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a mute, given as `coattail mutes` lists it.

    JSON: {"mutes": [{"symbol", "type", "exchange", "since", "until"}]}, those that still hold.
    """
    from coattail.workspace import replies

    _show(replies.unmute(session.home(write=True), symbol, type=type_, exchange=exchange), as_json)


@command("mutes", examples=["coattail mutes", "coattail mutes --json"])
def mutes(session: Session, *, as_json: JsonOption = False) -> None:
    """List what is muted now, and until when.

    JSON: {"mutes": [{"symbol", "type", "exchange", "since", "until"}]}.
    """
    from coattail.workspace import replies

    _show(replies.mutes(session.stores()), as_json)


def _show(found: MutesDocument, as_json: bool) -> None:
    from coattail.cli.output import print_json

    print_json(found) if as_json else print(found)


@command("ack", examples=["coattail ack 3fa9c1d20b7e", "coattail ack 3fa9c1d20b7e --note 'a listing'"])
def ack(session: Session, identity: AlertArgument, *, note: NoteOption = None, as_json: JsonOption = False) -> None:
    """Note that an alert was seen; lists and reports show it.

    Nothing more is sent of it: neither a delivery that waits, nor that its severity rises or that it is taken back.

    JSON: {"alert_id", "at", "note"}.
    """
    from coattail.cli.output import print_json
    from coattail.workspace import replies

    done = replies.acknowledge(session.stores(), identity, note=note)
    print_json(done) if as_json else print(done)
