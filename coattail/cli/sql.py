"""`coattail sql`: a question in Athena's dialect, answered from the lake."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.output import print_json, print_table
from coattail.errors import UsageError
from coattail.workspace.documents.answers import answer_document, json_cell
from coattail.workspace.text import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from coattail.workspace.queries import QueryResult

_ROWS_SHOWN = 1000
_WIDEST = 120

TextArgument = Annotated[str, typer.Argument(metavar="QUERY", help="One statement; `-` reads it from stdin.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
RowsOption = Annotated[
    int | None,
    typer.Option(
        "--max-rows", min=0, metavar="N", help="Show at most N; 0: all. [default: 1000, all with --csv or --json]"
    ),
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

    JSON: {"columns": [{"name", "type"}], "rows": [{column: value}], "row_count", "truncated", "snapshots",
    "cost": {"query", "place", "bytes", "seconds", "dollars", "priced", "emulated", "note"} of Athena, else null}.
    """
    from coattail.workspace.queries import answer as answered

    if as_csv and as_json:
        raise UsageError("--csv and --json exclude each other")
    query = sys.stdin.read() if text == "-" else text
    most = max_rows if max_rows is not None else 0 if as_csv or as_json else _ROWS_SHOWN
    answer = answered(session.stores(), query, limit=most or None)
    if answer.cost is not None:
        print(answer.cost.said(), file=sys.stderr)
    if as_json:
        print_json(answer_document(answer))
        return
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.table.column_names)
        writer.writerows([_csv_cell(value) for value in row] for row in answer.tuples())
    else:
        _print(answer)
    for table, snapshot in answer.snapshots.items():
        if "@" in table:
            print(f"{table.partition('@')[0]} is read at snapshot {snapshot}", file=sys.stderr)
    if answer.truncated:
        print(f"only the first {most:,} rows are shown; --max-rows 0 shows all", file=sys.stderr)
    elif not as_csv and not answer.table.num_rows:
        print("no rows", file=sys.stderr)


def _print(answer: QueryResult) -> None:
    numbers = [field.name for field in answer.table.schema if _is_number(field.type)]
    rows = ([_cell(value) for value in row] for row in answer.tuples())
    print_table([printable(name) for name in answer.table.column_names], rows, right=numbers)


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _csv_cell(value: Any) -> Any:
    written = json_cell(value)
    return msgspec.json.encode(written).decode() if isinstance(written, (list, dict)) else written


def _cell(value: Any) -> str | None:
    written = _csv_cell(value)
    return None if written is None else printable(str(written), most=_WIDEST)
