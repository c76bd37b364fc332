"""`coattail score`: how good the detectors are on a market whose truth is known."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from coattail.alerts import DISCLAIMER
from coattail.cli.app import JsonOption, Session, command
from coattail.cli.options import SinceOption, UntilOption, svg_file
from coattail.errors import UsageError
from coattail.workspace.times import maybe_when

MarketOption = Annotated[
    str | None,
    typer.Option(
        "--market",
        metavar="CHARACTER",
        help="Simulate a market: lively (the default), calm, or thin, quiet, small, middle, busy, crowded.",
    ),
]
TruthOption = Annotated[
    Path | None,
    typer.Option("--truth", metavar="FILE", help="Judge the home's own trades by this truth.parquet or truth.json."),
]
SeedOption = Annotated[
    list[int] | None, typer.Option("--seed", metavar="N", help="Seed the simulated market; may be repeated. [7]")
]
DaysOption = Annotated[int, typer.Option("--days", metavar="N", help="Judge this many simulated days.")]
WarmUpOption = Annotated[
    int, typer.Option("--warm-up", metavar="N", help="Simulate this many days before them, without planted events.")
]
RateOption = Annotated[float, typer.Option("--rate", metavar="X", help="Multiply the number of trades.")]
CacheOption = Annotated[
    Path | None, typer.Option("--cache", metavar="FOLDER", help="Keep the simulated market here for the next time.")
]
CurvesOption = Annotated[bool, typer.Option("--curves", help="Move the thresholds too, for equal false alarms.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="F.svg", help="Draw recall against false alarms into this file.")
]


@command(
    "score",
    examples=[
        "coattail score",
        "coattail score --days 7 --warm-up 7 --seed 7 --seed 19 --curves --cache evidence",
        "coattail score --truth market/truth.parquet --preset default",
    ],
)
def score(
    session: Session, *, market: MarketOption = None, truth: TruthOption = None, seed: SeedOption = None,
    days: DaysOption = 3, warm_up: WarmUpOption = 3, rate: RateOption = 1.0, since: SinceOption = None,
    until: UntilOption = None, cache: CacheOption = None, curves: CurvesOption = False, out: OutOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Score detectors on a market whose truth is known.

    The market is simulated, or, with --truth, the one that landed in this home. Every figure has its 90 % interval and
    stands beside what as many alarms at random would find. Presets are compared; --preset scores one alone. Detectors
    are those of the settings. docs/EVIDENCE.md says what each figure means, and what came out on two long weeks.

    JSON: {"judged", "presets": {preset: {module: {kind: {"events", "recall", "by_size", "false_per_day", …}}}},
    "always_off", "not_covered", "without_detector", "curves", "equal_false_alarms", "disclaimer"}. See docs/CLI.md.
    """
    from coattail.cli.output import print_json
    from coattail.workspace.questions.score import detectors_by_preset, score_home, score_simulated

    if truth is not None and market is not None:
        raise UsageError(
            "--market simulates a market, and --truth judges the home's own trades", next_step="give one of them"
        )
    if truth is None and (since or until):
        raise UsageError("--since and --until are about a home's trades", next_step="give --truth, or use --days")
    out = svg_file(out)
    began = time.monotonic()
    detectors = detectors_by_preset(session.settings(), alone=session.preset is not None)
    moved = curves or out is not None
    if truth is not None:
        low, high = maybe_when(since, "--since"), maybe_when(until, "--until")
        scored = score_home(session.stores(), detectors, truth, since=low, until=high, curves=moved)
    else:
        scored = score_simulated(
            detectors, seeds=seed or [7], days=days, warm_up=warm_up, character=market or "lively", rate=rate,
            cache=cache, curves=moved,
        )  # fmt: skip
    if out is not None:
        out.write_text(scored.chart(), encoding="utf-8")
    if as_json:
        print_json(scored.found)
        return
    print(*scored.words(terminal=sys.stdout.isatty()), sep="\n")
    if out is not None:
        print(f"{out}: recall against false alarms")
    print(f"scored in {time.monotonic() - began:.0f} s")
    print(DISCLAIMER)
