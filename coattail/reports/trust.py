"""What the page says about itself: quality and coverage of its data, its detectors, and how to check it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import msgspec
import polars as pl

from coattail import __version__
from coattail.amounts import count, number
from coattail.markup import Content, Markup, tag, visible
from coattail.reports.blocks import Commands, Figures, block, code, paragraph, section, table
from coattail.reports.claims import claims_of
from coattail.reports.facts import ReportFacts
from coattail.reports.strips import STRIP_WORDS, coverage_chart
from coattail.reports.words import clock, covered, iso, range_of

_MOST_GAPS = 20
_MOST_INSTRUMENTS = 40
_LONGEST = 160
_MOST_LANES, _MOST_CELLS = 20, 400


def quality_section(facts: ReportFacts, figures: Figures) -> Markup:
    """Where everything that was received went, and what is missing."""
    q = facts.quality
    kept = "" if q.conserved else " The sum does not hold: please report this."
    score = "nothing was judged" if q.score is None else f"score {number(q.score)} % (landed / (landed + rejected))"
    content: list[Content] = [
        paragraph(
            tag("b", f"received {q.received:,} = landed {q.landed:,} + rejected {q.rejected:,} + duplicates "
                     f"{q.duplicates:,}"),
            f"; {score}.{kept} Of the whole home since its beginning, all symbols.",
        ),
        paragraph(f"{count(q.late, 'trade')} came over five minutes late: flagged, and landed.") if q.late else None,
    ]  # fmt: skip
    if q.reasons:
        counted = "" if q.all_letters else f", counted among the newest {q.letters:,} rejected records"
        rows = [(reason, f"{n:,}") for reason, n in q.reasons.items()]
        content.append(table(f"Rejected by reason{counted}", ["reason", "records"], rows, right=["records"]))
        samples = [
            (row.get("reason"), ", ".join(map(str, row.get("reasons") or [])), _payload(row)) for row in q.samples
        ]
        content.append(table("The newest rejected records", ["rejected as", "reasons", "payload"], samples))
    content += _coverage(facts, figures)
    return section("quality", "Quality and coverage", *content)


def _payload(row: Mapping[str, Any]) -> str:
    text = row.get("payload") or row.get("payload_base64") or ""
    return visible(str(text), most=_LONGEST)


def _coverage(facts: ReportFacts, figures: Figures) -> list[Content]:
    rows = facts.coverage
    if rows.is_empty():
        return [paragraph("Nothing is known about which trades of this time are missing.")]
    sums = rows.group_by("exchange", "symbol").agg(
        *(pl.col("inside").filter(pl.col("state").is_in(states)).sum().alias(name) for name, states in _STATES.items()),
        (pl.col("state") == "gap").sum().alias("gaps"),
    ).sort("missing", "exchange", "symbol", descending=[True, False, False])  # fmt: skip
    columns = ["exchange", "symbol", "coverage", "landed ids", "fetched", "gaps", "missing", "unobserved", "rejected"]
    cells = [
        (r["exchange"], r["symbol"], covered(r["landed"], r["missing"]),
         *(f"{r[name]:,}" for name in ("landed", "fetched", "gaps", "missing", "unobserved", "rejected")))
        for r in sums.head(_MOST_INSTRUMENTS).iter_rows(named=True)
    ]  # fmt: skip
    left = sums.height - len(cells)
    drawn = sums.select("exchange", "symbol").head(_MOST_LANES).rows()
    chart = coverage_chart(facts, drawn, min(_MOST_CELLS, figures.detail.still_points))
    return [
        figures.lanes(chart, STRIP_WORDS) if chart.lanes else None,
        paragraph(f"Not drawn: {count(sums.height - len(drawn), 'instrument')} of which less or nothing is missing.")
        if sums.height > len(drawn)
        else None,
        table("Trade ids of this time", columns, cells, right=columns[2:]),
        paragraph(f"And {count(left, 'instrument')} more.") if left > 0 else None,
        *_gaps(rows),
        paragraph(
            "Where ids are contiguous, a hole is a gap; coverage = landed / (landed + missing), rounded down. Fetched "
            "ids were not heard live but came from the exchange's history. Rejected "
            "trades are in the DLQ; unobserved ids lie between two sessions, when nobody listened.",
            note=True,
        ),
    ]


_STATES = {
    "landed": ["live", "backfilled"], "fetched": ["backfilled"], "missing": ["gap"], "unobserved": ["unobserved"],
    "rejected": ["rejected"],
}  # fmt: skip


def _gaps(rows: pl.DataFrame) -> list[Content]:
    gaps = rows.filter(pl.col("state") == "gap").sort("inside", "first_id", descending=[True, False])
    if gaps.is_empty():
        return [paragraph("No gap: every trade id between the first and the last is here, or was rejected.")]
    lines = [
        tag("li", f"{g['exchange']} {g['symbol']}: {count(g['inside'], 'trade')} missing between "
                  f"{clock(g['first_ts'])} and {clock(g['last_ts'])} (ids {g['first_id']} to {g['last_id']}"
                  f"{'; ' + visible(g['cause'], most=_LONGEST) if g['cause'] else ''})")
        for g in gaps.head(_MOST_GAPS).iter_rows(named=True)
    ]  # fmt: skip
    left = gaps.height - len(lines)
    return [tag("ul", lines), paragraph(f"And {count(left, 'smaller gap')} more.") if left else None]


def scorecard_section(facts: ReportFacts, scorecards: Mapping[str, Any]) -> Markup:
    """How well the detectors in use found what was planted in simulated markets, if that was measured."""
    rows: list[tuple[str, str, str, str]] = []
    for preset in presets_of(facts):
        modules = scorecards.get(preset)
        for module, figures in modules.items() if isinstance(modules, Mapping) else ():
            for name, value in figures.items() if isinstance(figures, Mapping) else ():
                if isinstance(value, str | int | float):
                    said = str(value) if isinstance(value, str | bool) else number(value)
                    rows.append((preset, str(module), str(name).replace("_", " "), said))
    if not rows:
        used = ", ".join(presets_of(facts)) or "none"
        said = f"There is no scorecard of the detectors in use (preset: {used}): how well they work is not known here."
        return section("scorecard", "How good these detectors are", paragraph(said))
    columns = ["preset", "module", "figure", "value"]
    return section(
        "scorecard",
        "How good these detectors are",
        paragraph("Measured on simulated markets, whose anomalies are known.", note=True),
        table("Scorecard of the detectors in use", columns, rows, right=["value"]),
    )


def presets_of(facts: ReportFacts) -> list[str]:
    """Which presets the alerts and verdicts come from."""
    frames = (facts.alerts, facts.windows, facts.spreads, facts.orders)
    return sorted({preset for frame in frames if "preset" in frame.columns for preset in frame["preset"].unique()})


def provenance(facts: ReportFacts) -> str:
    """One line: what the page was made from."""
    if facts.commit is None:
        return f"coattail {__version__}; nothing has landed in this home yet"
    presets = ", ".join(presets_of(facts))
    behind = (
        f"; some tables are {count(facts.behind, 'commit')} behind, because an engine runs or was stopped"
        if facts.behind > 0
        else ""
    )
    return (
        f"coattail {__version__}, commit {facts.commit.sequence} of raw_trades ({clock(facts.commit.committed_at)})"
        f"{', preset ' + presets if presets else ''}{behind}"
    )


def configurations(facts: ReportFacts) -> dict[str, list[str]]:
    """Module -> hashes of the configurations that its alerts carry."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for text in facts.alerts["evidence"].drop_nulls().unique():
        try:
            evidence = msgspec.json.decode(text)
        except msgspec.DecodeError:
            continue
        if isinstance(evidence, dict) and "config" in evidence:
            found[f"{evidence.get('module', '')} ({evidence.get('preset', '')})"].add(str(evidence["config"]))
    return {module: sorted(hashes) for module, hashes in sorted(found.items())}


