"""Announced events as people list them: CSV or JSON of symbols and times, each row a label."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from coattail.errors import UsageError
from coattail.recordings.fields import spelled, time_of
from coattail.recordings.rows import BadRow
from coattail.recordings.table import csv_names
from coattail.records import when
from coattail.symbols import base_of, quote_of

FIELDS = ("symbol", "exchange", "time", "hour", "end")
"""What a column of a label file can be."""
_NEEDED = ("symbol", "time")
_USUAL = {
    "symbol": ("symbol", "coin", "ticker", "pair", "market"),
    "exchange": ("exchange", "venue"),
    "time": ("time", "timestamp", "datetime", "date", "start", "announced"),
    "hour": ("hour", "clock"),
    "end": ("end", "until"),
}
"""Field -> the names that its column usually has, the likeliest first; small letters."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MARKET_OF_VENUE = re.compile(r"[_ -]spot$")


@dataclass(frozen=True, kw_only=True)
class Label:
    """An announced event."""

    row: int
    """Its number in the file, from 1; a header does not count."""
    base: str
    """The coin: `BRD`."""
    quote: str | None
    """What it is traded for; None: whatever the recordings have."""
    exchange: str | None
    """In small letters; None: whatever the recordings have."""
    start: datetime
    """When it was announced, UTC."""
    end: datetime | None = None
    """First moment after it; None where the file does not say."""

    def __str__(self) -> str:
        market = self.base if self.quote is None else f"{self.base}-{self.quote}"
        venue = "" if self.exchange is None else f" on {self.exchange}"
        return f"{market}{venue} at {self.start:%Y-%m-%d %H:%M:%S}"


@dataclass(frozen=True, kw_only=True)
class LabelFile:
    """What a label file says."""

    path: Path
    labels: Sequence[Label]
    unreadable: Sequence[tuple[int, str]]
    """(row, why) of those that are no label."""
    columns: Mapping[str, str]
    """Field -> the column that it was read from."""


def read_labels(path: Path, columns: Mapping[str, str] | None = None) -> LabelFile:
    """The labels of a CSV file with a header, or of a JSON file with a list of objects.

    A symbol is a coin (`BRD`), or a market (`BRD-BTC`, `BRD/BTC`). A time is ISO 8601, in UTC where it names no zone,
    or a number since 1970; a date may have its time of day in a column of its own. `columns` says which column is which
    field of `FIELDS`; one that is left out is found by its usual names.

    Raises: UsageError: If the file cannot be read, lacks a column, or has no readable label.
    """
    names, rows = _table(path)
    found = _columns(path, names, columns or {})
    labels: list[Label] = []
    unreadable: list[tuple[int, str]] = []
    for number, row in enumerate(rows, 1):
        try:
            labels.append(_label(number, {field: _text(row.get(column)) for field, column in found.items()}))
        except BadRow as error:
            unreadable.append((number, str(error)))
    if not labels:
        why = f"row {unreadable[0][0]}: {unreadable[0][1]}" if unreadable else "it has no rows"
        raise UsageError(
            f"{path} has no label that can be read ({why})",
            next_step=f"read were the columns {_said(found)}; say others: --label-columns symbol=…,time=…",
        )
    return LabelFile(path=path, labels=labels, unreadable=unreadable, columns=found)


def _table(path: Path) -> tuple[list[str], Iterable[Mapping[str, Any]]]:
    """(column names, rows)."""
    step = "give a CSV file with a header, or a JSON list of objects, with a symbol and a time each"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the labels {path} cannot be read ({error})", next_step=step) from error
    if text.lstrip()[:1] in ("[", "{"):
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            raise UsageError(f"the labels {path} are not JSON ({error})", next_step=step) from error
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise UsageError(f"the labels {path} are JSON, but not a list of objects", next_step=step)
        return list(dict.fromkeys(str(name) for row in found for name in row)), found
    delimiter = csv_names(text.partition("\n")[0].encode())[1]
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    names = [name for name in reader.fieldnames or () if name]
    if len(names) < len(_NEEDED):
        raise UsageError(f"the labels {path} are not a table with a header", next_step=step)
    try:
        return names, list(reader)
    except csv.Error as error:
        raise UsageError(f"the labels {path} are not CSV ({error})", next_step=step) from error


def _columns(path: Path, names: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Field -> column."""
    here = f"the columns there are: {', '.join(names)}"
    if unknown := sorted(set(given) - set(FIELDS)):
        raise UsageError(
            f"--label-columns names no field {', '.join(unknown)}", next_step=f"fields: {', '.join(FIELDS)}"
        )
    if missing := sorted(set(given.values()) - set(names)):
        raise UsageError(f"{path} has no column {', '.join(missing)}", next_step=here)
    by_name = {name.strip().lower(): name for name in reversed(names)}
    found = dict(given)
    for field in FIELDS:
        usual = next((by_name[name] for name in _USUAL[field] if name in by_name), None)
        if field not in found and usual is not None and usual not in found.values():
            found[field] = usual
    if lacking := [field for field in _NEEDED if field not in found]:
        raise UsageError(
            f"nothing says which column of {path} is the {' and the '.join(lacking)}",
            next_step=f"say --label-columns {','.join(f'{field}=…' for field in lacking)} ({here})",
        )
    return found


def _said(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{field}={column}" for field, column in columns.items())


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _label(number: int, cells: Mapping[str, str]) -> Label:
    symbol = spelled(cells["symbol"])
    if not symbol or not base_of(symbol):
        raise BadRow("it names no symbol")
    start = _time(cells["time"], cells.get("hour", ""))
    end = _time(cells["end"], "") if cells.get("end") else None
    if end is not None and end < start:
        raise BadRow(f"it ends at {end}, before it begins at {start}")
    venue = _MARKET_OF_VENUE.sub("", cells.get("exchange", "").lower())
    return Label(
        row=number, base=base_of(symbol), quote=quote_of(symbol) or None, exchange=venue or None, start=start, end=end
    )


def _time(text: str, hour: str) -> datetime:
    if not text:
        raise BadRow("it names no time")
    if hour:
        text = f"{text} {hour}"
    elif _DAY.fullmatch(text):
        raise BadRow(f"{text} is a day, and nothing says at what time of it")
    try:
        return when(time_of(text, None))
    except (OverflowError, ValueError, OSError):
        raise BadRow(f"time is {text[:60]!r}, too far away for one") from None
