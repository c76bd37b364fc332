"""The page: one HTML file that asks nothing of any network. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coattail import __version__
from coattail.alerts import DISCLAIMER
from coattail.reports.blocks import Commands, Figures, section
from coattail.reports.chart import MOST_POINTS
from coattail.reports.facts import Facts
from coattail.reports.live import Bundle, hash_of, packed_data, script, style
from coattail.reports.markup import Markup, join, tag
from coattail.reports.ranked import by_severity
from coattail.reports.sections import alerts_section, market_section, orders_section, spreads_section
from coattail.reports.svg import POINTS, SYMBOLS
from coattail.reports.trust import provenance, quality_section, scorecard_section, verify_section
from coattail.reports.words import headline, range_of

GENERATOR = "coattail report"
"""What a page says made it: by that a later report knows that it may be replaced."""


def page_of(facts: Facts, commands: Commands, scorecards: Mapping[str, Any], live: Bundle | None) -> str:
    """The whole page; without `live` it has no JavaScript at all."""
    figures = Figures()
    sections = [
        alerts_section(facts, commands),
        *([] if facts.empty else _drawn(facts, figures)),
        quality_section(facts, commands),
        scorecard_section(facts, scorecards),
        verify_section(facts, commands),
    ]
    title = f"coattail: {range_of(facts.span)}"
    scripts = _scripts(figures, live) if live is not None else None
    body = tag(
        "body",
        SYMBOLS,
        tag("header", tag("h1", f"What happened: {range_of(facts.span)}"), _first_words(facts),
            tag("p", provenance(facts), class_="soft"), tag("p", DISCLAIMER, class_="soft")),
        tag("nav", [tag("a", name, href=f"#{target}") for target, name in _CONTENTS], aria_label="Contents"),
        tag("main", sections, _about_the_drawings(figures, live is not None)),
        scripts,
    )  # fmt: skip
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="generator", content=f"{GENERATOR} {__version__}"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(live)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Markup(style())),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


_CONTENTS = (
    ("alerts", "Alerts"), ("prices", "Prices"), ("spreads", "Spreads"), ("orders", "Orders"), ("quality", "Quality"),
    ("scorecard", "Scorecard"), ("verify", "Verify"),
)  # fmt: skip


def _drawn(facts: Facts, figures: Figures) -> list[Markup]:
    return [market_section(facts, figures), spreads_section(facts, figures), orders_section(facts, figures)]


def _first_words(facts: Facts) -> Markup:
    said = tag("p", headline(facts), class_="headline")
    if facts.alerts.height < 2:
        return said
    return join([said, tag("p", "Above all: ", by_severity(facts.alerts)["message"][0])])


def _policy(live: Bundle | None) -> str:
    """Nothing is fetched from anywhere; no script runs but the two whose hashes stand here."""
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
    said = (
        f"A line has at most {MOST_POINTS:,} points where it can be zoomed and {POINTS} as a drawing: of more, the "
        "lowest and the highest of each stretch are kept, so that no peak is lost. All times are UTC."
    )
    zoom = "Charts can be zoomed by dragging across them; a double click shows all. " if live else ""
    return section("drawings", "About the drawings", tag("p", zoom, said, class_="note"))
