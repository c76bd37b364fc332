"""`coattail dlq`: the records that were rejected, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import JsonOption, Session, command, group
from coattail.cli.hints import line
from coattail.cli.options import SinceOption
from coattail.cli.output import print_json, print_table
from coattail.workspace.documents import plain
from coattail.workspace.text import printable
from coattail.workspace.times import maybe_when

if TYPE_CHECKING:
    from coattail.workspace.documents.letters import LetterDocument

dlq = group("dlq", "Show rejected records.")

ReasonOption = Annotated[
    str | None,
    typer.Option(
        "--reason", metavar="NAME", help="Show only malformed, incomplete, invalid, stream, alert, or a check's name."
    ),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Show at most N.")]
StreamOption = Annotated[
    str | None,
    typer.Option(
        "--stream", metavar="ID", help="Choose the stream by the beginning of its identity, where two have the key."
    ),
]
KeyArgument = Annotated[str, typer.Argument(metavar="LANE/OFFSET/INDEX", help="The record's key, as `list` shows it.")]


@command("list", under=dlq, examples=["coattail dlq list --limit 5", "coattail dlq list --reason malformed --json"])
def list_(
    session: Session, *, reason: ReasonOption = None, since: SinceOption = None, limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """List rejected records, newest files first.

    --since goes by the day on which the record was rejected, whatever its hour.

    JSON: {"records": [...], "count", "has_more"}; see docs/CLI.md.
    """
    from coattail.workspace.letters import rejected

    start = maybe_when(since, "--since")
    stores = session.stores()
    found = rejected(stores, reason=reason, since=start, limit=limit)
    if as_json:
        print_json(found)
    elif not found.records:
        print("no rejected records")
    else:
        columns = ["key", "rejected as", "reasons", "exchange", "symbol", "trade id", "received", "payload"]
        print_table(columns, map(_row, found.records))
        if found.has_more:
            print("there are more; --limit shows them")
        print(f"whole: {line(stores.home.path, 'dlq', 'show', found.records[0].key)}")


@command("show", under=dlq, examples=["coattail dlq show 12/3.0/45"])
def show(session: Session, key: KeyArgument, *, stream: StreamOption = None, as_json: JsonOption = False) -> None:
    """Show one rejected record with everything that is known about it.

    A stream that was made anew gives its keys again: then the newest record is shown, unless --stream chooses one.

    JSON: {"record": {...}}; see docs/CLI.md.
    """
    from coattail.workspace.letters import letters_of

    record, *others = letters_of(session.stores(), key, stream=stream)
    if as_json:
        print_json({"record": record})
        return
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if name != "payload" and value is not None:
            print(f"{name:14} {_text(value)}")
    print(f"payload\n{printable(record.payload or '')}")
    if others:
        streams = ", ".join(str(other.stream) for other in others)
        print(f"older records of other streams have the same key; --stream chooses one: {streams}")


def _text(value: object) -> str:
    return ", ".join(map(_text, value)) if isinstance(value, list) else printable(str(plain(value)))


def _row(record: LetterDocument) -> tuple[str, ...]:
    names = ("key", "rejected_as", "reasons", "exchange", "symbol", "trade_id", "received")
    cells = [_text("-" if (value := getattr(record, name)) is None else value) for name in names]
    return (*cells, printable(record.payload or "-", most=60))
