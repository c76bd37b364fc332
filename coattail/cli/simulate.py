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


@command(
    "simulate",
    examples=["coattail simulate --out market", "coattail simulate --out market --hours 6 --seed 3 --rate 2"],
)
def simulate(
    session: Session,
    *,
    out: OutOption,
    hours: HoursOption = 2.0,
    seed: SeedOption = 7,
    rate: RateOption = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Write recordings of a simulated market, and the truth about what is planted in them.

    One recording per exchange in its own wire format, as `coattail replay` reads it; truth.json names every planted
    burst, whale and spread. A quiet first hour, then something to find.

    JSON: {"recordings": {exchange: path}, "truth": path, "frames": {exchange: n}, "planted": {kind: n}, "seed",
    "start", "end"}.
    """
    import math
    import time
    from datetime import timedelta

    from coattail.cli.hints import line
    from coattail.cli.output import print_json, progress
    from coattail.market import Market, write

    if not (math.isfinite(hours) and 0 < hours <= 10_000):
        raise UsageError(f"--hours is {hours:g}", next_step="give a number above 0 and up to 10000")
    if not (math.isfinite(rate) and 0 < rate <= 1_000):
        raise UsageError(f"--rate is {rate:g}", next_step="give a number above 0 and up to 1000")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file, not a folder", next_step="choose another folder")
    market = Market(seed=seed, duration=timedelta(hours=hours), rate=rate)
    began = time.monotonic()
    reached = 0.0
    with progress("simulating", total=1.0, silent=as_json) as bar:

        def done(share: float) -> None:
            nonlocal reached
            bar.advance(share - reached)
            reached = share

        written = write(market, out, progress=done)
    kinds = market.truth()["kind"].value_counts().sort("kind")
    planted = {kind: count for kind, count in kinds.iter_rows()}
    if as_json:
        print_json(
            {
                "recordings": written.recordings,
                "truth": written.truth.with_suffix(".json"),
                "frames": written.frames,
                "planted": planted,
                "seed": seed,
                "start": market.start,
                "end": market.end,
            }
        )
        return
    for exchange, path in written.recordings.items():
        print(f"{path}: {written.frames[exchange]:,} frames, {path.stat().st_size / 1e6:.1f} MB")
    what = ", ".join(f"{n} {kind}{'' if n == 1 else 's'}" for kind, n in planted.items()) or "nothing"
    print(f"{written.truth.with_suffix('.json')}: planted {what}")
    print(f"{market.start:%Y-%m-%d %H:%M} to {market.end:%H:%M} UTC, written in {time.monotonic() - began:.1f} s")
    print(f"next: {line(session.home_path(), 'replay', str(out))}")
