"""The alerts of a page: each with a picture of its own window, how rare it is, and its evidence folded away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import polars as pl

from coattail.amounts import number
from coattail.engines.abstained import IN_WORDS
from coattail.markup import Content, Markup, tag, visible
from coattail.reports.blocks import Commands, code, paragraph, section, table
from coattail.reports.facts import ReportFacts
from coattail.reports.front import first_clause
from coattail.reports.sparks import Sparks
from coattail.reports.why import fired, read, why
from coattail.reports.words import SEVERITIES, clock, day_span, iso
from coattail.stores.replies import Marks

MOST_ALERTS, MOST_OF_A_TYPE = 24, 8
"""How many are named; more than this of one type only where other types leave room."""
_MOST_INSTRUMENTS = 40
_LONGEST = 400


def alerts_section(facts: ReportFacts, commands: Commands) -> Markup:
    """The alerts with their evidence, the most severe first."""
    alerts = facts.alerts
    if alerts.is_empty():
        judged = Counter(facts.windows["state"])
        reasons = ", ".join(f"{n:,} {state.replace('_', ' ')}" for state, n in sorted(judged.items()))
        said = f"Minutes per instrument: {reasons}." if reasons else "No detector has judged any of it."
        return section("alerts", "Alerts", paragraph("None. ", said))
    beyond = pl.int_range(pl.len()).over("alert_type") >= MOST_OF_A_TYPE
    placed = alerts.with_row_index("place").with_columns(beyond.alias("beyond"))
    shown = placed.sort("beyond", "place").head(MOST_ALERTS).sort("place")
    span = ["--since", iso(facts.span.since), "--until", iso(facts.span.until)]
    counts = Counter(alerts["severity"])
    said = ", ".join(f"{counts[s]:,} {s}" for s in (*SEVERITIES, *sorted(set(counts) - set(SEVERITIES))) if counts[s])
    left = alerts.height - shown.height
    only = ["--symbol", facts.symbols[0]] if len(facts.symbols) == 1 else []
    more = commands.line("alerts", *span, *only, "--limit", str(alerts.height))
    sparks = Sparks(facts)
    return section(
        "alerts",
        "Alerts",
        paragraph(f"{said[:1].upper()}{said[1:]}. An alert tells of something unusual, not of what comes next."),
        tag("ol", [_alert(row, facts, sparks) for row in shown.iter_rows(named=True)], class_="alerts"),
        paragraph(f"And {left:,} more: ", code(more)) if left else None,
    )


def _alert(row: dict[str, Any], facts: ReportFacts, sparks: Sparks) -> Markup:
    severity = row["severity"] if row["severity"] in SEVERITIES else "low"
    details = read(row["details"])
    message = str(row["message"])
    first = first_clause(message)
    when = row["detected_at"]
    rare = rarity(details)
    evidence = " ".join(why(row["module_id"], row["preset"], row["details"]))
    notes = _notes(row, facts.marks)
    folded = tag(
        "details",
        tag("summary", "Evidence"),
        tag("p", visible(message, most=_LONGEST)) if first != message else None,
        tag("p", visible(evidence, most=2 * _LONGEST)) if evidence else None,
        tag("p", "alert ", code(row["alert_id"][:12]), f", {clock(when)}"),
    )
    said = tag(
        "div",
        tag("p", tag("span", row["severity"], class_=f"severity {severity}"),
            tag("span", row["alert_type"].replace("_", " "), class_="type"),
            tag("time", day_span(when, facts.span), datetime=iso(when)),
            tag("span", rare, class_="rare") if rare else None, class_="tags"),
        tag("p", visible(first, most=_LONGEST), class_="message"),
        tag("p", " · ".join(notes), class_="note") if notes else None,
        folded,
        class_="said",
    )  # fmt: skip
    return tag("li", said, sparks.of(row, details), class_=severity)


def _notes(row: Mapping[str, Any], marks: Marks) -> list[str]:
    times = fired(row["details"])
    notes = [f"fired {times:,} times"] if times > 1 else []
    notes += [row["status"]] if row["status"] != "final" else []
    notes += ["muted"] if marks.muted(dict(row), row["recorded_at"]) else []
    if (said := marks.acknowledged.get(row["alert_id"])) is not None:
        notes += ["acknowledged" + (f": {visible(said.note, most=_LONGEST)}" if said.note else "")]
    return notes


def rarity(details: Mapping[str, Any]) -> str:
    """`once in 39 days`, where the detector says how rare it is in this market; else empty."""
    days = details.get("return_days")
    if not isinstance(days, int | float) or isinstance(days, bool) or not 0 < days < float("inf"):
        return ""
    if days >= 365:
        return "less than once a year"
    if days >= 2:
        return f"about once in {number(float(f'{days:.2g}'))} days"
    return f"about once in {number(float(f'{days * 24:.2g}'))} hours"


def unjudged_section(facts: ReportFacts) -> Markup:
    """Where a detector judged less than half of the time: there no alert does not mean that nothing happened."""
    rows: list[tuple[Content, ...]] = [
        (one["module"], visible(one["about"], most=_LONGEST), f"{1 - one['share']:.0%}",
         IN_WORDS.get(one["reason"], one["reason"]))
        for one in facts.abstained[:_MOST_INSTRUMENTS]
    ]  # fmt: skip
    left = len(facts.abstained) - len(rows)
    return section(
        "unjudged",
        "Where less than half was judged",
        paragraph("No alert there does not mean that nothing happened. The reason is that of most of the rest."),
        table("Detectors that abstained", ["detector", "about", "judged", "reason"], rows, right=["judged"]),
        paragraph(f"And {left:,} more, by state in the modules' tables.") if left > 0 else None,
    )
