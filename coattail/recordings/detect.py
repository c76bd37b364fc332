"""What a recording is, told from its first lines: format, exchange, market."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal, get_args

import msgspec
from msgspec import UNSET

from coattail.errors import DamagedInput, UsageError
from coattail.recordings.base import Format, Frame, Layout, Market, Told, receive_micros
from coattail.recordings.bulk import bulk_layout, is_bulk
from coattail.recordings.cryptofeed import NOTE, read_json_capture, read_line_capture
from coattail.recordings.fields import places_of, table_layout
from coattail.recordings.frames import read_frames
from coattail.recordings.gdax import read_gdax_csv
from coattail.recordings.lines import LineSource
from coattail.recordings.table import csv_names
from coattail.recordings.tardis import HEADER, tardis_layout

_LINES_FOR_FORMAT = 50
_LONGEST_HEADER = 4096
_TABLE = re.compile(rb"(?:\xef\xbb\xbf)?[A-Za-z_][\w .()/#-]*(?:[,;\t|][\w .()/#-]+)+")
"""A header: names with a delimiter between them."""
_BYTES_FOR_MARKET = 8 << 20
"""How far the first telling message is looked for: half a minute of a busy book."""

_HOSTS: tuple[tuple[bytes, str, Market], ...] = (
    (b"binance.us", "binance_us", "spot"),
    (b"dstream.binance.com", "binance", "coinm"),
    (b"dapi.binance.com", "binance", "coinm"),
    (b"fstream.binance.com", "binance", "usdm"),
    (b"fapi.binance.com", "binance", "usdm"),
    (b"binance.", "binance", "spot"),
    (b"coinbase.com", "coinbase", "spot"),
)
"""Exchange and market by what stands in a URL; the first that fits."""

_NAMES: dict[str, tuple[str, Market]] = {
    "BINANCE": ("binance", "spot"),
    "BINANCE_FUTURES": ("binance", "usdm"),
    "BINANCE_DELIVERY": ("binance", "coinm"),
    "BINANCE_US": ("binance_us", "spot"),
    "COINBASE": ("coinbase", "spot"),
}
"""Exchange and market by cryptofeed's name."""


def detect(
    source: LineSource,
    *,
    format: Format | Literal["auto"] = "auto",
    exchange: str | None = None,
    market: Market | None = None,
    told: Told | None = None,
) -> Layout | None:
    """What the file holds; what the caller says goes before what the file says. None: it has not one line.

    The format comes from the first lines that look like one; the exchange from a URL, a header or the first
    message that shows it; the market from the first telling message: a Binance futures trade carries `X`, a spot
    trade `M`, a futures aggregate neither. Where nothing tells, it is spot. Frames that say their market
    themselves are believed later too, whatever was found here. A file of rows whose columns are told is a table.

    Raises:
        UsageError: If the file is of no known format, or its messages are of no known exchange.
        DamagedInput: If nothing of it can be read.
    """
    lines = _first_lines(source)
    if not lines:
        return None
    told = told or Told()
    found = _format(source, lines, told) if format == "auto" else format
    if found == "table":
        places_of(source.path, csv_names(lines[0])[0], told)
        return table_layout(source.path, told, exchange, market)
    if found == "tardis":
        return tardis_layout(source, lines, exchange)
    if found == "binance-bulk":
        return bulk_layout(source, lines, exchange=exchange or "binance", market=market, symbol=told.symbol)
    if found == "gdax-csv":
        return Layout(format=found, exchange=exchange or "coinbase")
    noted = _noted(lines) if found == "cryptofeed" else None
    if noted and (noted[0] != "binance" or noted[1] != "spot"):
        return Layout(format=found, exchange=exchange or noted[0], market=market or noted[1])
    name, seen = (exchange, market) if exchange and market else _look(reader(found, source, lines[0]))
    name = exchange or (noted[0] if noted else name)
    if name is None:
        raise UsageError(
            f"{source.path} has format `{found}`, but no message of an exchange that is known here",
            next_step="say whose recording it is: binance, binance_us or coinbase",
        )
    return Layout(format=found, exchange=name, market=market or seen or "spot")


def reader(format: Format, lines: Iterable[bytes], first: bytes) -> Iterator[Frame]:
    """The frames of lines in this format; `first` is the first line that is not blank."""
    if format == "gdax-csv":
        return read_gdax_csv(lines)
    if format == "frames":
        return read_frames(lines)
    return read_json_capture(lines) if first.lstrip().startswith(b"{") else read_line_capture(lines)


