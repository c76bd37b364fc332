"""What a recording is, as its first lines show it: format, exchange, market."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

import msgspec

from coattail.connectors import CONNECTORS
from coattail.connectors.base import MarketType
from coattail.errors import DamagedInput, NotARecording, UsageError
from coattail.recordings.base import Format, Layout, RecordedLine, RowHints, receive_micros
from coattail.recordings.bulk import bulk_layout, is_bulk
from coattail.recordings.cryptofeed import NOTE, NOTE_URL, read_json_capture, read_line_capture
from coattail.recordings.fields import is_header, places_of, table_layout
from coattail.recordings.frames import read_frames
from coattail.recordings.gdax import read_gdax_csv
from coattail.recordings.lines import LineSource
from coattail.recordings.table import columns_in, csv_names
from coattail.recordings.tardis import HEADER, tardis_layout

_LINES_FOR_FORMAT = 50
_LONGEST_HEADER = 4096
_LEAST_CELLS = 3
"""Of a row of trades: time, price, quantity."""
_TABLE = re.compile(rb"(?:\xef\xbb\xbf)?[A-Za-z_][\w .()/#-]*(?:[,;\t|][\w .()/#-]+)+")
"""A header: names with a delimiter between them."""
_BYTES_FOR_MARKET = 8 << 20
"""How far the first telling message is looked for: half a minute of a busy book."""

_HOSTS: dict[str, tuple[str, MarketType]] = {}
"""Exchange and market by the domain in a URL."""
_CAPTURES: dict[str, tuple[str, MarketType]] = {}
"""Exchange and market by cryptofeed's name."""
for _name, _connector in CONNECTORS.items():
    _HOSTS |= {host: (_name, market) for host, market in _connector.hosts.items()}
    _CAPTURES |= {called: (_name, market) for called, market in _connector.layouts.get("cryptofeed", {}).items()}


def detect(
    source: LineSource,
    *,
    format: Format | Literal["auto"] = "auto",
    exchange: str | None = None,
    market: MarketType | None = None,
    hints: RowHints | None = None,
) -> Layout | None:
    """What the file holds; what the caller says overrides what the file says. None: it has no lines.

    The format comes from the first lines that look like one; the exchange from a URL, a header or the first
    message that a connector knows for its own; the market from the first message that shows it. Where nothing does,
    it is its connector's default. Messages that say their market themselves are believed later too, whatever was
    found here. A file of rows whose columns are named is a table.

    Raises:
        UsageError: If the file is of no known format, or its messages are of no known exchange.
        DamagedInput: If nothing of it can be read.
    """
    lines = _first_lines(source)
    if not lines:
        return None
    hints = hints or RowHints()
    found = _format(source, lines, hints) if format == "auto" else format
    if found == "table":
        places_of(source.path, columns_in(lines[0], hints)[0], hints)
        return table_layout(source.path, hints, exchange, market)
    if found == "tardis":
        return tardis_layout(source, lines, exchange)
    if found == "binance-bulk":
        return bulk_layout(source, lines, exchange=exchange, market=market, symbol=hints.symbol)
    if found == "gdax-csv" and exchange is None:
        exchange = next(name for name, connector in CONNECTORS.items() if found in connector.layouts)
    if exchange is not None and exchange not in CONNECTORS:
        raise UsageError(f"unknown exchange {exchange!r}", next_step=f"known: {', '.join(CONNECTORS)}")
    if exchange is None and found == "cryptofeed":
        exchange, noted = _noted(source.path, lines)
        market = market or (noted if noted != "spot" else None)  # a recorder may note spot for all markets
    seen = None
    if exchange is None or market is None:
        exchange, seen = _look(reader(found, source, lines[0]), exchange)
    if exchange is None:
        raise UsageError(
            f"{source.path} has format `{found}`, but no message of an exchange that is known here",
            next_step=f"say whose recording it is: {', '.join(CONNECTORS)}",
        )
    return Layout(format=found, exchange=exchange, market=market or seen or CONNECTORS[exchange].market)


def reader(format: Format, lines: Iterable[bytes], first: bytes) -> Iterator[RecordedLine]:
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


def _format(source: LineSource, lines: list[bytes], hints: RowHints) -> Format:
    if hints.columns is not None:
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
        raise NotARecording(
            f"{source.path} is not a recording that is known here, but a table (its columns: {names})",
            next_step="say what they are: --columns time=…,price=…,quantity=…,id=…,side=… --exchange NAME --symbol A-B",
        )
    start = lines[0][:60].decode("utf-8", "backslashreplace")
    if len(cells := csv_names(lines[0])[0]) >= _LEAST_CELLS and not is_header(cells):
        raise NotARecording(
            f"{source.path} is not a recording that is known here, but perhaps a table without a header "
            f"(it begins with {start!r})",
            next_step="say which column is what, by number: --columns time=1,price=2,… --exchange NAME --symbol A-B",
        )
    raise NotARecording(
        f"{source.path} is not a recording that is known here (it begins with {start!r})",
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


def _noted(path: Path, lines: list[bytes]) -> tuple[str | None, MarketType | None]:
    """Exchange and market by what the recorder noted: a header's name, or the host of a URL.

    Raises: UsageError: If it noted only exchanges that no connector speaks for.
    """
    strange = None
    for line in lines:
        header = _header(line)
        if header and header.exchange:
            name, found = header.exchange, _CAPTURES.get(header.exchange)
        elif header is None and (url := NOTE_URL.match(line)):
            name = url[1].decode("ascii", "replace")
            fits = [host for host in _HOSTS if name == host or name.endswith(f".{host}")]
            found = _HOSTS[max(fits, key=len)] if fits else None
        else:
            continue
        if found is not None:
            return found
        strange = strange or name
    if strange is not None:
        raise UsageError(
            f"{path} is a capture of {strange}, whose messages are not read",
            next_step=f"known: {', '.join(CONNECTORS)}",
        )
    return None, None


def _look(frames: Iterable[RecordedLine], exchange: str | None) -> tuple[str | None, MarketType | None]:
    """(exchange, market) as the messages show them; None for what none of the first ones shows."""
    seen = 0
    try:
        for frame in frames:
            seen += len(frame.data)
            if frame.kind == "message":
                exchange = exchange or next((name for name, c in CONNECTORS.items() if c.is_own(frame.data)), None)
                if exchange is not None and (market := CONNECTORS[exchange].market_shown(frame.data)):
                    return exchange, market
            if seen > _BYTES_FOR_MARKET:
                break
    except DamagedInput:
        pass  # reported when the recording is read
    return exchange, None
