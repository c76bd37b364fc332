"""What a cell of a notebook gave, as HTML that does nothing. Pure.

Of several forms of one output the richest that a page can hold: a figure for Plotly with its drawing, a picture, HTML
without anything live, text. What has no such form is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from coattail.markup import Content, Markup, tag, visible
from coattail.reports.bundles import KINDS, Bundle, bundle_for
from coattail.reports.live import LiveFigure, packed_figures
from coattail.reports.prose import cleaned, lines, markdown

PLOTLY, SVG = "application/vnd.plotly.v1+json", "image/svg+xml"
VERIFIED = "application/vnd.coattail.verified+json"
"""What `ws.verify()` gives: it belongs into the page's box, not below its cell."""

_LONGEST = 20_000
"""Characters of one text; what follows is in the notebook."""
_FIGURE_BYTES = 400_000
"""Of all figures together, packed; the rest stay drawings."""
_STILL_BYTES = 420_000
"""Of all drawings together."""


@dataclass
class OnPage:
    """What a page has taken up so far."""

    live: bool
    figures: list[LiveFigure] = field(default_factory=list)
    figure_bytes: int = 0
    still_bytes: int = 0
    verified: Mapping[str, Any] | None = None
    """What `ws.verify()` said last, and how it shows it."""
    verified_words: Markup = field(default_factory=Markup)
    failed: tuple[int, str] | None = None
    """Of the first cell that failed: its number among the code cells, and what it said."""

    @property
    def bundle(self) -> Bundle | None:
        """The plotly.js that the figures need; None where there is none of them."""
        if not self.figures:
            return None
        return bundle_for(set().union(*(figure.kinds for figure in self.figures)))


def outputs_of(cell: Mapping[str, Any], number: int, shown: OnPage) -> Iterator[Markup]:
    """The outputs of a cell of code, the `number`th, in their order."""
    for output in cell.get("outputs") or ():
        kind = output.get("output_type")
        if kind == "stream":
            loud = output.get("name") == "stderr"
            yield tag("pre", _cut(_text(output.get("text"))), class_="stream stderr" if loud else "stream")
        elif kind == "error":
            yield _error(output, number, shown)
        else:
            made = _data(output.get("data") or {}, number, shown)
            if made is not None:
                yield made


def _error(output: Mapping[str, Any], number: int, shown: OnPage) -> Markup:
    said = visible(f"{output.get('ename', 'error')}: {output.get('evalue', '')}".splitlines()[0], most=300)
    if shown.failed is None:
        shown.failed = (number, said)
    trace = "\n".join(map(str, output.get("traceback") or ()))
    return tag(
        "div",
        tag("p", tag("b", said), class_="error"),
        tag("details", tag("summary", "Traceback"), tag("pre", _cut(trace))) if trace else None,
        class_="failed",
    )


def _data(data: Mapping[str, Any], number: int, shown: OnPage) -> Markup | None:
    """One output; None where it stands elsewhere."""
    if VERIFIED in data and isinstance(data[VERIFIED], Mapping):
        shown.verified = data[VERIFIED]
        made = cleaned(_text(data.get("text/html"))[:_LONGEST])
        shown.verified_words = made if made.strip() else tag("pre", _cut(_text(data.get("text/plain"))))
        return None
    words = _text(data.get("text/plain")).strip()
    figure = data.get(PLOTLY)
    if isinstance(figure, Mapping) and isinstance(figure.get("data"), list):
        return _figure(LiveFigure(figure, words), _text(data.get(SVG)), shown)
    if SVG in data:
        return tag("figure", tag("div", _still(_text(data[SVG]), words, shown), class_="canvas whole"))
    for form in ("image/png", "image/jpeg"):
        if form in data:
            encoded = "".join(_text(data[form]).split())
            return tag("figure", _picture(f"data:{form};base64,{encoded}", words, shown))
    if "text/html" in data:
        made = cleaned(_text(data["text/html"])[: 20 * _LONGEST])
        if made.strip():
            return _scrolled(made, number)
    if "text/markdown" in data:
        return _scrolled(markdown(_text(data["text/markdown"])[:_LONGEST]), number)
    text = _text(data.get("text/plain") or data.get("text/latex"))
    if text:
        return tag("pre", _cut(text), class_="stream")
    forms = ", ".join(sorted(map(str, data))) or "nothing"
    return tag("p", f"(An output that a page cannot hold: {visible(forms, most=200)})", class_="note")


def _figure(figure: LiveFigure, svg: str, shown: OnPage) -> Markup:
    """A chart: live where the page may, its drawing beneath; and words where neither can be had."""
    drawing = _still(svg, figure.alt, shown) if svg else None
    why = _why_not_live(figure, shown)
    if why is None:
        shown.figures.append(figure)
        place = tag("div", drawing, class_="canvas whole", data_chart=len(shown.figures) - 1)
        return tag("figure", place, None if drawing is not None else tag("figcaption", visible(figure.alt, most=300)))
    if drawing is None:
        title = figure.figure.get("layout", {}).get("title") or ""
        named = title.get("text", "") if isinstance(title, Mapping) else title
        what = f": {visible(str(named), most=200)}" if named else ""
        return tag(
            "p", f"(A chart without a drawing{what}. It can be seen in the notebook. {why})".strip(), class_="note"
        )
    return tag("figure", tag("div", drawing, class_="canvas whole"), tag("figcaption", why) if why else None)


def _why_not_live(figure: LiveFigure, shown: OnPage) -> str | None:
    """Why a figure is not live on this page, empty where no figure is; None where it is."""
    if not shown.live:
        return ""
    if not KINDS.issuperset(figure.kinds) and bundle_for(figure.kinds) is None:
        kinds = visible(", ".join(sorted(figure.kinds - KINDS)), most=100)
        return f"To be live, {kinds} needs all of plotly.js, which comes with the package plotly: not installed here."
    size = len(packed_figures([figure]))
    if shown.figure_bytes + size > _FIGURE_BYTES:
        return f"With its {size:,} bytes it would make this page too large, so it is not live."
    shown.figure_bytes += size
    return None


def _still(svg: str, words: str, shown: OnPage) -> Markup:
    return _picture("data:image/svg+xml," + quote(svg, safe=" !$()*+,-./:;=?@[]^_`{|}~"), words, shown)


def _picture(source: str, words: str, shown: OnPage) -> Markup:
    """The picture as data: a browser runs nothing that stands in one, and fetches nothing for it."""
    if shown.still_bytes + len(source) > _STILL_BYTES:
        return tag(
            "span", f"(A drawing for which this page has no room: {visible(words, most=300)})", class_="still note"
        )
    shown.still_bytes += len(source)
    return tag("img", src=source, alt=visible(words, most=600), class_="still")


def _scrolled(content: Content, number: int) -> Markup:
    label = f"Output of cell {number}"
    return tag("div", content, class_="output wide-table", tabindex=0, role="region", aria_label=label)


def _cut(text: str) -> Markup:
    if len(text) <= _LONGEST:
        return lines(text)
    return Markup(f"{lines(text[:_LONGEST])}\n… {len(text) - _LONGEST:,} characters more, in the notebook")


def _text(value: Any) -> str:
    """A text of a notebook: one, or a list of its lines."""
    return "".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")
