"""A day on one page: what stands first, then sections in the reader's order. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from coattail.charts.chart import Detail
from coattail.markup import Content, Markup, tag
from coattail.reports.alerts import alerts_section, unjudged_section
from coattail.reports.blocks import Commands, Figures, section
from coattail.reports.bundles import Bundle
from coattail.reports.facts import ReportFacts
from coattail.reports.frame import MARKET, PageContent, page_around
from coattail.reports.front import Front, front_of
from coattail.reports.live import LiveCharts, figure_in_page
from coattail.reports.modules import modules_section
from coattail.reports.ranked import by_severity
from coattail.reports.sections import market_section, orders_section, spreads_section
from coattail.reports.trust import provenance, quality_section, scorecard_section, verify_section

LIVE_BYTES, LIGHT_BYTES = 1_150_000, 480_000
"""Bytes; a larger page is drawn again in less detail."""

_LONG = 100
"""Characters of a headline; a longer one is set smaller."""
_HERO_MARKS = 30
"""On the first chart, which is to be understood at a glance."""

_LIVE = (
    Detail(points=1500, still_points=400, marks=120, titles=False),
    Detail(points=600, still_points=200, marks=40, titles=False),
    Detail(points=200, still_points=100, marks=10, titles=False),
)
_LIGHT = (
    Detail(points=400, still_points=400, marks=120, titles=True),
    Detail(points=200, still_points=200, marks=40, titles=True),
    Detail(points=80, still_points=80, marks=6, titles=True),
)


def page_of(facts: ReportFacts, commands: Commands, scorecards: Mapping[str, Any], bundle: Bundle | None) -> str:
    """The whole page; without a bundle it has no JavaScript at all."""
    page = ""
    facts = replace(facts, alerts=by_severity(facts.alerts))
    for detail in _LIGHT if bundle is None else _LIVE:
        page = _page(facts, commands, scorecards, bundle, Figures(detail))
        if len(page.encode()) <= (LIGHT_BYTES if bundle is None else LIVE_BYTES):
            break
    return page


def _page(
    facts: ReportFacts, commands: Commands, scorecards: Mapping[str, Any], bundle: Bundle | None, figures: Figures
) -> str:
    front = front_of(facts)
    first = _first_screen(front, figures)
    sections = {
        "Alerts": alerts_section(facts, commands),
        **({"Unjudged": unjudged_section(facts)} if facts.abstained else {}),
        **({} if facts.empty else _drawn(facts, figures)),
        "Quality": quality_section(facts, figures),
        "Scorecard": scorecard_section(facts, scorecards),
        "Verify": verify_section(facts, commands),
    }
    if figures.charts:
        sections["Drawings"] = _about_the_drawings(figures, bundle is not None)
    sheet = PageContent(
        title=f"coattail: {front.when}", headline=front.headline, kind=MARKET, when=front.when, front=first,
        sections=sections, made=provenance(facts),
    )  # fmt: skip
    live = None if bundle is None else LiveCharts([figure_in_page(chart) for chart in figures.charts], bundle)
    return page_around(sheet, live)


def _first_screen(front: Front, figures: Figures) -> list[Content]:
    tiles = [
        tag("div", tag("dt", tile.name), tag("dd", tile.value, class_="value"), tag("dd", tile.note))
        for tile in front.tiles
    ]
    return [
        tag("h1", front.headline, class_="long" if len(front.headline) > _LONG else None),
        tag("p", "Above all: ", front.lead, class_="lead") if front.lead else None,
        tag("dl", tiles, class_="tiles"),
        tag("div", figures.add(front.hero, marks=_HERO_MARKS), class_="hero") if front.hero is not None else None,
    ]


def _drawn(facts: ReportFacts, figures: Figures) -> dict[str, Markup]:
    drawn = {
        "Prices": market_section(facts, figures),
        "Spreads": spreads_section(facts, figures),
        "Orders": orders_section(facts, figures),
        "Modules": modules_section(facts, figures),
    }
    return {name: section for name, section in drawn.items() if section is not None}


def _about_the_drawings(figures: Figures, live: bool) -> Markup:
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
