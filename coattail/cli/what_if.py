"""`coattail what-if`: which alerts there would have been, had a parameter been another."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.compared import outcome_json, say_outcome
from coattail.cli.reprocess import SetOption, settings_asked
from coattail.cli.screen import Screen
from coattail.cli.when import SinceOption, UntilOption
from coattail.errors import UsageError
from coattail.workspace.past import snapshot_meant
from coattail.workspace.times import parse_when

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coattail.config import Settings
    from coattail.scoring.evaluation import EvaluationSet
    from coattail.scoring.truth_file import TruthFile
    from coattail.stores.lake import Lake

_MOST_VALUES = 50

SweepOption = Annotated[
    str | None, typer.Option("--sweep", metavar="DETECTOR.PARAM=A,B,…", help="Several values, one after the other.")
]
TruthOption = Annotated[
    Path | None, typer.Option("--truth", metavar="FILE", help="truth.parquet or truth.json of the market that landed.")
]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="F.svg", help="Draw the sweep.")]


@command(
    "what-if",
    examples=[
        "coattail what-if --set volume-anomaly.budget=2",
        "coattail what-if --sweep volume-anomaly.budget=1,2,4,8 --truth market/truth.parquet",
        "coattail what-if --preset classic --sweep spread-calculator.threshold_pct=0.2,0.3,0.5,1 --out spread.svg",
    ],
)
def what_if(
    session: Session,
    *,
    set_: SetOption = None,
    sweep: SweepOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    truth: TruthOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the stored trades what alerts other parameters would have raised. Nothing is written.

    --set compares with the alerts there are: how many a day, which appear and which vanish. --sweep tries several
    values, on top of what --set says. With the truth of a simulated market both say how much is found and how many
    alarms are false.

    JSON: {"set": {"counts", "differences", "alerts_per_day": {"now", "then"}, …}, "sweep": {"key", "points":
    [{"value", "alerts_per_day", "kinds"}]}, "disclaimer"}. See docs/CLI.md.
    """
    from coattail.alerts import DISCLAIMER
    from coattail.cli.output import print_json

    if not set_ and sweep is None and session.preset is None:
        raise UsageError("nothing is asked to be different", next_step="give --set, --sweep or --preset")
    if out is not None and sweep is None:
        raise UsageError("--out draws a sweep", next_step="give --sweep too")
    now = datetime.now(UTC)
    start = parse_when(since, "--since", now=now) if since else None
    end = parse_when(until, "--until", now=now) if until else None
    key, values = parse_sweep(sweep) if sweep is not None else ("", [])
    told = _told(truth)
    shown: dict[str, Any] = {}
    original, asked = settings_asked(session, set_ or [])
    swept = [(v, settings_asked(session, [*(set_ or []), f"{key}={v}"])[1]) for v in values]
    stores = session.stores()
    with Screen(silent=as_json) as screen:
        if set_ or sweep is None:
            shown["set"] = _compare(screen, stores.lake, original, asked, start, end, told, quiet=as_json)
        if swept:
            evidence = _evidence(stores.lake, [original, *(s for _, s in swept)], start, end, told)
            shown["sweep"] = _sweep(screen, evidence, key, swept, out, truth=told is not None, quiet=as_json)
        screen.say(DISCLAIMER)
    if as_json:
        print_json({**shown, "disclaimer": DISCLAIMER})


def parse_sweep(text: str) -> tuple[str, list[float]]:
    """Parameter and values, each once, rising: numbers.

    Raises: UsageError: If it is not understood.
    """
    key, _, given = text.partition("=")
    try:
        values = sorted({float(part) for part in given.split(",") if part.strip()})
    except ValueError:
        values = []
    if not key.strip() or not 2 <= len(values) <= _MOST_VALUES or any(v != v for v in values):
        raise UsageError(
            f"--sweep {text!r} is no parameter with 2 to {_MOST_VALUES} numbers",
            next_step="write it like --sweep volume-anomaly.budget=1,2,4,8",
        )
    return key.strip(), values


def _told(truth: Path | None) -> TruthFile | None:
    from coattail.scoring.truth_file import read_truth

    return read_truth(truth) if truth is not None else None


def _evidence(
    lake: Lake, settings: Sequence[Settings], since: datetime | None, until: datetime | None, told: TruthFile | None
) -> EvaluationSet:
    from coattail.detectors import detectors_for
    from coattail.engines.recompute import stored_facts
    from coattail.scoring.truth_file import of_home, with_truth

    detectors = [d for one in settings for d in detectors_for(one)]
    stored = stored_facts(lake, since=since, until=until, detectors=detectors)
    evidence = of_home(stored, settings[0], since=since, until=until)
    return with_truth(evidence, told) if told is not None else evidence


def _compare(
    screen: Screen,
    lake: Lake,
    original: Settings,
    asked: Settings,
    since: datetime | None,
    until: datetime | None,
    told: TruthFile | None,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """The alerts there are against those asked for."""
    from coattail.engines.reprocess import Request, reprocess
    from coattail.scoring.what_if import figures, per_day
    from coattail.tables import RAW_TRADES

    evidence = _evidence(lake, [original, asked], since, until, told)
    meant = snapshot_meant(lake, RAW_TRADES.name, None, now=datetime.now(UTC))
    request = Request(as_of=meant, original=original, asked=asked, since=since, until=until)
    done = reprocess(lake, request)
    say_outcome(screen, done)
    now, then = (per_day(count, evidence) for count in (len(done.original), len(done.alerts)))
    screen.say(f"alerts a day: {now:g} now, {then:g} then")
    shown: dict[str, Any] = {**outcome_json(done), "alerts_per_day": {"now": now, "then": then}}
    if told is not None:
        both = {
            name: figures(evidence, settings, settings.modules, truth=True)
            for name, settings in (("now", original), ("then", asked))
        }
        shown["truth"] = both
        _say_cards(screen, list(both.items()), quiet=quiet)
    return shown


def _sweep(
    screen: Screen,
    evidence: EvaluationSet,
    key: str,
    swept: Sequence[tuple[float, Settings]],
    out: Path | None,
    *,
    truth: bool,
    quiet: bool,
) -> dict[str, Any]:
    """The alerts at each value of a parameter."""
    from coattail.cli.output import print_table
    from coattail.scoring.what_if import figures, sweep_chart

    modules = [key.partition(".")[0]]
    points = [(value, figures(evidence, settings, modules, truth=truth)) for value, settings in swept]
    if not quiet:
        types = list(points[0][1]["alerts_per_day"])
        screen.say(f"{key}, and alerts a day:")
        rows = [(f"{value:g}", *(found["alerts_per_day"][t] for t in types)) for value, found in points]
        print_table([key, *types], rows, right=types)
    if truth:
        _say_cards(screen, [(f"{value:g}", found) for value, found in points], quiet=quiet)
    if out is not None:
        out.write_text(sweep_chart(key, points), encoding="utf-8")
        screen.say(f"{out}: the sweep as a chart")
    return {"key": key, "points": [{"value": value, **found} for value, found in points]}


def _say_cards(screen: Screen, found: Sequence[tuple[str, dict[str, Any]]], *, quiet: bool) -> None:
    from coattail.cli.output import print_table
    from coattail.scoring.figures import number, share

    if quiet:
        return
    rows = [
        (kind, name, card["events"], share(card["recall"]), number(card["false_per_day"]))
        for kind in found[0][1]["kinds"]
        for name, one in found
        if (card := one["kinds"].get(kind)) is not None and card["events"]
    ]
    screen.say("held against the truth (90 % intervals):")
    print_table(["planted", "", "events", "found", "false a day"], rows, right=["events"])
