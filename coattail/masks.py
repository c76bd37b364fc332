"""Settings as they may be printed: what a sink keeps secret is masked, and credentials of the lake are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from coattail.values import write_value

_SAID = frozenset(
    {"kind", "template", "types", "symbols", "exchanges", "min_severity", "provisional", "retractions", "rises",
     "max_delay", "max_per_minute", "attempts", "timeout", "shell"}
)  # fmt: skip
"""Keys of a sink that hold nothing secret; whatever another one holds (or a misspelt one) is masked."""
_CREDENTIAL = re.compile(r"secret|token|password|credential|account-key|connection-string")
"""In the name of a property of PyIceberg: `s3.secret-access-key`, `token`, `adls.account-key`."""
MASK = "***"


def shown(path: Sequence[str], written: object) -> object:
    """A value as it may be printed: as it is written, but for what is secret."""
    if path[0] == "lake" and len(path) > 1 and _CREDENTIAL.search(path[1]):
        return MASK
    if tuple(path[:2]) != ("notify", "sinks") or (len(path) > 3 and path[3] in _SAID):
        return write_value(written)
    return _masked(written)


def _masked(written: object) -> object:
    match written:
        case Mapping():
            return {name: _masked(inner) for name, inner in written.items()}
        case list() | tuple():
            return [_masked(inner) for inner in written]
        case str() if written.startswith(("env:", "file:")):
            return written
        case str() if "://" in written:
            url = urlsplit(written)
            return f"{url.scheme}://{url.hostname}/{MASK}"
    return MASK


def is_secret(path: Sequence[str], written: object) -> bool:
    """Whether something of the value is masked where it is shown."""
    return shown(path, written) != write_value(written)
