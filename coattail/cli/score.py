"""`coattail score`: how good the detectors are where it is known what happened."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from coattail.alerts import DISCLAIMER
from coattail.cli.app import JsonOption, Session, command
from coattail.cli.options import SinceOption, UntilOption, svg_file
from coattail.cli.replay_options import (
    ColumnsOption,
    ExchangeOption,
    FormatOption,
    MakeIdsOption,
    SideOption,
    SymbolOption,
    SymbolsOption,
    TimeUnitOption,
    pairs_of,
    recordings_of,
)
from coattail.errors import UsageError
from coattail.values import parse_duration
from coattail.workspace.times import maybe_when

MarketOption = Annotated[
    str | None,
    typer.Option(
        "--market",
        metavar="NAME",
        help="Simulate a market: lively (the default), calm, or thin, quiet, small, middle, busy, crowded. With "
        "--recorded, say which market it is: spot, usdm or coinm.",
    ),
]
PlanOption = Annotated[
    str | None,
    typer.Option(
        "--plan",
        metavar="NAME",
        help="Plant evidence: many kinds (the default); pumps: one a week of every coin; crashes: one a day; regimes: "
        "three times the activity, and back; or none.",
    ),
]
TruthOption = Annotated[
    Path | None,
    typer.Option("--truth", metavar="FILE", help="Judge the home's own trades by this truth.parquet or truth.json."),
]
RecordedOption = Annotated[
    list[Path] | None,
    typer.Option("--recorded", metavar="FOLDER", help="Judge these recordings; may be repeated. Needs --labels."),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option("--labels", metavar="FILE", help="Read announced events (symbol and time) from this CSV or JSON."),
]
LabelColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--label-columns",
        metavar="F=C,…",
        help="Name the labels' columns: symbol=coin,time=day,hour=utc,exchange=venue,end=until.",
    ),
]
WithinOption = Annotated[
    str,
    typer.Option(
        "--within", metavar="TIME", help="Count an event as found if an alert comes this soon after its time."
    ),
]
SeedOption = Annotated[
    list[int] | None, typer.Option("--seed", metavar="N", help="Seed the simulated market; may be repeated. [7]")
]
DaysOption = Annotated[
    int | None, typer.Option("--days", metavar="N", help="Judge this many simulated days. [default: 3]")
]
WarmUpOption = Annotated[
    int | None,
    typer.Option(
        "--warm-up",
        metavar="N",
        help="Learn from this many days first: simulated ones, without planted events [3], or recorded ones [7].",
    ),
]
RateOption = Annotated[
    float | None, typer.Option("--rate", metavar="X", help="Multiply the number of simulated trades. [default: 1]")
]
CacheOption = Annotated[
    Path | None,
    typer.Option("--cache", metavar="FOLDER", help="Keep what was drawn, or read, here for the next time."),
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
        "coattail score --market thin --plan pumps --warm-up 7",
        "coattail score --truth market/truth.parquet --preset default",
        "coattail score --recorded recordings --labels pumps.csv",
        "coattail score --recorded trades --labels pumps.json --within 5m --exchange binance --make-ids "
        "--columns time=timestamp,price=price,quantity=amount,side=side,symbol=symbol",
    ],
)
def score(
    session: Session, *, market: MarketOption = None, plan: PlanOption = None, truth: TruthOption = None,
    seed: SeedOption = None,
    days: DaysOption = None, warm_up: WarmUpOption = None, rate: RateOption = None, since: SinceOption = None,
    until: UntilOption = None, recorded: RecordedOption = None, labels: LabelsOption = None,
    label_columns: LabelColumnsOption = None, within: WithinOption = "10m", exchange: ExchangeOption = None,
    format: FormatOption = "auto", symbols: SymbolsOption = None, columns: ColumnsOption = None,
    symbol: SymbolOption = None, time_unit: TimeUnitOption = None, make_ids: MakeIdsOption = False,
    side: SideOption = None, cache: CacheOption = None, curves: CurvesOption = False, out: OutOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Score detectors where it is known what happened.

    On a simulated market, or, with --truth, the one that landed in this home: every figure has its 90 % interval and
    stands beside what as many alarms at random would find. With --recorded and --labels, on real trades with announced
    events: how many are found, how late and how severe, and how much is said on the other days, beside the budget.
    The recordings, and the options that say how to read them, are those of `coattail replay`; nothing lands. Presets
    are compared; --preset scores one alone. Detectors are those of the settings. docs/EVIDENCE.md says what each figure
    means, and what came out.

    JSON: {"judged", "presets": {preset: {module: {kind: {"events", "recall", "by_size", "false_per_day", …}}}},
    "always_off", "not_covered", "without_detector", "curves", "equal_false_alarms", "disclaimer"}; of --recorded
    {"recordings", "trades", "duplicates", "rejected", "labels", "markets", "warm_up_days", "within_s", "presets",
    "disclaimer"}. See docs/CLI.md.
    """
    if recorded or labels is not None:
        _refuse(
            "simulated markets and a home's trades", truth=truth, seed=seed, days=days, rate=rate, plan=plan,
            since=since, until=until, curves=curves or None, out=out,
        )  # fmt: skip
        if not recorded or labels is None:
            wanting = "--recorded" if not recorded else "--labels"
            raise UsageError(
                "recordings are judged by labels, and labels say nothing without recordings",
                next_step=f"give {wanting}, too",
            )
        _score_recorded(
            session, recorded, labels, market=market, label_columns=label_columns, within=within, warm_up=warm_up,
            exchange=exchange, format=format, symbols=symbols, columns=columns, symbol=symbol, time_unit=time_unit,
            make_ids=make_ids, side=side, cache=cache, as_json=as_json,
        )  # fmt: skip
        return
    _refuse(
        "recordings (--recorded)", label_columns=label_columns, exchange=exchange, symbols=symbols, columns=columns,
        symbol=symbol, time_unit=time_unit, make_ids=make_ids or None, side=side,
    )  # fmt: skip
    from coattail.cli.output import print_json
    from coattail.workspace.questions.score import detectors_by_preset, score_home, score_simulated

    if truth is not None and (market is not None or plan is not None):
        simulating = "--plan" if market is None else "--market"
        raise UsageError(
            f"{simulating} simulates a market, and --truth judges the home's own trades",
            next_step="give one of them",
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
            detectors, seeds=seed or [7], days=3 if days is None else days, warm_up=3 if warm_up is None else warm_up,
            character=market or "lively", plan=plan or "evidence", rate=1.0 if rate is None else rate, cache=cache,
            curves=moved,
        )  # fmt: skip
    if out is not None:
        from coattail.reports.files import write_whole

        write_whole(scored.curves().encode(), out)
    if as_json:
        print_json(scored.found)
        return
    print(*scored.words(terminal=sys.stdout.isatty()), sep="\n")
    if out is not None:
        print(f"{out}: recall against false alarms")
    print(f"scored in {time.monotonic() - began:.0f} s")
    print(DISCLAIMER)


