"""What the head of a page says of it: the time and symbols it is about, and, where its address is known, Open Graph.

https://ogp.me; a picture must be a raster at an absolute address, so that without an address the tags are left out.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

from coattail.errors import UsageError
from coattail.markup import Markup, join, tag
from coattail.reports.facts import ReportFacts
from coattail.reports.front import Front
from coattail.reports.words import iso
from coattail.share.card import SIZE

_HEAD_CHARACTERS = 20_000
_TITLE, _DESCRIPTION = 70, 100
_NAMED = re.compile(r'<meta name="coattail:(since|until|symbol)" content="([^"]*)">')


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a page is about."""

    since: datetime
    until: datetime
    symbols: tuple[str, ...]


def linked(page: str, facts: ReportFacts, front: Front, *, address: str | None, card: str) -> str:
    """The page, with what it is about in its head; with an `address`, also what shows a link to it.

    address: Of the page itself, as `address_of` gives it. card: The file name of its card, beside it.
    """
    said = [
        tag("meta", name="coattail:since", content=iso(facts.span.since)),
        tag("meta", name="coattail:until", content=iso(facts.span.until)),
        *(tag("meta", name="coattail:symbol", content=symbol) for symbol in facts.symbols),
    ]
    if address is not None:
        said += _open_graph(front, address, f"{address.rpartition('/')[0]}/{quote(card)}")
    before, title, after = page.partition("<title>")
    return f"{before}{join(said)}{title}{after}"


def _open_graph(front: Front, address: str, picture: str) -> list[Markup]:
    tiles = "; ".join(f"{tile.name} {tile.value}" for tile in front.tiles)
    named: dict[str, str | int] = {
        "og:type": "article", "og:site_name": "coattail", "og:url": address,
        "og:title": _cut(front.headline, _TITLE), "og:description": _cut(f"{tiles}.", _DESCRIPTION),
        "og:image": picture, "og:image:type": "image/png", "og:image:width": SIZE[0], "og:image:height": SIZE[1],
        "og:image:alt": front.headline,
    }  # fmt: skip
    return [
        *(tag("meta", property=name, content=value) for name, value in named.items()),
        tag("meta", name="twitter:card", content="summary_large_image"),
    ]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rpartition(' ')[0]}…"


def address_of(base_url: str, page: str) -> str:
    """The address of a page in a folder of the web.

    Raises: UsageError: If the folder's address is not absolute, or names more than a folder.
    """
    url = base_url.strip()
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or any(c in url for c in " <>\"'\\"):
        raise UsageError(
            f"--base-url {base_url!r} is not an absolute address of a folder",
            next_step="write it like https://example.org/reports",
        )
    return f"{url.rstrip('/')}/{quote(page)}"


def subject_of(page: Path) -> Subject:
    """What a page says that it is about.

    Raises: UsageError: If it is not there, or not a report of a day.
    """
    try:
        head = page.read_text(encoding="utf-8", errors="replace")[:_HEAD_CHARACTERS]
    except OSError as error:
        step = f"make it: coattail report day --share --out {page}"
        raise UsageError(f"there is no report {page} ({error.strerror})", next_step=step) from None
    found = [(name, html.unescape(value)) for name, value in _NAMED.findall(head)]
    try:
        times = {name: datetime.fromisoformat(value) for name, value in found if name != "symbol"}
    except ValueError:
        times = {}
    if set(times) != {"since", "until"} or any(time.tzinfo is None for time in times.values()):
        raise UsageError(f"{page} does not say what time it is about", next_step="give a page of coattail report day")
    symbols = tuple(value for name, value in found if name == "symbol")
    return Subject(since=times["since"], until=times["until"], symbols=symbols)