def verify_section(facts: ReportFacts, commands: Commands) -> Markup:
    """How to check all of this."""
    commit = facts.commit
    hashes = configurations(facts)
    configured = ", ".join(f"{module}: {', '.join(found)}" for module, found in hashes.items())
    rows: list[tuple[Content, Content]] = [
        ("time", range_of(facts.span)),
        ("symbols", ", ".join(facts.symbols) or "all"),
        ("snapshot of raw_trades", "none" if commit is None else str(commit.snapshot_id)),
        ("commit", "none" if commit is None else f"{commit.sequence}, {clock(commit.committed_at)}"),
        ("configurations", configured or "no alert here carries one"),
        ("coattail", __version__),
        ("presets", ", ".join(presets_of(facts)) or "none"),
    ]
    asked = [
        [
            block(commands.line("sql", claim.query)),
            paragraph("answers ", code(f"{claim.value}"), " if this page is right.", note=True),
        ]
        for claim in claims_of(facts)[:2]
    ]
    others = [
        (commands.line("explain", facts.alerts["alert_id"][0][:12]), "computes the first alert again, and any other by "
         "its number") if facts.alerts.height else None,
        (commands.line("coverage", "--gaps", "--since", iso(facts.span.since), "--until", iso(facts.span.until)),
         "lists every gap") if facts.coverage.height else None,
        (commands.line("dlq", "list"), "lists every rejected record") if facts.quality.rejected else None,
    ]  # fmt: skip
    return section(
        "verify",
        "Verify this",
        tag(
            "div",
            paragraph("Each figure here comes from tables that anyone with the same data can ask again."),
            table("What it was made from", ["what", "which"], rows),
            tag("h3", "Make it again"),
            block(commands.reproduce),
            paragraph("It gives the same bytes as long as nothing more has landed. Commands are typed where "
                      "the folder .coattail lies, or with --home.", note=True),
            tag("h3", "Ask for the numbers"),
            asked,
            [[block(command), paragraph(f"{says}.", note=True)] for command, says in filter(None, others)],
            class_="box",
        ),
    )  # fmt: skip
