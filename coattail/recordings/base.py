"""One line of a recording as a frame, and the times that recorders write in front of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import msgspec

Format = Literal["frames", "cryptofeed", "gdax-csv"]

Market = Literal["spot", "usdm"]

Kind = Literal["message", "aside", "garbage"]
"""`message`: sent by the exchange. `aside`: written by the recorder, or sent to or fetched from the exchange
(configuration, subscriptions, REST bodies). `garbage`: a line that is none of these."""


class Frame(msgspec.Struct, gc=False):
    """One line of a recording."""

    received: int
    """When it arrived, µs since 1970 UTC; of a line without a time, the line before's."""
    data: bytes
    """As received; of garbage, the whole line."""
    kind: Kind = "message"
    error: str = ""
    """Why the line could not be read (garbage only)."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a recording is: its format, whose frames it holds, and of which market where frames do not say."""

    format: Format
    exchange: str
    market: Market = "spot"


_DECIMAL = re.compile(rb"\d{1,19}\.\d{1,20}")
_LARGEST = 2**63 - 1


def receive_micros(text: bytes) -> int | None:
    """µs since 1970 of a time in s, ms, µs or ns, told by its size (10, 13, 16 or 19 digits before the point).

    Fractions are read as decimals, so nothing is lost on the way; digits beyond µs are cut. None: it is no time.
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


def timed_frame(line: bytes, previous: int) -> Frame:
    """The frame of `<time> <message>` or `<time>: <message>`; garbage where the line is not like that."""
    time, _, data = line.partition(b" ")
    received = receive_micros(time.removesuffix(b":"))
    if received is None or received > _LARGEST:
        return Frame(previous, line, "garbage", "the line does not begin with a receive time")
    if not data.strip():
        return Frame(received, line, "garbage", "nothing follows the receive time")
    return Frame(received, data)
