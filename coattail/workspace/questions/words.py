"""The answer to a question, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coattail.alerts import Alert
from coattail.engines.promote import Condition
from coattail.engines.reprocess import Reprocessed
from coattail.scoring.figures import number, percent, share
from coattail.workspace.page import alert_line
from coattail.workspace.text import TextTable, clock, printable, table

_SHOWN = 20
_STANDING = {
    "exact": "as the tables held them at this snapshot",
    "later": "as the tables held them soon after this snapshot: their state at it is not kept",
    "behind": "as far as the tables had come: they lack the newest commits",
}
_COLUMNS = ("verdict", "detected_at", "severity", "type", "message", "why")
_MARKS = {"appeared": "+", "vanished": "-", "changed": "~"}


def compared(done: Reprocessed, *, line: Callable[[Alert], str] = alert_line) -> list[str]:
    """The counts and the first differences, each with its reason; `line` says an alert."""
    request, commit = done.request, done.request.as_of.commit
    since = clock(request.since) if request.since else "the first trade"
    until = clock(request.until) if request.until else "the last trade"
    asked = ", ".join(map(str, request.differing)) or "none: the settings of this home"
    said: list[str] = [
        f"raw_trades at snapshot {commit.snapshot_id} (commit {commit.sequence}, {clock(commit.committed_at)})",
        f"alerts from {since} to {until}",
        f"settings asked for: {asked}",
        f"original alerts: {len(done.original):,}, {_STANDING[done.standing]}",
        ", ".join(f"{name} {count:,}" for name, count in done.counts().items()),
    ]
    different = [c for c in done.compared if c.verdict != "same"]
    lines, rows = [], []
    for c in different[:_SHOWN]:
        a, reason = c.alert, printable(c.reason)
        lines += [f"  {_MARKS[c.verdict]} {line(a)}", f"      {c.verdict}: {reason}"]
        rows.append((c.verdict, clock(a.detected_at), a.severity, a.alert_type, printable(a.message), reason))
    said += [TextTable("\n".join(lines), _COLUMNS, rows)] if rows else []
    if len(different) > _SHOWN:
        said.append(f"  … and {len(different) - _SHOWN:,} more")
    return said


def conditions(checks: Sequence[Condition], *, asked: bool) -> list[str]:
    """Whether promoting is possible, and what stands against it; all of it if promoting was asked for."""
    if not asked and all(check.passed for check in checks):
        return ["--promote would make these the current alerts: every check passes"]
    shown = [check for check in checks if asked or not check.passed]
    said = [f"  {'ok ' if check.passed else 'NO '} {check.name}: {printable(check.detail)}" for check in shown]
    return said if asked else ["--promote would be refused:", *said]


def held_against_truth(found: Sequence[tuple[str, Mapping[str, Any]]], *, terminal: bool = False) -> list[str]:
    """What was found and what was false, by kind of event, under each of these names."""
    rows = [
        (kind, name, card["events"], share(card["recall"]), number(card["false_per_day"]))
        for kind in found[0][1]["kinds"]
        for name, one in found
        if (card := one["kinds"].get(kind)) is not None and card["events"]
    ]
    columns = ["planted", "", "events", "found", "false a day"]
    return ["held against the truth (90 % intervals):", table(columns, rows, right=["events"], terminal=terminal)]


def scorecard(presets: Mapping[str, Mapping[str, Any]], *, terminal: bool = False) -> str:
    """The cards of each preset and detector as a table, by kind of event."""
    rows = [
        (
            card["kind"],
            preset,
            card["events"],
            share(card["recall"]),
            percent(card["chance"]["recall"]) if "chance" in card else "-",
            number(card["false_per_day"]),
            number(card["fault_alerts_per_day"]),
            share(card["precision"]),
            number(card["delay_s"]["p50"], 0),
        )
        for preset, modules in presets.items()
        for cards in modules.values()
        for card in cards.values()
    ]
    columns = ["planted", "preset", "events", "found", "by chance", "false a day", "about faults", "precision"]
    columns.append("delay, s")
    ordered = sorted(rows, key=lambda row: str(row[0]))
    return table(columns, ordered, right=["events", "by chance"], terminal=terminal)


def at_equal_false_alarms(levels: Mapping[str, Sequence[Mapping[str, Any]]], *, terminal: bool = False) -> list[str]:
    """What each preset finds where both raise equally many false alarms."""
    presets = list(dict.fromkeys(p for rows in levels.values() for row in rows for p in row if p != "per_market_day"))
    rows = [
        (kind, f"{row['per_market_day']:g}", *(percent(row.get(preset)) for preset in presets))
        for kind, here in levels.items()
        for row in here
    ]
    return [
        "found at equal false alarms, by moving each detector's own threshold:",
        table(["planted", "false per market and day", *presets], rows, terminal=terminal),
    ]
