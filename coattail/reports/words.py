"""Times and findings as a person says them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from coattail.amounts import count
from coattail.detectors import ALERT_TYPES
from coattail.reports.facts import ReportFacts, Span

_MOST_KINDS = 3
"""Of alerts that a headline names."""
SEVERITIES = ("critical", "high", "medium", "low")


def clock(when: datetime | None) -> str:
    """`2025-03-04 13:49:00Z`."""
    return "-" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def day_span(when: datetime, span: Span) -> str:
    """`13:49:10 UTC`; with its day where the span is longer than one."""
    form = "%H:%M:%S UTC" if span.length <= timedelta(days=1) else "%m-%d %H:%M:%S UTC"
    return when.astimezone(UTC).strftime(form)


def iso(when: datetime) -> str:
    """ISO 8601 with Z, as options of commands take it."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def lasting(length: timedelta) -> str:
    """`24 h`, `90 min`, `3 days`, `12 s`."""
    seconds = length.total_seconds()
    for unit, size, least in (("days", 86_400, 2), ("h", 3600, 1), ("min", 60, 1)):
        if seconds >= size * least and (seconds / size).is_integer():
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 60:,.1f} min" if seconds >= 120 else f"{seconds:.3g} s"


def listed(parts: Iterable[str]) -> str:
    """`a, b and c`."""
    *before, last = list(parts) or [""]
    return f"{', '.join(before)} and {last}" if before else last


def range_of(span: Span) -> str:
    """`2025-03-04 (UTC)`, or from when to when."""
    if span.length == timedelta(days=1) and span.since.time() == datetime.min.time():
        return f"{span.since:%Y-%m-%d}, 00:00 to 24:00 UTC"
    same = span.since.date() == span.until.date()
    return f"{span.since:%Y-%m-%d %H:%M} to {span.until:{'%H:%M' if same else '%Y-%m-%d %H:%M'}} UTC"


def kind_in_words(alert_type: str, amount: int) -> str:
    """`3 large orders`; a type that no detector knows keeps its name."""
    known = ALERT_TYPES.get(alert_type)
    one, many = (known.one, known.many) if known else (alert_type.replace("_", " "),) * 2
    return count(amount, one, many)


def headline(facts: ReportFacts) -> str:
    """What was unusual, in a sentence or two; or that nothing was, or that nothing is known."""
    trades = int(facts.bars["trades"].sum())
    missing = int(facts.coverage.filter(facts.coverage["state"] == "gap")["inside"].sum())
    lost = f" {count(missing, 'trade is', 'trades are')} missing in gaps." if missing else ""
    if facts.alerts.is_empty():
        if not trades:
            return f"No trade has landed of this time.{lost}" if lost else "Nothing landed of this time."
        verdicts = facts.windows.filter(facts.windows["state"] == "judged").height
        calm = f"Nothing unusual in {count(trades, 'trade')}." if verdicts else _unjudged(trades)
        return calm + lost
    by_severity = Counter(facts.alerts["severity"])
    by_kind = Counter(facts.alerts["alert_type"])
    worst = next((s for s in SEVERITIES if by_severity[s]), "medium")
    kinds = [kind_in_words(kind, n) for kind, n in by_kind.most_common()]
    if len(kinds) > _MOST_KINDS:
        rest = sum(n for _, n in by_kind.most_common()[_MOST_KINDS - 1 :])
        kinds = [*kinds[: _MOST_KINDS - 1], f"{rest:,} others"]
    found = kinds[0] if len(kinds) == 1 else count(facts.alerts.height, "alert")
    if by_severity[worst] < facts.alerts.height:
        found += f", {by_severity[worst]:,} of them {worst}"
    elif facts.alerts.height > 1:
        found += f", all of them {worst}"
    else:
        found += f", {worst}"
    return f"{found}{'' if len(kinds) == 1 else f': {listed(kinds)}'}, in {count(trades, 'trade')}.{lost}"


def _unjudged(trades: int) -> str:
    return (
        f"{count(trades, 'trade')}, too short a time to say what would be unusual: no minute could be judged, "
        "and no alert was raised."
    )


def covered(landed: int, missing: int) -> str:
    """The share in percent, rounded down to three digits: 100 % means all of it."""
    whole = landed + missing
    return f"{landed * 100_000 // whole / 1000:.3f} %" if whole else "-"