def _refuse(what: str, **options: object) -> None:
    """Refuse options that say nothing about what is judged."""
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if given:
        verb = "is" if len(given) == 1 else "are"
        raise UsageError(
            f"{', '.join(given)} {verb} about {what}", next_step="leave it out" if len(given) == 1 else "leave them out"
        )


def _score_recorded(
    session: Session, recorded: list[Path], labels: Path, *, market: str | None, label_columns: str | None,
    within: str, warm_up: int | None, exchange: str | None, format: str, symbols: str | None, columns: str | None,
    symbol: str | None, time_unit: str | None, make_ids: bool, side: str | None, cache: Path | None, as_json: bool,
) -> None:  # fmt: skip
    from datetime import timedelta

    from coattail.cli.output import print_json, progress
    from coattail.scoring.labels import FIELDS
    from coattail.scoring.recorded import WARM_UP
    from coattail.workspace.questions.recorded import score_recorded
    from coattail.workspace.questions.score import detectors_by_preset

    began = time.monotonic()
    try:
        horizon = parse_duration(within)
    except ValueError as error:
        raise UsageError(f"--within {within!r} {error}", next_step="write it like 10m") from None
    if warm_up is not None and not 0 <= warm_up <= 366:
        raise UsageError(f"--warm-up {warm_up}", next_step="give 0 to 366 days")
    named = None
    if label_columns is not None:
        named = pairs_of(label_columns, "--label-columns", FIELDS, like="symbol=coin,time=day,hour=utc")
    chosen = recordings_of(
        recorded, format=format, exchange=exchange, market=market, columns=columns, symbol=symbol, time_unit=time_unit,
        make_ids=make_ids, side=side, symbols=symbols,
    )  # fmt: skip
    settings = session.settings()
    with progress(silent=as_json) as heard:
        scored = score_recorded(
            chosen, labels, settings, detectors_by_preset(settings, alone=session.preset is not None), columns=named,
            within=horizon, warm_up=WARM_UP if warm_up is None else timedelta(days=warm_up), cache=cache,
            on_progress=heard,
        )  # fmt: skip
    if as_json:
        print_json(scored.document)
    else:
        for why in chosen.skipped.values():
            print(f"skipped: {why.message}")
        print(*scored.words(terminal=sys.stdout.isatty()), sep="\n")
        print(f"scored in {time.monotonic() - began:.0f} s")
        print(DISCLAIMER)
    if scored.damage or chosen.damage:
        raise scored.damage or chosen.damage  # type: ignore[misc]
