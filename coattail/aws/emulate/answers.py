"""Rows in the form of Athena's answers: every value as text, a file of them, and pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

_KINDS = {
    "bool": "boolean", "int8": "tinyint", "int16": "smallint", "int32": "integer", "int64": "bigint",
    "float": "float", "double": "double", "date32[day]": "date", "string": "varchar", "binary": "varbinary",
}  # fmt: skip
_TEXT_PRECISION = 2**31 - 1


def column_info(table: pa.Table) -> list[dict[str, Any]]:
    """What `ResultSetMetadata` says of the columns."""
    return [_column(field.name, field.type) for field in table.schema]


def _column(name: str, kind: pa.DataType) -> dict[str, Any]:
    word, precision, scale = _KINDS.get(str(kind), "varchar"), 0, 0
    if pa.types.is_decimal(kind):
        word, precision, scale = "decimal", kind.precision, kind.scale
    elif pa.types.is_timestamp(kind):
        word, precision = ("timestamp" if kind.tz is None else "timestamp with time zone"), 3
    elif pa.types.is_list(kind):
        word = "array"
    elif pa.types.is_struct(kind):
        word = "row"
    elif pa.types.is_map(kind):
        word = "map"
    elif pa.types.is_time(kind):
        word = "time"
    elif word == "varchar":
        precision = _TEXT_PRECISION
    return {
        "CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name, "Type": word,
        "Precision": precision, "Scale": scale, "Nullable": "UNKNOWN", "CaseSensitive": word == "varchar",
    }  # fmt: skip


def rows(table: pa.Table) -> Iterator[tuple[str | None, ...]]:
    """The rows, each value as text; None is null."""
    for batch in table.to_batches(max_chunksize=10_000):
        columns = [[text(value) for value in column.to_pylist(maps_as_pydicts="lossy")] for column in batch.columns]
        yield from zip(*columns, strict=True)


def text(value: Any) -> str | None:
    """A value as Athena writes it."""
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case float():
            return _double(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S.%f}{'' if value.tzinfo is None else ' UTC'}"
        case date():
            return value.isoformat()
        case bytes():
            return value.hex(" ")
        case list():
            return f"[{', '.join(_inner(each) for each in value)}]"
        case dict():
            return f"{{{', '.join(f'{key}={_inner(each)}' for key, each in value.items())}}}"
    return str(value)


def _inner(value: Any) -> str:
    written = text(value)
    return "null" if written is None else written


def _double(value: float) -> str:
    """As Java writes a double: with an exponent from ten millions on, and below a thousandth."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int)
    kept = "".join(map(str, digits)).rstrip("0") or "0"
    return f"{'-' if sign else ''}{kept[0]}.{kept[1:] or '0'}E{exponent + len(digits) - 1}"


def csv(table: pa.Table) -> bytes:
    """The file of an answer: every text in quotes, null as nothing."""
    lines = [_line(table.column_names), *map(_line, rows(table))]
    return "".join(lines).encode()


def _line(values: Sequence[str | None]) -> str:
    return ",".join("" if v is None else '"' + v.replace('"', '""') + '"' for v in values) + "\n"


def page(table: pa.Table, start: int, most: int, *, header: bool) -> tuple[dict[str, Any], int | None]:
    """A page of GetQueryResults from a row on, and where the next one begins; the header is a row of the first page."""
    first = [tuple(table.column_names)] if header and start == 0 else []
    room = most - len(first)
    found = [*first, *rows(table.slice(start, room))]
    data = [{"Data": [{} if v is None else {"VarCharValue": v} for v in row]} for row in found]
    following = start + room
    result = {"ResultSet": {"Rows": data, "ResultSetMetadata": {"ColumnInfo": column_info(table)}}, "UpdateCount": 0}
    return result, following if following < table.num_rows else None
