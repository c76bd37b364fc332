"""`coattail sql`: a question in Athena's dialect, answered from the lake."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.output import print_json, print_table
from coattail.cli.terminal import printable
from coattail.errors import UsageError
from coattail.workspace.documents import plain

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_SHOWN = 1000
_WIDEST = 120

TextArgument = Annotated[str, typer.Argument(metavar="QUERY", help="One statement; `-` reads it from stdin.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
RowsOption = Annotated[
    int | None,
    typer.Option("--max-rows", min=0, help="At most so many; 0: all. [default: 1000, all with --csv or --json]"),
]


@command("sql", examples=['coattail sql "SELECT symbol, count(*) AS trades FROM raw_trades GROUP BY symbol"',
                          'coattail sql "SHOW TABLES"'])  # fmt: skip
def sql(
    session: Session, text: TextArgument, *, as_csv: CsvOption = False, as_json: JsonOption = False,
    max_rows: RowsOption = None,
) -> None:  # fmt: skip
    """Ask the tables a question, in Athena's SQL.

    `SHOW TABLES` and `DESCRIBE alerts` say what there is; docs/SQL.md has questions to start from. Only reading is
    possible.

    JSON: {"columns": [{"name", "type"}], "rows": [{column: value}], "row_count", "truncated", "snapshots"}.
    """
    if as_csv and as_json:
        raise UsageError("--csv and --json exclude each other")
    query = sys.stdin.read() if text == "-" else text
    stores = session.stores()

    import msgspec

    from coattail.sql import SNAPSHOTS, Sql

    most = max_rows if max_rows is not None else 0 if as_csv or as_json else _ROWS_SHOWN
    answer = Sql(stores.lake, stores.hot).query(query, limit=most + 1 if most else None)
    truncated = bool(most) and answer.num_rows > most
    answer = answer.slice(0, most) if truncated else answer
    snapshots = msgspec.json.decode((answer.schema.metadata or {}).get(SNAPSHOTS, b"{}"))
    if as_json:
        _print_json(answer, truncated, snapshots)
        return
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.column_names)
        writer.writerows([_csv_cell(value) for value in row] for row in _rows(answer))
    else:
        numbers = [field.name for field in answer.schema if _is_number(field.type)]
        rows = ([_cell(value) for value in row] for row in _rows(answer))
        print_table([printable(name) for name in answer.column_names], rows, right=numbers)
    for table, snapshot in snapshots.items():
        if "@" in table:
            print(f"{table.partition('@')[0]} is read at snapshot {snapshot}", file=sys.stderr)
    if truncated:
        print(f"only the first {most:,} rows are shown; --max-rows 0 shows all", file=sys.stderr)
    elif not as_csv and not answer.num_rows:
        print("no rows", file=sys.stderr)


def _print_json(answer: pa.Table, truncated: bool, snapshots: dict[str, int]) -> None:
    names = answer.column_names
    print_json(
        {
            "columns": [{"name": field.name, "type": str(field.type)} for field in answer.schema],
            "rows": [dict(zip(names, map(_json_cell, row), strict=True)) for row in _rows(answer)],
            "row_count": answer.num_rows,
            "truncated": truncated,
            "snapshots": {table: str(snapshot) for table, snapshot in snapshots.items()},
        }
    )


def _rows(answer: pa.Table) -> Sequence[tuple[Any, ...]]:
    columns = [column.to_pylist(maps_as_pydicts="lossy") for column in answer.columns]
    return list(zip(*columns, strict=True))


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _json_cell(value: Any) -> Any:
    """A time without a zone stays without one; what JSON has no form for is text."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.isoformat()
    written = plain(value)
    known = written is None or isinstance(written, (str, int, float, list, dict))
    return written if known else str(written)


def _csv_cell(value: Any) -> Any:
    written = _json_cell(value)
    if isinstance(written, (list, dict)):
        import msgspec

        return msgspec.json.encode(written).decode()
    return written


def _cell(value: Any) -> str | None:
    written = _csv_cell(value)
    return None if written is None else printable(str(written), most=_WIDEST)
