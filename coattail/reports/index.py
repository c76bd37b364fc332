"""The pages of a folder on one page: each with its headline and its first drawing, in the frame that they have.

Everything is read from the pages; one that somebody else wrote, or changed, is text and a picture like any other.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from coattail import __version__
from coattail.amounts import count
from coattail.charts.colours import NAMED, TINTS
from coattail.charts.svg import SYMBOLS, drawing_style
from coattail.errors import StoreError
from coattail.markup import Content, Markup, tag, visible
from coattail.reports.blocks import paragraph, section
from coattail.reports.files import is_report, write_page
from coattail.reports.frame import INDEX, MARKET, NOTEBOOK, PageContent, identity, page_around

NAME = "index.html"
_META = re.compile(r'<meta name="(description|coattail:kind|coattail:when)" content="([^"]*)">')
_PICTURE = re.compile(r'<img src="(data:image/svg\+xml,[^"]*)"[^>]*class="still">')
_HERO = re.compile(r'<div class="hero">.*?(<svg class="still".*?</svg>)</div></figure>', re.DOTALL)
_HEIGHT = re.compile(r'height="(\d{1,4})">')
_HEAD = 6000
_MOST_PICTURES, _LONGEST_PICTURE = 24, 60_000
"""With a picture; characters of one."""
_WIDE, _LEFT = 860, 66


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A page of the folder."""

    file: str
    kind: str
    headline: str
    when: str
    picture: str | None
    """Its first drawing, as the address of a picture; None where it has none, or a very large one."""


def rendered(folder: Path) -> list[Rendered]:
    """The pages of the folder: market reports, the newest time first, then notebooks by name.

    Raises: StoreError: If the folder or a file in it cannot be read.
    """
    try:
        files = [path for path in sorted(folder.glob("*.html")) if path.is_file() and is_report(path)]
        found = [_read(path) for path in files if path.name != NAME]
    except OSError as error:
        raise StoreError(f"{folder} cannot be read ({error.strerror or error})") from error
    days = sorted((one for one in found if one.kind == MARKET), key=lambda one: (one.when, one.file), reverse=True)
    return [*days, *(one for one in found if one.kind != MARKET)]


def index_of(pages: list[Rendered]) -> str:
    """The page that lists them."""
    sections = {}
    pictures = 0
    for name, mine in (
        ("Days", [one for one in pages if one.kind == MARKET]),
        ("Notebooks", [one for one in pages if one.kind != MARKET]),
    ):
        cards: list[Content] = []
        for one in mine:
            cards.append(_card(one, pictured=pictures < _MOST_PICTURES))
            pictures += one.picture is not None
        if cards:
            sections[name] = section(identity(name), name, tag("ul", cards, class_="cards"))
    headline = f"{count(len(pages), 'report')} in this folder" if pages else "No report in this folder yet"
    front = [tag("h1", headline), None if pages else paragraph("coattail report day writes one.")]
    return page_around(
        PageContent(
            title="coattail: reports", headline=headline, kind=INDEX, when="", front=front, sections=sections,
            made=f"coattail {__version__}; read from the pages themselves", pictures=True,
        ),
        None,
    )  # fmt: skip


def write_index(folder: Path, *, force: bool = False) -> tuple[list[Rendered], int]:
    """Write index.html of the folder; returns what it lists, and its bytes.

    Raises: UsageError, StoreError: As `files.write_page`.
    """
    pages = rendered(folder)
    return pages, write_page(index_of(pages), folder / NAME, force=force)


def refresh(page: Path) -> None:
    """Write the index of the page's folder anew, where there is one."""
    index = page.parent / NAME
    if page.name != NAME and index.is_file() and is_report(index):
        write_index(page.parent)


def _read(path: Path) -> Rendered:
    text = path.read_text(encoding="utf-8", errors="replace")
    said = {name: html.unescape(value) for name, value in _META.findall(text[:_HEAD])}
    return Rendered(
        file=path.name, kind=said.get("coattail:kind", NOTEBOOK), headline=said.get("description", path.stem),
        when=said.get("coattail:when", ""), picture=_picture(text),
    )  # fmt: skip


def _picture(text: str) -> str | None:
    if (found := _PICTURE.search(text)) is not None:
        source = html.unescape(found[1])
    elif (drawn := _HERO.search(text)) is not None:
        source = "data:image/svg+xml," + quote(_alone(drawn[1]))
    else:
        return None
    return source if len(source) <= _LONGEST_PICTURE else None


def _alone(still: str) -> str:
    """A drawing of a page as a picture of its own: with its size, symbols and colours."""
    height = int(found[1]) if (found := _HEIGHT.search(still)) is not None else 280
    colours = "".join(f"--{name}:{value};" for name, value in NAMED.items())
    colours += "".join(f"--c{place}:{value};" for place, value in enumerate(TINTS))
    inner = tag("svg", Markup(still), x=_LEFT, y=8, width=_WIDE - _LEFT - 14, height=height)
    style = tag("style", Markup(f"svg{{{colours}}}{drawing_style()}.grid{{stroke-opacity:.3}}"))
    return tag(
        "svg", style, SYMBOLS, inner, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {_WIDE} {height + 16}",
        width=_WIDE, height=height + 16,
    )  # fmt: skip


def _card(one: Rendered, *, pictured: bool) -> Markup:
    drawn = one.picture if pictured else None
    link = tag("a", visible(one.headline, most=240), href=quote(one.file))
    return tag(
        "li",
        tag("img", src=drawn, alt="", class_="thumbnail") if drawn is not None else None,
        tag("p", link, class_="message"),
        tag("p", visible(one.when, most=120), class_="note"),
    )
