"""The page around what it says: one HTML file that asks nothing of any network. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coattail import __version__
from coattail.alerts import DISCLAIMER
from coattail.charts.mark import mark
from coattail.charts.svg import SYMBOLS
from coattail.markup import Content, Markup, join, tag
from coattail.reports.bundles import hash_of
from coattail.reports.live import LiveCharts, script, style

GENERATOR = "coattail report"
"""The generator that a page names; a later report knows by it that it may replace the page."""

MARKET, NOTEBOOK, INDEX = "Market report", "Notebook", "Reports"
"""Kinds of pages."""


@dataclass(frozen=True, kw_only=True)
class PageContent:
    """What a page says."""

    title: str
    """Of the window."""
    headline: str
    """What it says in a sentence, for lists of pages."""
    kind: str
    """What sort of page it is, in the bar at the top."""
    when: str
    """What time it is about, in the same bar; may be empty."""
    front: Content
    """The first screen: the headline and what belongs to it."""
    sections: Mapping[str, Markup]
    """Name in the list of contents -> a section, whose id is the name in small letters with hyphens."""
    made: str
    """What it was made from, in one line at the foot."""
    pictures: bool = False
    """Whether it holds pictures, as data in their elements."""


def page_around(sheet: PageContent, live: LiveCharts | None) -> str:
    """The page; without `live` it has no JavaScript at all."""
    links = [tag("a", name, href=f"#{identity(name)}") for name in sheet.sections]
    body = tag(
        "body",
        SYMBOLS,
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag("header", tag("span", mark(22), "coattail", class_="brand"), tag("span", sheet.kind, class_="kind"),
            tag("span", sheet.when, class_="when"), class_="bar"),
        tag("main", tag("div", sheet.front, class_="front"), tag("nav", links, aria_label="Contents"),
            tag("div", sheet.sections.values(), class_="sections"), id="content"),
        tag("footer", tag("p", tag("b", DISCLAIMER)), tag("p", sheet.made)),
        _scripts(live) if live is not None else None,
    )  # fmt: skip
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="generator", content=f"{GENERATOR} {__version__}"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(live, pictures=sheet.pictures)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="description", content=sheet.headline),
        tag("meta", name="coattail:kind", content=sheet.kind),
        tag("meta", name="coattail:when", content=sheet.when),
        tag("title", sheet.title),
        tag("style", Markup(style())),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def identity(name: str) -> str:
    """The id of the section with this name in the list of contents."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _policy(live: LiveCharts | None, *, pictures: bool) -> str:
    """Nothing is fetched from anywhere; only the two scripts whose hashes stand here may run."""
    if live is None:
        shown = " img-src data:;" if pictures else ""
        return f"default-src 'none'; style-src {hash_of(style().encode())};{shown} base-uri 'none'; form-action 'none'"
    return (
        f"default-src 'none'; script-src {hash_of(script().encode())} {live.bundle.hash}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _scripts(live: LiveCharts) -> Markup:
    return join(
        [
            tag("script", Markup(live.data), type="text/plain", id="charts"),
            tag("script", Markup(live.bundle.base64), type="text/plain", id="plotly"),
            tag("script", Markup(script())),
        ]
    )