def first_line(source: LineSource) -> bytes:
    """The first line that is not blank; empty where there is none."""
    return next(iter(_first_lines(source, 1)), b"")


def _first_lines(source: LineSource, count: int = _LINES_FOR_FORMAT) -> list[bytes]:
    lines: list[bytes] = []
    try:
        lines.extend(islice((line for line in source if line and not line.isspace()), count))
    except DamagedInput:
        if not lines:
            raise
    return lines


def _format(source: LineSource, lines: list[bytes], told: Told) -> Format:
    if told.columns is not None:
        return "table"
    for line in lines:
        if NOTE.match(line) or _entry_kind(line) is not None:
            return "cryptofeed"
        time, _, message = line.partition(b" ")
        if receive_micros(time.removesuffix(b":")) is not None and message.lstrip()[:1] in (b"{", b"["):
            return "frames"
    if {"type", "trade_id", "product_id", "price", "size", "time"} <= set(csv_names(lines[0])[0]):
        return "gdax-csv"
    if lines[0] == HEADER:
        return "tardis"
    if is_bulk(lines):
        return "binance-bulk"
    if len(lines[0]) < _LONGEST_HEADER and _TABLE.fullmatch(lines[0]):
        names = ", ".join(csv_names(lines[0])[0])
        raise UsageError(
            f"{source.path} is no recording that is known here, but a table (its columns: {names})",
            next_step="say what they are: --columns time=…,price=…,quantity=…,id=…,side=… --exchange NAME --symbol A-B",
        )
    start = lines[0][:60].decode("utf-8", "backslashreplace")
    raise UsageError(
        f"{source.path} is no recording that is known here (it begins with {start!r})",
        next_step=f"name a file of format {', '.join(get_args(Format))}, or say its format if the beginning is damaged",
    )


class _Header(msgspec.Struct):
    t: str
    exchange: str | None = None


def _header(line: bytes) -> _Header | None:
    try:
        return msgspec.json.decode(line, type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _entry_kind(line: bytes) -> str | None:
    header = _header(line)
    return header.t if header and header.t in ("header", "http", "connect", "send", "recv") else None


def _noted(lines: list[bytes]) -> tuple[str, Market] | None:
    """Exchange and market by what the recorder noted: a header's name, or the host of a URL."""
    for line in lines:
        header = _header(line)
        if header and header.exchange in _NAMES:
            return _NAMES[header.exchange]
        if header is None and NOTE.match(line):
            url = line.split(b" ", 1)[0]
            for part, exchange, market in _HOSTS:
                if part in url:
                    return exchange, market
    return None


_FUTURES_ONLY = ("bookTicker", "markPriceUpdate", "forceOrder")
"""Kinds that only futures name: the book ticker of spot has no `e`."""


_Any = msgspec.Raw | msgspec.UnsetType


class _Inner(msgspec.Struct):
    e: str | None = None
    X: _Any = UNSET
    M: _Any = UNSET
    pu: _Any = UNSET


class _Message(_Inner):
    data: _Any = UNSET
    stream: str | None = None
    lastUpdateId: _Any = UNSET
    type: str | None = None
    product_id: str | None = None
    sequence_num: int | None = None


def _look(frames: Iterable[Frame]) -> tuple[str | None, Market | None]:
    """(exchange, market) as the messages show them; None for what none of the first ones shows."""
    exchange: str | None = None
    seen = 0
    try:
        for frame in frames:
            seen += len(frame.data)
            if frame.kind == "message":
                name, market = _shown(frame.data)
                exchange = exchange or name
                if market or exchange == "coinbase":
                    return exchange, market
            if seen > _BYTES_FOR_MARKET:
                break
    except DamagedInput:
        pass  # told when the recording is read
    return exchange, None


def _shown(message: bytes) -> tuple[str | None, Market | None]:
    try:
        outer = msgspec.json.decode(message, type=_Message)
        inner = outer if isinstance(outer.data, msgspec.UnsetType) else msgspec.json.decode(outer.data, type=_Inner)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, None
    if outer.product_id or outer.type == "subscriptions" or outer.sequence_num is not None:
        return "coinbase", None
    if inner.e is None:
        return ("binance" if outer.stream or outer.lastUpdateId is not UNSET else None), None
    spot = inner.M is not UNSET
    futures = inner.X is not UNSET or inner.pu is not UNSET or inner.e in _FUTURES_ONLY
    if futures or (inner.e == "aggTrade" and not spot):
        return "binance", "usdm"
    return "binance", "spot" if spot or inner.e == "depthUpdate" else None
