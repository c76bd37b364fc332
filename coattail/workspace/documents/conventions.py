"""How values look in JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any

import msgspec

from coattail.values import format_duration


def plain(value: Any) -> Any:
    """`value` of JSON types only: decimals as strings, times as ISO 8601 with Z, durations like `10s`."""
    match value:
        case datetime():
            aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            return aware.replace(tzinfo=None).isoformat() + "Z"
        case date():
            return value.isoformat()
        case timedelta():
            return format_duration(value)
        case Decimal():
            return format(value, "f")
        case float() if not math.isfinite(value):
            return None
        case Enum():
            return plain(value.value)
        case PurePath():
            return str(value)
        case Mapping():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case msgspec.Struct():
            return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return value


def encoded(value: Any, *, indent: int = 0) -> bytes:
    """`value` as JSON by these conventions; `indent` is the number of spaces per level, 0 means one line."""
    written = msgspec.json.encode(plain(value))
    return msgspec.json.format(written, indent=indent) if indent else written
