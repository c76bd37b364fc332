"""The live page as files: what a server hands out, and what stands beside the JSON files on a static host.

`index.html` names the others by the hash of what is in them, so that these may be kept for ever.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from coattail.charts.colours import ACCENT
from coattail.charts.mark import mark
from coattail.reports.bundles import FILE as PLOTLY

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
"""Content-Security-Policy: everything comes from where the page comes from, and nothing stands in line."""

FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

Data = Literal["api", "files"]
"""Where the page asks: an API beside it, or files data/*.json beside it."""

_SCRIPT = "text/javascript; charset=utf-8"
_GENERATOR, _HEAD_BYTES = b'<meta name="generator" content="coattail live">', 300
_FOLDER = Path(__file__).parent / "page"
_LOOK = Path(__file__).parents[1] / "reports" / "look.css"


@dataclass(frozen=True, kw_only=True)
class PageFile:
    """A file of the page."""

    content: bytes
    gzipped: bytes
    kind: str
    """Content-Type."""
    cache: str
    """Cache-Control."""
    tag: str
    """ETag: names the content."""


@cache
def assets(source: Data = "api") -> Mapping[str, PageFile]:
    """Name -> file; `index.html` is the page."""
    packed = PLOTLY.read_bytes()
    plotly = zlib.decompress(packed, -zlib.MAX_WBITS)
    icon = str(mark(24)).replace("currentColor", ACCENT).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    files = {
        "page.css": _asset(_LOOK.read_bytes() + (_FOLDER / "page.css").read_bytes(), "text/css; charset=utf-8"),
        "page.js": _asset(_script(), _SCRIPT),
        "plotly.js": _asset(plotly, _SCRIPT, gzipped=_gzip(packed, plotly)),
        "icon.svg": _asset(icon.encode(), "image/svg+xml"),
    }
    page = (_FOLDER / "index.html").read_text(encoding="utf-8")
    page = page.replace("MARK", str(mark(22)), 1).replace("POLICY", POLICY, 1)
    page = page.replace('data-source="api"', f'data-source="{source}"', 1)
    named: dict[str, PageFile] = {}
    for name, asset in files.items():
        stem, _, ending = name.partition(".")
        lasting = f"{stem}.{asset.tag}.{ending}"
        page = page.replace(f'"{name}"', f'"{lasting}"')
        named[lasting] = asset
    return {"index.html": _asset(page.encode(), "text/html; charset=utf-8", cache=ASK_AGAIN), **named}


def _script() -> bytes:
    """The page's own JavaScript, all in one scope of its own."""
    parts = [(_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in ("words", "charts", "parts", "page")]
    return "\n".join(['(function () {\n"use strict";', *parts, "})();\n"]).encode()


def is_page(path: Path) -> bool:
    """Whether the file is the live page, of whatever version."""
    with open(path, "rb") as file:
        return _GENERATOR in file.read(_HEAD_BYTES)


def _asset(content: bytes, kind: str, *, gzipped: bytes | None = None, cache: str = FOR_EVER) -> PageFile:
    tag = hashlib.sha256(content).hexdigest()[:12]
    return PageFile(
        content=content, gzipped=gzipped or gzip.compress(content, mtime=0), kind=kind, cache=cache, tag=tag
    )


def _gzip(deflated: bytes, content: bytes) -> bytes:
    """Raw deflate as a gzip file (RFC 1952), without compressing anew."""
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return head + deflated + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFF_FFFF)
