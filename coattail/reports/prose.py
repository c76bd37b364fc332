"""Text that others wrote, as HTML that does nothing: markdown without HTML of its own, outputs without anything live.

markdown-it-py reads the markdown (CommonMark and tables, HTML off). What is left of any HTML goes through nh3, which
keeps elements from a list, and none of their attributes but those that tables need.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from coattail.errors import CoattailError
from coattail.markup import Markup, escaped, visible

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_TAGS = {
    "p", "div", "span", "b", "strong", "i", "em", "u", "s", "del", "ins", "sub", "sup", "small", "code", "pre", "kbd",
    "samp", "br", "hr", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "h2", "h3", "h4", "h5", "h6", "table",
    "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td", "details", "summary", "abbr", "time",
}  # fmt: skip
_CELL = {"colspan", "rowspan", "scope"}
_RIGHT = re.compile(r'<(t[hd])([^<>]*?) style="text-align:\s*right;?"\s*>')
_STYLED = re.compile(r'<(t[hd])([^<>]*?) style="[^"<>]*"\s*>')
_NUMBER = re.compile(r"<td>(\s*[-+\u2212]?\d[\d,\u202f]*(?:\.\d+)?(?:e[-+]?\d+)?\s?[%kM]?\s*)</td>")
_SHAPE = re.compile(r"<small>shape: \(([\d_]+), ([\d_]+)\)</small>")
_TYPES = re.compile(r"(</tr>)\s*<tr>(?:\s*<td>[^<>]*</td>)+\s*</tr>\s*</thead>")
_QUOTED = re.compile(r"<td>\s*(?:&quot;|\")([^<>]*?)(?:&quot;|\"|(?<=…))\s*</td>")
_SCHEMES = ("https://", "http://", "mailto:", "#")
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")


class NoRenderer(CoattailError):
    """What makes pages of notebooks is not installed."""


@dataclass(frozen=True)
class Passage:
    """A piece of markdown below a heading of its own, or before the first one."""

    heading: str
    """Empty before the first."""
    level: int
    """1 or 2; 0 before the first."""
    html: Markup
    text: str
    """The same as it was written."""


def passages(text: str) -> Iterator[Passage]:
    """The markdown, cut at its headings of the first and second level; each piece that holds something.

    Raises: NoRenderer: If markdown-it-py or nh3 is not installed.
    """
    reader = _markdown()
    tokens, lines = reader.parse(text), text.splitlines()
    cuts = [n for n, token in enumerate(tokens) if token.type == "heading_open" and token.tag in ("h1", "h2")]
    bounds = [*({0} - set(cuts)), *cuts, len(tokens)]
    for begin, end in pairwise(bounds):
        piece = tokens[begin:end]
        headed = begin in cuts
        first = piece[0].map[0] if piece and piece[0].map else 0
        last = tokens[end].map[0] if end < len(tokens) and tokens[end].map else len(lines)  # type: ignore[index]
        written = "\n".join(lines[first:last])
        if headed:
            yield Passage(_plain(piece[1]), int(piece[0].tag[1]), _rendered(reader, piece[3:]), written)
        elif piece:
            yield Passage("", 0, _rendered(reader, piece), written)


def markdown(text: str) -> Markup:
    """The markdown as HTML, without links: for what a notebook printed, not its author wrote."""
    reader = _markdown()
    return cleaned(_rendered(reader, reader.parse(text)))


def cleaned(html: str, *, links: bool = False) -> Markup:
    """The HTML without scripts, styles, pictures, frames, forms and attributes; links only if they are wanted.

    Raises: NoRenderer: If nh3 is not installed.
    """
    try:
        import nh3
    except ImportError as error:
        raise _missing(error) from None
    attributes: dict[str, set[str]] = {"th": _CELL | {"style"}, "td": _CELL | {"style"}}
    clean = nh3.clean(
        html, tags=_TAGS | ({"a"} if links else set()), attributes=attributes | ({"a": {"href"}} if links else {}),
        url_schemes={"http", "https", "mailto"}, clean_content_tags={"script", "style", "template", "title"},
        filter_style_properties={"text-align"},
    )  # fmt: skip
    return _aligned("\n".join(map(visible, clean.expandtabs(4).split("\n"))))


def _aligned(html: str) -> Markup:
    """Clean HTML whose cells that hold a number, or were set to the right, stand to the right; no style is left."""
    right = _RIGHT.sub(r'<\1\2 class="number">', _frames(html))
    return Markup(_NUMBER.sub(r'<td class="number">\1</td>', _STYLED.sub(r"<\1\2>", right)))


def _frames(html: str) -> str:
    """Clean HTML whose Polars frames read like tables: no types below the names, no quotation marks around texts."""
    if not _SHAPE.search(html):
        return html
    plain = _TYPES.sub(r"\1</thead>", _SHAPE.sub(r"<small>\1 rows, \2 columns</small>", html))
    return _QUOTED.sub(r"<td>\1</td>", plain)


def lines(text: str) -> Markup:
    """What a program printed, line by line, without colours; of a line that was written over, what stood last."""
    plain = _ANSI.sub("", text).replace("\r\n", "\n").expandtabs(4)
    return Markup("\n".join(escaped(line.rstrip("\r").rpartition("\r")[2]) for line in plain.split("\n")))


def _rendered(reader: MarkdownIt, tokens: Sequence[Token]) -> Markup:
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{max(int(token.tag[1]), 3)}"
    return cleaned(reader.renderer.render(tokens, reader.options, {}), links=True)


def _plain(token: Token) -> str:
    return "".join(child.content for child in token.children or () if child.type in ("text", "code_inline"))


@cache
def _markdown() -> MarkdownIt:
    try:
        from markdown_it import MarkdownIt
    except ImportError as error:
        raise _missing(error) from None

    def link_open(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: MutableMapping[str, Any]) -> str:
        env["linked"] = str(tokens[at].attrs.get("href", "")).startswith(_SCHEMES)
        return str(renderer.renderToken(tokens, at, options, env)) if env["linked"] else ""

    def link_close(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: MutableMapping[str, Any]) -> str:
        return "</a>" if env["linked"] else ""

    def image(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return f"<em>(picture: {escaped(tokens[at].content)})</em>"  # a page fetches nothing

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    for rule in (link_open, link_close, image):
        reader.add_render_rule(rule.__name__, rule)
    return reader


def _missing(error: ImportError) -> NoRenderer:
    step = "pip install 'coattail[report]'"
    return NoRenderer(f"a page of a notebook needs {error.name}, which is not installed", next_step=step)
