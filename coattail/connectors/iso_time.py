"""Times as ISO 8601 text, which many exchanges send: read once per second and remembered."""

from __future__ import annotations

import re
from datetime import datetime

from coattail.errors import MalformedMessage
from coattail.records import micros

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_seconds: dict[str, int] = {}
_CACHED_SECONDS = 4096
_SCALES = {27: 1, 26: 10, 25: 100, 24: 1_000, 23: 10_000, 22: 100_000}
"""How long a time with a fraction is -> µs of its last digit: many exchanges leave out zeros at its end."""


def iso_micros(text: str) -> int:
    """µs since 1970 UTC of an ISO 8601 time with its zone; digits beyond µs are cut, never rounded up.

    Raises: MalformedMessage: If it is not such a time.
    """
    scale = _SCALES.get(len(text))
    if scale is not None and text[19] == "." and text[-1] == "Z" and text.isascii():
        second, fraction = _seconds.get(text[:19]), text[20:-1]
        if second is not None and fraction.isdigit():
            return second + int(fraction) * scale
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
