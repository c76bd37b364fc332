"""`coattail what-if`: which alerts other parameters would have raised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.changes import SetOption, settings_asked
from coattail.cli.options import SinceOption, UntilOption, svg_file
from coattail.cli.screen import Screen, alert_line
from coattail.errors import UsageError
from coattail.values import parse_duration
from coattail.workspace.times import maybe_when

if TYPE_CHECKING:
    from coattail.scoring.what_if import Value
    from coattail.workspace.questions.what_if import Sweep, WhatIf

_MOST_VALUES = 50

SweepOption = Annotated[
    str | None, typer.Option("--sweep", metavar="DETECTOR.PARAM=A,B,…", help="Try several values of a parameter.")
]
TruthOption = Annotated[
    Path | None,
    typer.Option(
        "--truth", metavar="FILE", help="Compare with this truth.parquet or truth.json of the market that landed."
    ),
]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="F.svg", help="Draw the sweep into this file.")]


@command(
    "what-if",
    examples=[
        "coattail what-if --set volume-anomaly.budget=2",
        "coattail what-if --sweep volume-anomaly.budget=1,2,4,8 --truth market/truth.parquet",
        "coattail what-if --preset classic --sweep spread-calculator.threshold_pct=0.2,0.3,0.5,1 --out spread.svg",
    ],
)
def what_if(
    session: Session, *, set_: SetOption = None, sweep: SweepOption = None, since: SinceOption = None,
    until: UntilOption = None, truth: TruthOption = None, out: OutOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Show which alerts other parameters would have raised from the stored trades. Nothing is written.

    --set compares with the alerts there are: how many a day, which appear and which vanish. --sweep tries several
    values, on top of what --set says. With the truth of a simulated market both say how much is found and how many
    alarms are false.

    JSON: {"set": {"counts", "differences", "alerts_per_day": {"now", "then"}, …}, "sweep": {"key", "points":
    [{"value", "alerts_per_day", "kinds"}]}, "disclaimer"}. See docs/CLI.md.
    """
    from coattail.alerts import DISCLAIMER
    from coattail.cli.output import print_json
    from coattail.workspace.questions.what_if import what_if as answer

    if not set_ and sweep is None and session.preset is None:
        raise UsageError("no change is asked for", next_step="give --set, --sweep or --preset")
    if out is not None and sweep is None:
        raise UsageError("--out draws a sweep", next_step="give --sweep too")
    out = svg_file(out)
    now = datetime.now(UTC)
    found = answer(
        session.stores(), settings_asked(session, set_ or []), compare=bool(set_) or sweep is None,
        sweep=None if sweep is None else parse_sweep(sweep), since=maybe_when(since, "--since", now=now),
        until=maybe_when(until, "--until", now=now), truth=truth,
    )  # fmt: skip
    if out is not None and found.sweep is not None:
        out.write_text(found.sweep.chart(), encoding="utf-8")
    if as_json:
        print_json(found.document)
        return
    with Screen() as screen:
        _say_other(screen, found)
        if found.sweep is not None:
            _say_sweep(screen, found.sweep)
        if out is not None:
            screen.say(f"{out}: the sweep as a chart")
        screen.say(DISCLAIMER)


def parse_sweep(text: str) -> tuple[str, list[Value]]:
    """Parameter and values, each once, rising: whole numbers, numbers with fractions, or durations like `30s`.

    Raises: UsageError: If it is not understood.
    """
    key, _, given = text.partition("=")
    try:
        values = sorted({_value(part.strip()) for part in given.split(",") if part.strip()})
    except (ValueError, TypeError):  # a word, or numbers among durations
        values = []
    if not key.strip() or not 2 <= len(values) <= _MOST_VALUES or any(value != value for value in values):
        raise UsageError(
            f"--sweep {text!r} is not a parameter with 2 to {_MOST_VALUES} numbers or durations",
            next_step="write it like --sweep volume-anomaly.budget=1,2,4,8 or DETECTOR.PARAM=30s,1m,5m",
        )
    return key.strip(), values


def _value(text: str) -> Value:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            pass
    return parse_duration(text)


def _say_other(screen: Screen, found: WhatIf) -> None:
    from coattail.workspace.questions import words

    if found.done is None:
        return
    for sentence in words.compared(found.done, line=lambda alert: alert_line(screen, alert)):
        screen.say(sentence)
    screen.say(f"alerts a day: {found.now:g} now, {found.then:g} then")
    if found.truth is not None:
        _say_cards(screen, list(found.truth.items()))


def _say_sweep(screen: Screen, sweep: Sweep) -> None:
    from coattail.cli.output import print_table
    from coattail.scoring.what_if import shown

    points = [(shown(value), found) for value, found in sweep.points]
    types = list(points[0][1]["alerts_per_day"])
    screen.say(f"{sweep.key}, and alerts a day:")
    print_table([sweep.key, *types], [(v, *(f["alerts_per_day"][t] for t in types)) for v, f in points], right=types)
    if "kinds" in points[0][1]:
        _say_cards(screen, points)


def _say_cards(screen: Screen, found: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    from coattail.cli.output import print_table
    from coattail.scoring.figures import number, share

    rows = [
        (kind, name, card["events"], share(card["recall"]), number(card["false_per_day"]))
        for kind in found[0][1]["kinds"]
        for name, one in found
        if (card := one["kinds"].get(kind)) is not None and card["events"]
    ]
    screen.say("held against the truth (90 % intervals):")
    print_table(["planted", "", "events", "found", "false a day"], rows, right=["events"])
