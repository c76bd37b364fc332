"""One line of a recording as a frame, and the times that recorders write in front of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import msgspec

from coattail.connectors.base import MarketType
from coattail.records import Row

Format = Literal["frames", "cryptofeed", "gdax-csv", "binance-bulk", "tardis", "table"]

ROW_FORMATS: tuple[Format, ...] = ("binance-bulk", "tardis", "table")
"""Formats whose files hold rows, one trade each, instead of an exchange's messages."""

LineKind = Literal["message", "row", "aside", "unsupported", "garbage"]
"""`message`: sent by the exchange. `row`: a trade, read already. `aside`: written by the recorder, or sent to or
fetched from the exchange (configuration, subscriptions, REST bodies), or a header. `unsupported`: a trade of a kind
that this version does not read. `garbage`: a line that is none of these."""


class RecordedLine(msgspec.Struct, gc=False):
    """One line of a recording."""

    received: int
    """When it arrived, µs since 1970 UTC; of a line without a time, the line before's."""
    data: bytes
    """As received; of garbage, the whole line."""
    kind: LineKind = "message"
    error: str = ""
    """Why the line could not be read (garbage), or what kind was not read (unsupported)."""
    row: Row | None = None
    """The trade (rows only); `data` is the line it was read from."""
    symbol: str | None = None
    """The trade's canonical symbol (rows only); None where the line has none."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a recording is: its format, whose frames it holds, and of which market where frames do not say."""

    format: Format
    exchange: str
    market: MarketType = "spot"
    symbol: str | None = None
    """The instrument of a file whose rows do not name it, as its exchange writes it (bulk files only)."""


@dataclass(frozen=True, kw_only=True)
class RowHints:
    """What a person says about a file of rows because the file does not."""

    columns: Mapping[str, str] | None = None
    """Which column of the file is which field: `{"time": "ts", "price": "px", …}`; keys are `FIELDS`."""
    symbol: str | None = None
    """The instrument of all rows."""
    time_unit: TimeUnit | None = None
    """Unit of times written as numbers; None tells it from the size of each."""
    make_ids: bool = False
    """Number the rows of an instrument instead of reading trade ids."""
    sides: Mapping[str, str] | None = None
    """Which word of the column `side` is which side, in small letters: `{"0": "buy", "1": "sell"}`."""


FIELDS = ("time", "price", "quantity", "id", "last_id", "side", "buyer_maker", "symbol", "quote_volume")
"""What `RowHints.columns` may name."""

TimeUnit = Literal["s", "ms", "us", "ns"]


_DECIMAL = re.compile(rb"\d{1,19}\.\d{1,20}")
_LARGEST = 2**63 - 1


def receive_micros(text: bytes) -> int | None:
    """µs since 1970 of a time in s, ms, µs or ns, known by its size (10, 13, 16 or 19 digits before the point).

    Fractions are read as decimals, so nothing is lost on the way; digits beyond µs are cut. None: it is not a time.
    """
    if text.isdigit() and len(text) <= 19:
        value = int(text)
        if value >= 10**17:
            return value // 1000
        if value >= 10**14:
            return value
        return value * (1000 if value >= 10**11 else 1_000_000)
    if _DECIMAL.fullmatch(text) is None:
        return None
    exact = Decimal(text.decode())
    unit = Decimal("0.001") if exact >= 10**17 else 1 if exact >= 10**14 else 1000 if exact >= 10**11 else 1_000_000
    return int(exact * unit)


def timed_frame(line: bytes, previous: int) -> RecordedLine:
    """The frame of `<time> <message>` or `<time>: <message>`; garbage where the line is not like that."""
    time, _, data = line.partition(b" ")
    received = receive_micros(time.removesuffix(b":"))
    if received is None or received > _LARGEST:
        return RecordedLine(previous, line, "garbage", "the line does not begin with a receive time")
    if not data.strip():
        return RecordedLine(received, line, "garbage", "nothing follows the receive time")
    return RecordedLine(received, data)
