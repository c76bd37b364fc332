"""Format `table`: how the cells of a table become a trade, whatever file they stood in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from coattail.connectors import CONNECTORS
from coattail.connectors.base import MarketType
from coattail.errors import NotARecording, UsageError
from coattail.recordings.base import FIELDS, Layout, RowHints, TimeUnit, receive_micros
from coattail.recordings.rows import BadRow, whole
from coattail.records import Row, micros
from coattail.symbols import quote_of

_NEEDED = ("time", "price", "quantity")
_EXCHANGE = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
_SYMBOL = re.compile(r"[A-Z0-9]{1,20}-[A-Z0-9]{2,10}(-PERP)?", re.ASCII)
_DIGITS = re.compile(r"(\d{1,19})(?:\.(\d{0,20}))?", re.ASCII)
_UNITS: dict[TimeUnit, int] = {"s": 10**6, "ms": 10**3, "us": 1, "ns": -(10**3)}
_SIDES = {"buy": "buy", "b": "buy", "bid": "buy", "sell": "sell", "s": "sell", "ask": "sell"}
"""Words for what the taker did; a taker who bids buys."""
_BUYER_MAKER = {"true": "sell", "t": "sell", "1": "sell", "false": "buy", "f": "buy", "0": "buy"}
"""What the taker did, by whether the buyer was the maker."""
_NO_SIDE = frozenset({"na", "n/a", "nan", "none", "null", "nil", "unknown", "undefined", "-", "?"})
"""Words that tell nothing: the trade has no side."""
_MAX_INT64 = 2**63 - 1
_VALUE = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?", re.ASCII)
_FLOAT_ID = re.compile(r"(\d{1,19})\.0+", re.ASCII)
_MAX_EXACT_FLOAT = 2**53
_BY_NUMBER = "it has no header: name columns by number, as in --columns time=1,price=2,quantity=3"

_FIRST_SECOND = 1_230_940_800
"""2009-01-03: made ids count their seconds from here, so that they fit 63 bits until 2077."""
_ROW_BITS = 32


def table_layout(path: Path, hints: RowHints, exchange: str | None, market: MarketType | None) -> Layout:
    """Whose table it is.

    Raises: UsageError: If that, or the instrument, was not given.
    """
    if exchange is None:
        raise UsageError(f"{path} is a table, and does not say of which exchange", next_step="say --exchange NAME")
    if not _EXCHANGE.fullmatch(exchange):
        raise UsageError(
            f"--exchange {exchange!r} is not a name", next_step="write it in small letters, digits and _, as kraken"
        )
    if not hints.symbol and "symbol" not in (hints.columns or {}):
        raise UsageError(
            f"{path} is a table, and nothing says which instrument its rows are of",
            next_step="say --symbol BTC-USD, or name the column: --columns symbol=NAME,…",
        )
    if hints.symbol and exchange not in CONNECTORS:  # a connector knows its native names, too
        symbol = spelled(hints.symbol)
        if not _SYMBOL.fullmatch(symbol) or not quote_of(symbol):
            raise UsageError(
                f"--symbol {hints.symbol!r} does not say what is traded for what",
                next_step="write it like BTC-USDT; a perpetual like BTC-USDT-PERP",
            )
    return Layout(format="table", exchange=exchange, market=market or "spot")


def spelled(symbol: str) -> str:
    """A symbol in our letters: `BTC-USDT` of `btc/usdt`."""
    return symbol.upper().replace("/", "-")


def places_of(path: Path, names: Sequence[str], hints: RowHints) -> dict[str, int]:
    """Position of the column of every field.

    Raises: UsageError: If a column is not there, or a field that is needed has none; names the columns that are.
    """
    here = f"the columns there are: {', '.join(names)}"
    if hints.columns is None:
        raise NotARecording(
            f"{path} is a table, and nothing says which column is what",
            next_step=f"say it as --columns time=…,price=…,quantity=…,id=…,side=… ({here})",
        )
    if unknown := sorted(set(hints.columns) - set(FIELDS)):
        raise UsageError(f"--columns names no field {', '.join(unknown)}", next_step=f"fields: {', '.join(FIELDS)}")
    if missing := sorted(set(hints.columns.values()) - set(names)):
        if not is_header(names) and not _is_counted(names):
            raise NotARecording(f"{path} has no column {', '.join(missing)}", next_step=f"{_BY_NUMBER} ({here})")
        raise NotARecording(f"{path} has no column {', '.join(missing)}", next_step=here)
    if all(_VALUE.fullmatch(name) for name in hints.columns.values()) and not _is_counted(names):
        raise NotARecording(f"{path}: what --columns names are values of the first row", next_step=_BY_NUMBER)
    if lacking := [field for field in _NEEDED if field not in hints.columns]:
        raise UsageError(f"--columns does not say which column is {' and '.join(lacking)}", next_step=here)
    if "id" not in hints.columns and not hints.make_ids:
        raise UsageError(
            f"--columns names no trade id for {path}, and without ids nothing tells a repeated trade from a new one",
            next_step=f"name the column (id=…; {here}), or number the rows with --make-ids: then a trade is known "
            "again only in the same file",
        )
    if {"side", "buyer_maker"} <= hints.columns.keys():
        raise UsageError("--columns names both side and buyer_maker", next_step="name one of them: each says all")
    if hints.sides is not None and "side" not in hints.columns:
        raise UsageError(
            "--side says what words mean, and --columns does not say which column they are in",
            next_step="name it: side=COLUMN",
        )
    return {field: list(names).index(column) for field, column in hints.columns.items()}


def is_header(names: Sequence[str]) -> bool:
    """Whether cells are names of columns: none begins as a number does."""
    return not any(name[:1].isdigit() or name[:1] in "-+." for name in names if name)


def by_number(names: Sequence[str], hints: RowHints) -> bool:
    """Whether columns are named by where they stand, from 1 on; `names` are the cells of the first line."""
    named = [*(hints.columns or {}).values()]
    return bool(named) and all(name.isdecimal() for name in named) and not _is_counted(names)


def _is_counted(names: Sequence[str]) -> bool:
    """Whether the names are numbers that count the columns, from 0 or 1 on."""
    filled = [name for name in names if name]
    return filled in ([str(n) for n in range(first, first + len(filled))] for first in (0, 1))


class RowReader:
    """Reads the cells of one table, row after row; numbers them where ids are made."""

    def __init__(self, places: Mapping[str, int], layout: Layout, hints: RowHints, wall: int) -> None:
        self.places = places
        """Field -> where its cell stands; may change between rows."""
        self._layout, self._hints, self._wall = layout, hints, wall
        self._side_field = "buyer_maker" if "buyer_maker" in places else "side"
        self._sides: Mapping[str, str] = _BUYER_MAKER if self._side_field == "buyer_maker" else hints.sides or _SIDES
        self._symbols: dict[str, str] = {}
        self._next: dict[str | None, int] = {}

    def read(self, cells: Sequence[str | None]) -> tuple[Row, str | None]:
        """(row, symbol) of one row's cells, in the order of the columns.

        Raises: BadRow: If a cell cannot be read.
        """
        symbol = self._symbol(self._text(cells, "symbol") or self._hints.symbol)
        time_text = self._text(cells, "time")
        time = None if time_text is None else time_of(time_text, self._hints.time_unit)
        first, last = self._ids(cells, symbol, time)
        return Row(
            self._wall if time is None or time > self._wall else time,
            first,
            last,
            self._text(cells, "price"),
            self._text(cells, "quantity"),
            self._text(cells, "quote_volume"),
            self._side(cells),
            time,
        ), symbol

    def _text(self, cells: Sequence[str | None], field: str) -> str | None:
        place = self.places.get(field)
        return None if place is None else cells[place] or None

    def _side(self, cells: Sequence[str | None]) -> str | None:
        """buy or sell; None where nothing says it; another word of a column `side` as it is: a check rejects it.

        Raises: BadRow: If it is none of the words that were said to be sides.
        """
        word = self._text(cells, self._side_field)
        small = "" if word is None else word.strip().lower()
        if not small or small in _NO_SIDE:
            return None
        if self._sides is not _SIDES and small not in self._sides:
            raise BadRow(f"{self._side_field} is {word!r}, and known are {', '.join(self._sides)}")
        return self._sides.get(small, word)

    def _ids(self, cells: Sequence[str | None], symbol: str | None, time: int | None) -> tuple[int | None, int | None]:
        if self._hints.make_ids:
            return self._made(symbol, time), None
        text, last_text = self._text(cells, "id"), self._text(cells, "last_id")
        first = None if text is None else _id_of(text, "id")
        last = None if last_text is None else _id_of(last_text, "last_id")
        if first is not None and last is not None and last < first:
            raise BadRow(f"it ends before it begins: id {first}, last_id {last}")
        return first, None if last == first else last

    def _made(self, symbol: str | None, time: int | None) -> int | None:
        """The second of the instrument's first row, and the number of the row: rising, and the same every time."""
        made = self._next.get(symbol)
        if made is None:
            if time is None or not _FIRST_SECOND <= time // 10**6 < _FIRST_SECOND + 2**31:
                return None  # the checks reject its time; nothing is counted from it
            made = (time // 10**6 - _FIRST_SECOND) << _ROW_BITS
        self._next[symbol] = made + 1
        return made

    def _symbol(self, text: str | None) -> str | None:
        if text is None:
            return None
        known = self._symbols.get(text)
        if known is None:
            known = self._symbols[text] = self._canonical(text)
        return known

    def _canonical(self, text: str) -> str:
        symbol = spelled(text)
        connector = CONNECTORS.get(self._layout.exchange)
        if connector is None or "-" in symbol or "_" in symbol:
            return symbol
        return connector.listing(symbol, self._layout.market).symbol


def _id_of(text: str, what: str) -> int:
    """A whole number, also as pandas writes one of a column that has a gap: `1234.0`.

    Raises: BadRow: If it is none, or a float that is too large to be exact.
    """
    written = _FLOAT_ID.fullmatch(text)
    if written is None:
        return whole(text, what)
    found = whole(written[1], what)
    if found > _MAX_EXACT_FLOAT:
        raise BadRow(f"{what} is {text[:60]!r}, a float that cannot tell it from its neighbours")
    return found


def time_of(text: str, unit: TimeUnit | None) -> int:
    """µs since 1970 UTC of a number, in its unit or one known by its size, or of ISO 8601; without a zone it is UTC.

    Raises: BadRow: If it is neither.
    """
    number = _DIGITS.fullmatch(text)
    if number is None:
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            raise BadRow(f"time is {text[:60]!r}, neither a number nor ISO 8601") from None
        return micros(when if when.tzinfo else when.replace(tzinfo=UTC))
    if unit is None:
        time = receive_micros(text.removesuffix(".").encode())
    else:
        factor, digits = _UNITS[unit], (number[2] or "").ljust(6, "0")
        time = int(number[1]) // 1000 if factor < 0 else int(number[1]) * factor + int(digits[:6]) * factor // 10**6
    if time is None or time > _MAX_INT64:
        raise BadRow(f"time is {text[:60]!r}, too large for one")
    return time
