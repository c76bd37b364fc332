"""`coattail simulate`: a market that never was, as recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.errors import UsageError

OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the recordings.")]
HoursOption = Annotated[float, typer.Option("--hours", help="How long the market runs.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Equal seeds give equal markets.")]
RateOption = Annotated[float, typer.Option("--rate", help="Multiplies the number of trades.")]
CharacterOption = Annotated[
    str, typer.Option("--character", help="calm: steady and small; lively: like recorded markets (docs/MARKET.md).")
]
PlanOption = Annotated[
    str,
    typer.Option("--plan", help="What is planted. demo: a few events; evidence: all kinds, after 6 hours; none."),
]


_PLANS = ("evidence", "demo", "none")


@command(
    "simulate",
    examples=[
        "coattail simulate --out market",
        "coattail simulate --out market --hours 6 --seed 3 --rate 2",
        "coattail simulate --out market --hours 48 --character lively --plan evidence",
    ],
)
def simulate(
    session: Session,
    *,
    out: OutOption,
    hours: HoursOption = 2.0,
    seed: SeedOption = 7,
    rate: RateOption = 1.0,
    character: CharacterOption = "calm",
    plan: PlanOption = "demo",
    as_json: JsonOption = False,
) -> None:
    """Write recordings of a simulated market, and the truth about what is planted in them.

    One recording per exchange in its own wire format, as `coattail replay` reads it; truth.json names every planted
    event, and whales that a lively market has by itself. With the demo's plan: a quiet first hour, then something to
    find.

    JSON: {"recordings": {exchange: path}, "truth": path, "frames": {exchange: n}, "planted": {kind: n},
    "natural_whales": n, "seed", "character", "plan", "start", "end"}.
    """
    import math
    import time
    from datetime import timedelta

    from coattail.cli.hints import line
    from coattail.cli.output import print_json, progress
    from coattail.market import CHARACTERS, Market, Planted, planted_week, write

    if not (math.isfinite(hours) and 0 < hours <= 10_000):
        raise UsageError(f"--hours is {hours:g}", next_step="give a number above 0 and up to 10000")
    if not (math.isfinite(rate) and 0 < rate <= 1_000):
        raise UsageError(f"--rate is {rate:g}", next_step="give a number above 0 and up to 1000")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file, not a folder", next_step="choose another folder")
    if character not in CHARACTERS:
        raise UsageError(f"unknown character {character!r}", next_step=f"known: {', '.join(CHARACTERS)}")
    if plan not in _PLANS:
        raise UsageError(f"unknown plan {plan!r}", next_step=f"known: {', '.join(_PLANS)}")
    planted: tuple[Planted, ...] | None = None if plan == "demo" else ()
    if plan == "evidence":
        end = Market.start + timedelta(hours=hours)
        planted = tuple(e for e in planted_week(seed, Market.start, math.ceil(hours / 24)) if e.end <= end)
    market = Market(
        seed=seed, duration=timedelta(hours=hours), rate=rate, character=CHARACTERS[character], planted=planted
    )
    began = time.monotonic()
    reached = 0.0
    with progress("simulating", total=1.0, silent=as_json) as bar:

        def done(share: float) -> None:
            nonlocal reached
            bar.advance(share - reached)
            reached = share

        written = write(market, out, progress=done)
    truth = market.truth()
    natural = truth["detail"].str.contains('"natural"', literal=True)
    kinds = truth.filter(~natural)["kind"].value_counts().sort("kind")
    counts = {kind: count for kind, count in kinds.iter_rows()}
    if as_json:
        print_json(
            {
                "recordings": written.recordings,
                "truth": written.truth.with_suffix(".json"),
                "frames": written.frames,
                "planted": counts,
                "natural_whales": int(natural.sum()),
                "seed": seed,
                "character": character,
                "plan": plan,
                "start": market.start,
                "end": market.end,
            }
        )
        return
    for exchange, path in written.recordings.items():
        print(f"{path}: {written.frames[exchange]:,} frames, {path.stat().st_size / 1e6:.1f} MB")
    what = ", ".join(f"{n} {_named(kind, n)}" for kind, n in counts.items()) or "nothing"
    beside = f"; {int(natural.sum()):,} whales are the market's own" if natural.any() else ""
    print(f"{written.truth.with_suffix('.json')}: planted {what}{beside}")
    print(f"{market.start:%Y-%m-%d %H:%M} to {market.end:%H:%M} UTC, written in {time.monotonic() - began:.1f} s")
    print(f"next: {line(session.home_path(), 'replay', str(out))}")


def _named(kind: str, count: int) -> str:
    """A kind of event as a person says it."""
    name = kind.replace("_", " ")
    return name if count == 1 or name.endswith(("s", "sh")) else f"{name}s"
