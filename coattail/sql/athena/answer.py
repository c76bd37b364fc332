"""Athena's answers, which are text, as the Arrow types that the same statement has here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from coattail.detectors import MODULE_TABLES
from coattail.tables import CORE_TABLES

_UTC = pa.timestamp("us", "UTC")
_MICROSECONDS = len("2025-03-04 12:00:00.123456")
_PLAIN = {
    "boolean": pa.bool_(), "tinyint": pa.int8(), "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64(),
    "float": pa.float32(), "real": pa.float32(), "double": pa.float64(), "date": pa.date32(),
}  # fmt: skip
_BLOCK = 1 << 24
_OUR_LISTS = {
    column.name: pa.list_(pa.int32() if column.type == "list<int>" else pa.int64())
    for table in (*CORE_TABLES, *MODULE_TABLES)
    for column in table.columns
    if column.type in ("list<int>", "list<long>")
}


class AthenaColumn(NamedTuple):
    """A column of an answer: its name, and its type in Athena's words."""

    name: str
    kind: str
    precision: int = 0
    scale: int = 0

    @property
    def athena(self) -> str:
        """The type as DESCRIBE writes it."""
        return f"decimal({self.precision},{self.scale})" if self.kind == "decimal" else self.kind


class AsText:
    """PyAthena's converter that leaves every value as the service wrote it."""

    def convert(self, kind: str, value: str | None, hint: str | None = None) -> str | None:
        """The value."""
        return value

    def get_dtype(self, kind: str, precision: int = 0, scale: int = 0) -> None:
        """No type."""


AS_TEXT = AsText()


def types_of(description: Sequence[Sequence[Any]]) -> list[AthenaColumn]:
    """The columns, from a cursor's description."""
    return [AthenaColumn(one[0], one[1].lower(), one[4] or 0, one[5] or 0) for one in description]


def read_csv(body: Any, width: int) -> list[pa.ChunkedArray]:
    """The columns of an answer's file, as text: an empty cell is null, two quotes are an empty text."""
    names = [str(place) for place in range(width)]
    table = arrow_csv.read_csv(
        pa.PythonFile(body, mode="r"),
        read_options=arrow_csv.ReadOptions(column_names=names, skip_rows_after_names=1, block_size=_BLOCK),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, quoted_strings_can_be_null=False,
            null_values=[""],
        ),
    )  # fmt: skip
    return list(table.columns)


def arrow_table(columns: Sequence[AthenaColumn], values: Sequence[Any]) -> pa.Table:
    """The rows, typed. values: Of each column, as text; none where there are no rows."""
    made, fields = [], []
    for place, column in enumerate(columns):
        text = values[place] if values else []
        whole = text if isinstance(text, pa.ChunkedArray) else pa.chunked_array([pa.array(text, pa.string())])
        typed = _typed(whole, column)
        made.append(typed)
        fields.append(pa.field(column.name, typed.type, metadata={b"athena": column.athena.encode()}))
    return pa.Table.from_arrays(made, schema=pa.schema(fields))


def _typed(text: pa.ChunkedArray, column: AthenaColumn) -> pa.ChunkedArray:
    kind = column.kind
    if kind in _PLAIN:
        return text.cast(_PLAIN[kind])
    if kind == "decimal":
        return text.cast(pa.decimal128(column.precision, column.scale))
    if kind == "timestamp":
        return pc.utf8_slice_codeunits(text, 0, _MICROSECONDS).cast(pa.timestamp("us"))
    if kind == "timestamp with time zone":
        return _moments(text)
    if kind == "varbinary":
        return _each(text, lambda value: bytes.fromhex(value.replace(" ", "")), pa.binary())
    if kind == "array":
        return _lists(text, column.name)
    return text


def _moments(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times with their zone after them, as UTC."""
    if pc.all(pc.ends_with(text, " UTC")).as_py() is not False:
        plain = pc.utf8_slice_codeunits(pc.replace_substring(text, " UTC", ""), 0, _MICROSECONDS)
        return pc.assume_timezone(plain.cast(pa.timestamp("us")), "UTC")
    return _each(text, _moment, _UTC)


def _moment(value: str) -> datetime:
    found = re.fullmatch(r"(\S+ [\d:]+(?:\.\d{1,6})?)\d* ?(\S+)", value)
    if found is None:
        raise ValueError(f"{value!r} is no time with a zone")
    when, zone = datetime.fromisoformat(found[1]), found[2]
    if re.fullmatch(r"[+-]\d\d:\d\d", zone):
        return datetime.fromisoformat(f"{found[1]}{zone}").astimezone(UTC)
    return when.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _lists(text: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Arrays, which Athena writes as `[1, 2]` and `[a, b]` without saying what of. A column of our tables is known by
    its name; others are whole numbers or doubles if all of them look so, else texts, taken apart at `, `.
    """
    values = text.to_pylist()
    try:
        read = [None if v is None else msgspec.json.decode(v, type=list[int | float | None]) for v in values]
    except msgspec.DecodeError:
        inner = [None if value is None else value.removeprefix("[").removesuffix("]") for value in values]
        parts = [None if value is None else [p if p != "null" else None for p in value.split(", ")] for value in inner]
        return pa.chunked_array([pa.array(parts, pa.list_(pa.string()))])
    whole = all(isinstance(one, int) for value in read if value for one in value if one is not None)
    kind = _OUR_LISTS.get(name) or pa.list_(pa.int64() if whole else pa.float64())
    return pa.chunked_array([pa.array(read, kind)])


def _each(text: pa.ChunkedArray, read: Callable[[str], object], kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array([None if v is None else read(v) for v in text.to_pylist()], kind)])
