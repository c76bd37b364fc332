"""The page: one HTML file that asks nothing of any network. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from coattail import __version__
from coattail.alerts import DISCLAIMER
from coattail.charts.chart import Detail
from coattail.charts.svg import SYMBOLS
from coattail.markup import Markup, join, tag
from coattail.reports.blocks import Commands, Figures, section
from coattail.reports.bundles import Bundle, hash_of
from coattail.reports.facts import ReportFacts
from coattail.reports.live import packed_data, script, style
from coattail.reports.modules import modules_section
from coattail.reports.ranked import by_severity
from coattail.reports.sections import alerts_section, market_section, orders_section, spreads_section, unjudged_section
from coattail.reports.trust import provenance, quality_section, scorecard_section, verify_section
from coattail.reports.words import headline, range_of

GENERATOR = "coattail report"
"""The generator that a page names; a later report knows by it that it may replace the page."""


LIVE_BYTES, LIGHT_BYTES = 1_150_000, 480_000
"""Bytes; a larger page is drawn again in less detail."""

_LIVE = (
    Detail(points=1500, still_points=400, marks=120, titles=False),
    Detail(points=600, still_points=200, marks=40, titles=False),
    Detail(points=200, still_points=100, marks=10, titles=False),
)
_LIGHT = (
    Detail(points=400, still_points=400, marks=120, titles=True),
    Detail(points=200, still_points=200, marks=40, titles=True),
    Detail(points=100, still_points=100, marks=10, titles=True),
)


def page_of(facts: ReportFacts, commands: Commands, scorecards: Mapping[str, Any], live: Bundle | None) -> str:
    """The whole page; without `live` it has no JavaScript at all."""
    page = ""
    facts = replace(facts, alerts=by_severity(facts.alerts))
    for detail in _LIGHT if live is None else _LIVE:
        page = _page(facts, commands, scorecards, live, Figures(detail))
        if len(page.encode()) <= (LIGHT_BYTES if live is None else LIVE_BYTES):
            break
    return page


def _page(
    facts: ReportFacts, commands: Commands, scorecards: Mapping[str, Any], live: Bundle | None, figures: Figures
) -> str:
    sections = {
        "Alerts": alerts_section(facts, commands),
        **({"Unjudged": unjudged_section(facts)} if facts.abstained else {}),
        **({} if facts.empty else _drawn(facts, figures)),
        "Quality": quality_section(facts, commands, figures),
        "Scorecard": scorecard_section(facts, scorecards),
        "Verify": verify_section(facts, commands),
    }
    links = [tag("a", name, href=f"#{name.lower()}") for name in sections]
    body = tag(
        "body",
        SYMBOLS,
        tag("header", tag("h1", f"What happened: {range_of(facts.span)}"), _first_words(facts),
            tag("p", provenance(facts), class_="soft"), tag("p", DISCLAIMER, class_="soft")),
        tag("nav", links, aria_label="Contents"),
        tag("main", sections.values(), _about_the_drawings(figures, live is not None)),
        _scripts(figures, live) if live is not None else None,
    )  # fmt: skip
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="generator", content=f"{GENERATOR} {__version__}"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(live)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"coattail: {range_of(facts.span)}"),
        tag("style", Markup(style())),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _drawn(facts: ReportFacts, figures: Figures) -> dict[str, Markup]:
    drawn = {
        "Prices": market_section(facts, figures),
        "Spreads": spreads_section(facts, figures),
        "Orders": orders_section(facts, figures),
        "Modules": modules_section(facts, figures),
    }
    return {name: section for name, section in drawn.items() if section is not None}


def _first_words(facts: ReportFacts) -> Markup:
    said = tag("p", headline(facts), class_="headline")
    if facts.alerts.height < 2:
        return said
    return join([said, tag("p", "Above all: ", facts.alerts["message"][0])])


def _policy(live: Bundle | None) -> str:
    """Nothing is fetched from anywhere; only the two scripts whose hashes stand here may run."""
    if live is None:
        return f"default-src 'none'; style-src {hash_of(style().encode())}; base-uri 'none'; form-action 'none'"
    return (
        f"default-src 'none'; script-src {hash_of(script().encode())} {live.hash}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _scripts(figures: Figures, live: Bundle) -> Markup:
    return join(
        [
            tag("script", Markup(packed_data(figures.charts)), type="text/plain", id="charts"),
            tag("script", Markup(live.base64), type="text/plain", id="plotly"),
            tag("script", Markup(script())),
        ]
    )


def _about_the_drawings(figures: Figures, live: bool) -> Markup | None:
    if not figures.charts:
        return None
    detail = figures.detail
    zoomed = f"{detail.points:,} points where it can be zoomed and " if live else ""
    said = (
        f"A line has at most {zoomed}{detail.still_points} {'' if zoomed else 'points '}as a drawing: of more, the "
        "lowest and the highest of each stretch are kept, so that no peak is lost. All times are UTC."
    )
    zoom = (
        "Charts but those of coverage can be zoomed by dragging across them; a double click shows all. " if live else ""
    )
    return section("drawings", "About the drawings", tag("p", zoom, said, class_="note"))
