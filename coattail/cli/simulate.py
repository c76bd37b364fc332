"""`coattail simulate`: a simulated market, as recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command

OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="Write the recordings into this folder.")]
HoursOption = Annotated[float, typer.Option("--hours", metavar="N", help="Simulate this many hours.")]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="Seed the market; equal ones give equal markets.")]
RateOption = Annotated[float, typer.Option("--rate", metavar="X", help="Multiply the number of trades.")]
CharacterOption = Annotated[
    str,
    typer.Option(
        "--character",
        metavar="NAME",
        help="calm: steady; lively: like liquid markets; thin, quiet, small, middle, busy, crowded: 0.4 to 5000 trades "
        "a minute, tails as recorded (docs/MARKET.md).",
    ),
]
PlanOption = Annotated[
    str,
    typer.Option(
        "--plan",
        metavar="NAME",
        help="Plant demo: a few events; or, after 6 hours, evidence: many kinds; pumps; crashes; regimes; or none.",
    ),
]


@command(
    "simulate",
    examples=[
        "coattail simulate --out market",
        "coattail simulate --out market --hours 6 --seed 3 --rate 2",
        "coattail simulate --out market --hours 48 --character lively --plan evidence",
        "coattail simulate --out market --hours 24 --character thin --plan pumps",
    ],
)
def simulate(
    session: Session, *, out: OutOption, hours: HoursOption = 2.0, seed: SeedOption = 7, rate: RateOption = 1.0,
    character: CharacterOption = "calm", plan: PlanOption = "demo", as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write recordings of a simulated market, and their truth.

    One recording per exchange in its own wire format, as `coattail replay` reads it; truth.json names every planted
    event, and whales that a lively market has by itself. With the demo's plan: a quiet first hour, then something to
    find.

    JSON: {"recordings": {exchange: path}, "truth": path, "frames": {exchange: n}, "planted": {kind: n},
    "natural_whales": n, "seed", "character", "plan", "start", "end"}.
    """
    import time

    from coattail.cli.hints import line
    from coattail.cli.output import print_json, progress
    from coattail.workspace.simulated import simulate as simulated

    began = time.monotonic()
    with progress(silent=as_json) as heard:
        made = simulated(out, hours=hours, seed=seed, rate=rate, character=character, plan=plan, on_progress=heard)
    if as_json:
        print_json(made)
        return
    for exchange, path in made.recordings.items():
        print(f"{path}: {made.frames[exchange]:,} frames, {path.stat().st_size / 1e6:.1f} MB")
    what = ", ".join(f"{n} {_named(kind, n)}" for kind, n in made.planted.items()) or "nothing"
    beside = f"; {made.natural_whales:,} whales are the market's own" if made.natural_whales else ""
    print(f"{made.truth}: planted {what}{beside}")
    print(f"{made.start:%Y-%m-%d %H:%M} to {made.end:%H:%M} UTC, written in {time.monotonic() - began:.1f} s")
    print(f"next: {line(session.home_path(), 'replay', str(out))}")


def _named(kind: str, count: int) -> str:
    """A kind of event as a person says it."""
    name = kind.replace("_", " ")
    return name if count == 1 or name.endswith(("s", "sh")) else f"{name}s"
