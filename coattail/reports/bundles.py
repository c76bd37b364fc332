"""plotly.js inside a page: the small bundle that comes with this package, or the whole one of the package plotly.

The small one, `plotly.js-finance-dist-min` from npm, MIT licence beside it, draws lines, bars, candles and a few more
(1.28 MB; 0.57 MB in a page). Compressed once by tools/plotly_bundle.py; a test unpacks it and looks at its hash.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "plotly-finance.js.deflate"
"""The small bundle, raw deflate."""

VERSION = "4.1.0"
HASH = "'sha256-mZP21X/9UtdBep6JtmZnn/aQeOfCgWtDq57N6p+kcJ0='"
"""Of the small bundle's text."""

KINDS = frozenset(
    ("bar", "candlestick", "funnel", "funnelarea", "histogram", "indicator", "ohlc", "pie", "scatter", "waterfall")
)
"""Types of traces that the small bundle draws."""


@dataclass(frozen=True)
class Bundle:
    """plotly.js, compressed (raw deflate) and in base64, and the hash of its text for a Content-Security-Policy."""

    base64: str
    hash: str


def bundle_for(kinds: Collection[str]) -> Bundle | None:
    """The smallest plotly.js at hand that draws traces of these types.

    None where only the whole one would, and plotly is not installed; the package itself is never imported.
    """
    return small() if KINDS.issuperset(kinds) else whole()


@cache
def small() -> Bundle:
    """The bundle that comes with this package."""
    return Bundle(base64.b64encode(FILE.read_bytes()).decode(), HASH)


@cache
def whole() -> Bundle | None:
    """The plotly.js of the package plotly: 4.8 MB, 2.0 MB in a page; None where it is not installed."""
    found = importlib.util.find_spec("plotly")
    path = None if found is None or found.origin is None else Path(found.origin).parent / "package_data/plotly.min.js"
    if path is None or not path.exists():
        return None
    text = path.read_bytes().decode().replace("\r\n", "\n").encode()
    return Bundle(packed(text), hash_of(text))


def packed(text: bytes) -> str:
    """The text compressed (raw deflate), in base64: nothing in it can end a script element."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(compressor.compress(text) + compressor.flush()).decode()


def hash_of(text: bytes) -> str:
    """The hash by which a Content-Security-Policy names a script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"
