"""Format `binance-bulk`: the daily and monthly files `trades` and `aggTrades` of data.binance.vision.

With or without a header, which each line shows. A row of `trades` is id, price, quantity, quote quantity (of
coin-margined futures: base quantity), time, buyer is maker, and for spot best match; one of `aggTrades` is aggregate
id, price, quantity, first id, last id, time, buyer is maker, and for spot best match. Times are ms or µs, known by
their size. The instrument stands in the file's name, the market in its path.

Source: github.com/binance/binance-public-data (README).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from coattail.connectors import CONNECTORS
from coattail.connectors.base import MarketType, UnsupportedMessage
from coattail.connectors.contracts import Listing
from coattail.errors import UsageError
from coattail.recordings.base import Layout, RecordedLine
from coattail.recordings.lines import LineSource
from coattail.recordings.rows import BadRow, binance_micros, garbage, numbered, text_of, trade_id
from coattail.records import Row

_NAME = re.compile(r"([A-Z0-9]+(?:_[A-Z0-9]+)?)-(?:trades|aggTrades)(?:-|\.)", re.ASCII)
_HEADERS = ("id", "tradeid", "aggtradeid")
_SIDES = {"true": "sell", "True": "sell", "TRUE": "sell", "false": "buy", "False": "buy", "FALSE": "buy"}
"""The taker's side by "the buyer is the maker"."""
_FOLDERS: dict[str, MarketType] = {"spot": "spot", "um": "usdm", "cm": "coinm"}


_CONNECTORS = {name: connector for name, connector in CONNECTORS.items() if "binance-bulk" in connector.layouts}
"""Whose files they may be: the first one's unless another is named."""


def is_bulk(lines: Sequence[bytes]) -> bool:
    """Whether the first lines are a header, or a row, of these files."""
    first = lines[0].decode("utf-8", "replace").split(",")
    if _is_header(first):
        return "isbuyermaker" in (_plain(cell) for cell in first)
    try:
        fill(first, Listing("", ""), 0)
    except BadRow:
        return False
    return first[0].isascii() and first[0].isdigit()


def bulk_layout(source: LineSource, lines: Sequence[bytes], *, exchange: str | None, market: MarketType | None,
                symbol: str | None) -> Layout:  # fmt: skip
    """Instrument and market of a file, by the options, its name and folders, and its rows, in this order.

    Raises: UsageError: If none of them says it, or it is a delivery future.
    """
    exchange = exchange or next(iter(_CONNECTORS))
    if exchange not in _CONNECTORS:
        raise UsageError(
            f"{source.path} is a bulk file of Binance, not of {exchange}", next_step="leave out --exchange"
        )
    native = symbol_in(source.member) or symbol_in(source.path.name) if symbol is None else symbol
    if native is None:
        raise UsageError(
            f"{source.path} is a bulk file of Binance, and its name does not say of which symbol",
            next_step="name it as Binance does (BTCUSDT-trades-2024-08-08.zip), or say --symbol BTCUSDT",
        )
    kind = market or market_of(PurePath(source.path.absolute(), source.member.lstrip("/")), native, lines)
    if kind is None:
        raise UsageError(
            f"{source.path} is of Binance, and neither its folders nor its columns say of which market",
            next_step="say --market spot, --market usdm or --market coinm",
        )
    try:
        _CONNECTORS[exchange].listing(native, kind)
    except UnsupportedMessage as error:
        raise UsageError(
            f"{source.path} holds {native}: {error.kind} are not read", next_step="leave it out"
        ) from error
    return Layout(format="binance-bulk", exchange=exchange, market=kind, symbol=symbol)


def symbol_in(name: str) -> str | None:
    """`BTCUSDT` of `BTCUSDT-trades-2024-08-08.zip`, whatever folders stand before it; None where it says none."""
    found = _NAME.match(re.split(r"[/\\]", name)[-1])
    return found[1] if found else None


def market_of(path: PurePath, native: str, lines: Sequence[bytes]) -> MarketType | None:
    """By the symbol (`BTCUSD_PERP`), the nearest folder `spot`, `um` or `cm`, or the column that only spot has."""
    if "_" in native:
        return "coinm" if native.partition("_")[0].endswith("USD") else "usdm"
    for folder in reversed(path.parts[:-1]):
        if folder in _FOLDERS:
            return _FOLDERS[folder]
    for line in lines:
        cells = line.decode("utf-8", "replace").split(",")
        if len(cells) >= 7 and (_plain(cells[-1]) == "isbestmatch" or all(cell in _SIDES for cell in cells[-2:])):
            return "spot"
    return None


def read_bulk(source: LineSource, layout: Layout, wall: int) -> Iterator[RecordedLine]:
    """A frame per line; `wall` is now (µs): no trade arrived later, and none earlier than it happened."""
    connector = _CONNECTORS[layout.exchange]
    member, of = None, Listing(layout.exchange, "")
    unsupported = ""
    for number, line in numbered(source):
        if source.member is not member:
            member = source.member
            native = layout.symbol or symbol_in(member) or symbol_in(source.path.name) or ""
            try:
                of, unsupported = connector.listing(native, layout.market), ""
            except UnsupportedMessage as error:
                unsupported = error.kind
        try:
            cells = text_of(line).split(",")
            if _is_header(cells):
                yield RecordedLine(wall, line, "aside")
            elif unsupported:
                yield RecordedLine(wall, line, "unsupported", unsupported)
            else:
                row = fill(cells, of, wall)
                yield RecordedLine(row.received, line, "row", "", row, of.symbol)
        except BadRow as error:
            yield garbage(source, number, line, error, wall)


def fill(cells: Sequence[str], of: Listing, wall: int) -> Row:
    """The trade of one row.

    Raises: BadRow: If it has other columns, or a field cannot be read.
    """
    count = len(cells)
    side = _SIDES.get(cells[5]) if 6 <= count <= 7 else None
    if side is not None:
        first, last, time = trade_id(cells[0], "id"), None, binance_micros(cells[4])
        quote = None if of.coin_margined else cells[3] or None
    else:
        side = _SIDES.get(cells[6]) if 7 <= count <= 8 else None
        if side is None:
            raise BadRow(
                f"not a row of trades or aggTrades: {count} columns, and none says whether the buyer is the maker"
            )
        first, last, time = trade_id(cells[3], "first id"), trade_id(cells[4], "last id"), binance_micros(cells[5])
        quote = None
        if first is None or last is None:
            first = last = None  # without one of its ends an aggregate has no id at all
        elif last == first:
            last = None
        elif last < first:
            raise BadRow(f"an aggregate that ends before it begins: first id {first}, last id {last}")
    received = wall if time is None or time > wall else time
    row = Row(received, first, last, cells[1] or None, cells[2] or None, quote, side, time)
    return of.row(row)


def _is_header(cells: Sequence[str]) -> bool:
    return bool(cells) and _plain(cells[0]) in _HEADERS


def _plain(name: str) -> str:
    return name.strip("\ufeff ").replace("_", "").lower()
