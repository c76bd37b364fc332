"""Format `gdax-csv`: Coinbase (GDAX) messages of 2018, flattened to CSV.

Nested fields became Python reprs, and whole numbers of some rows became floats (`41766820.0`). The JSON of a match
is rebuilt from its row, without `_id`, which is a database's id and not part of the message. The file has no
receive time: the trade's own time stands in for it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from coattail.recordings.base import RecordedLine
from coattail.recordings.lines import MAX_LINE
from coattail.records import micros

_MATCH_FIELDS = (
    "type", "trade_id", "maker_order_id", "taker_order_id", "side", "size", "price", "product_id", "sequence", "time",
)  # fmt: skip
_WHOLE_NUMBERS = ("trade_id", "sequence")
_WHOLE = re.compile(r"(\d{1,18})(?:\.0+)?", re.ASCII)


def read_gdax_csv(lines: Iterable[bytes]) -> Iterator[RecordedLine]:
    """A frame per row: a match as the JSON it once was, any other message as an aside."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))  # a book snapshot is one field of 600 kB
    rows = csv.reader(line.decode("utf-8", "backslashreplace").replace("\0", "\\x00") + "\n" for line in lines)
    columns = next(rows, [])
    previous = 0
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield RecordedLine(previous, b"", "garbage", f"a row that is not CSV: {error}")
            continue
        if not cells:
            continue
        row = dict(zip(columns, cells, strict=False))
        if len(cells) != len(columns):
            error_text = f"a row of {len(cells)} fields under a header of {len(columns)}"
            yield RecordedLine(previous, ",".join(cells).encode(), "garbage", error_text)
        elif row["type"] not in ("match", "last_match"):
            yield RecordedLine(previous, _json({"type": row["type"]}), "aside")
        else:
            previous = _micros(row.get("time", "")) or previous
            yield RecordedLine(
                previous, _json({name: _value(name, row[name]) for name in _MATCH_FIELDS if row.get(name)})
            )


def _micros(time: str) -> int | None:
    """None where the text is not a time with a zone: whether that matters, the connector says."""
    try:
        when = datetime.fromisoformat(time)
    except ValueError:
        return None
    return micros(when) if when.tzinfo else None


def _value(name: str, text: str) -> str | int:
    if name in _WHOLE_NUMBERS and (whole := _WHOLE.fullmatch(text)):
        return int(whole[1])
    return text


def _json(message: dict[str, str | int]) -> bytes:
    return msgspec.json.encode(message)
