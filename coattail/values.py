"""Values as people write them in a configuration file, read as typed ones: `10s`, `8 MiB`, `2009-01-03`."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from math import isinf
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

T = TypeVar("T")


@dataclass(frozen=True)
class Rule:
    """What a value must satisfy besides its type, as a test and in words."""

    holds: Callable[[Any], bool]
    words: str


class _SizeMark:
    """Marks a number of bytes."""


Positive = Annotated[T, Rule(lambda value: value > type(value)(), "must be above zero")]
NotNegative = Annotated[T, Rule(lambda value: value >= type(value)(), "must not be below zero")]
Fraction = Annotated[float, Rule(lambda value: 0 <= value < 1, "must be at least 0 and below 1")]
Size = Annotated[int, _SizeMark()]
"""Bytes, written as a number or like `64 KiB`, `8 MiB`, `1 GiB`."""
SYMBOL = re.compile(r"[A-Z0-9]+-[A-Z0-9]+(-PERP)?")
Symbol = Annotated[
    str,
    Rule(
        lambda value: SYMBOL.fullmatch(value) is not None,
        "must be a canonical symbol like BTC-USDT or BTC-USDT-PERP",
    ),
]

RestHost = Annotated[
    str,
    Rule(
        lambda value: re.fullmatch(r"https?://[^/\s?#]+(/[^\s?#]*)?", value) is not None,
        "must begin with https:// or http:// and name a host, like https://api.binance.com",
    ),
]
WebSocketHost = Annotated[
    str,
    Rule(
        lambda value: re.fullmatch(r"wss?://[^/\s?#]+(/[^\s?#]*)?", value) is not None,
        "must begin with wss:// or ws:// and name a host, like wss://stream.binance.com:9443",
    ),
]

_DURATION_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|ms|m|s)\s*")
_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?")
_SIZE_UNITS = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def parse_duration(text: str) -> timedelta:
    """The duration that `text` writes: one or more of a number and a unit (`d h m s ms`).

    Raises: ValueError: If it is not one, or longer than `timedelta` can hold.
    """
    total, position, cleaned = timedelta(0), 0, text.strip()
    try:
        while part := _DURATION_PART.match(cleaned, position):
            total += float(part[1]) * _DURATION_UNITS[part[2]]
            position = part.end()
    except OverflowError:
        raise ValueError("must be shorter than 999999999 days") from None
    if not cleaned or position < len(cleaned):
        raise ValueError("must be a duration like 250ms, 10s, 5m, 2h, 1h30m or 7d")
    return total


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads back, to the millisecond: `10s`, `1h30m`, `7d`.

    Raises: ValueError: If it is below zero.
    """
    if duration < timedelta(0):
        raise ValueError(f"{duration} is below zero")
    rest, parts = duration, []
    for name, unit in _DURATION_UNITS.items():
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts) or "0s"


def write_value(value: object) -> object:
    """The value as it would stand in a configuration file."""
    match value:
        case timedelta():
            return format_duration(value)
        case date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case tuple() | list():
            return [write_value(item) for item in value]
    return value


def read_value(value: object, hint: Any) -> Any:
    """`value` as the type `hint`; what has that type already passes.

    Understands bool, int, float, str, Decimal, timedelta, datetime, `Size`, tuples of one type, mappings, unions
    with None, and `Annotated` with a `Rule`.
    Raises: ValueError: If it does not fit; the message goes on after the value ("must be ...").
    """
    if get_origin(hint) is Annotated:
        base, *marks = get_args(hint)
        read = _size(value) if any(isinstance(mark, _SizeMark) for mark in marks) else read_value(value, base)
        for rule in marks:
            if isinstance(rule, Rule) and not rule.holds(read):
                raise ValueError(rule.words)
        return read
    if get_origin(hint) in (Union, types.UnionType):
        if value is None and type(None) in get_args(hint):
            return None
        return read_value(value, next(arg for arg in get_args(hint) if arg is not type(None)))
    if get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError("must be a list")
        return tuple(read_value(item, get_args(hint)[0]) for item in value)
    if isinstance(get_origin(hint), type) and issubclass(get_origin(hint), Mapping):
        if not isinstance(value, Mapping):
            raise ValueError("must be a mapping")
        return value
    reader = _READERS.get(hint)
    return reader(value) if reader else value


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    return parse_duration(value if isinstance(value, str) else "")


def _time(value: object) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("must be a date or time like 2009-01-03 or 2009-01-03T18:15:00Z") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise ValueError("must be a date or time like 2009-01-03 or 2009-01-03T18:15:00Z")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _size(value: object) -> int:
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        return int(match[1]) * _SIZE_UNITS[match[2]]
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("must be a number of bytes, or a size like 64 KiB, 8 MiB or 1 GiB")


def _integer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("must be a whole number")


def _number(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if isinf(value):
            raise ValueError("must be a finite number")
        return float(value)
    raise ValueError("must be a number")


def _decimal(value: object) -> Decimal:
    if isinstance(value, (int, float, str, Decimal)) and not isinstance(value, bool):
        try:
            return Decimal(str(value))
        except InvalidOperation:
            pass
    raise ValueError("must be a number")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("must be text (quote it)")


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("must be true or false")


_READERS: dict[object, Callable[[object], object]] = {
    bool: _truth,
    int: _integer,
    float: _number,
    str: _text,
    Decimal: _decimal,
    timedelta: _duration,
    datetime: _time,
}
