"""Times as ISO 8601 text, which many exchanges send: read once per second and remembered."""

from __future__ import annotations

import re
from datetime import datetime

from coattail.errors import MalformedMessage
from coattail.records import micros

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_seconds: dict[str, int] = {}
_CACHED_SECONDS = 4096


def iso_micros(text: str) -> int:
    """µs since 1970 UTC of an ISO 8601 time with its zone; digits beyond µs are cut, never rounded up.

    Raises: MalformedMessage: If it is not such a time.
    """
    fraction = text[20:26]
    if len(text) == 27 and text[19] == "." and text[26] == "Z" and fraction.isdigit() and text.isascii():
        second = _seconds.get(text[:19])
        if second is not None:
            return second + int(fraction)
    parts = _TIME.fullmatch(text)
    if parts is None:
        raise MalformedMessage(f"time is {text[:60]!r}, not ISO 8601 with a zone")
    whole, digits, zone = parts.groups()
    try:
        second = micros(datetime.fromisoformat(whole + zone))
    except (ValueError, OverflowError) as error:
        raise MalformedMessage(f"time is {text!r}: {error}") from error
    if zone == "Z":
        if len(_seconds) >= _CACHED_SECONDS:
            _seconds.clear()
        _seconds[whole] = second
    return second + int((digits or "").ljust(6, "0")[:6])
