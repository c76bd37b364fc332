"""R6: everything that goes wrong on the way from an exchange, while a live producer and other clients listen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from faults.experiment import LOCAL, Control, Experiment, Outcome, Task
from tests.harness.line_kills import MISHAPS, run_kill
from tests.harness.line_runs import STRANGER, SYMBOLS, LineRun, Lost, run_script
from tests.harness.line_scripts import QUIET_END, line_scripts
from tests.harness.strangers import STRANGERS, certified, why_not

AGAIN_WITHIN = 5.0
"""Seconds from when a new connection could be heard until every instrument is …"""
FOR_GOOD_WITHIN = 8.0
"""… and from when a line went bad that never gets better: it has to be found out by a ping that is not answered."""
SIDE_BY_SIDE = 3
"""Scripts that are played at the same time; each listens for ten seconds, mostly idle. The short form plays all its at
once: nobody listens beside ours but the naive client."""
SHORT = {
    ("binance", "pings answered, but no more trades"),
    ("binance", "a reset, then half of the subscription is refused for 2 s"),
    ("binance", "trades of nulls"),
    ("coinbase", "a reset, then 451 for 2 s"),
    ("coinbase", "100 not told of, REST pages are of another symbol"),
    ("coinbase", QUIET_END),
}
"""Exchange and script of the short form: one for each thing that a producer easily gets wrong."""

Play = Callable[[Path], LineRun]


def run(task: Task) -> Outcome:
    """Play all scripts on both exchanges, and compare everybody with the truth."""
    task.folder.mkdir(exist_ok=True)
    everything = bool(task.size["everything"])
    missing = why_not(STRANGERS[STRANGER["binance"]]) if everything else "not in the short form"
    with certified(task.folder) as (tls, trust), ThreadPoolExecutor(SIDE_BY_SIDE if everything else len(SHORT)) as pool:
        plays: list[tuple[str, str, Play]] = []
        for exchange, names in SYMBOLS.items():
            symbol, other, *_ = names.values()
            for name, script in line_scripts(exchange, symbol, other).items():
                if everything or (exchange, name) in SHORT:
                    play = partial(run_script, exchange, name, script, tls=tls, trust=trust, with_stranger=not missing)
                    plays.append((exchange, name, play))
            if everything:
                plays += [(exchange, name, partial(run_kill, exchange, name)) for name in MISHAPS]
        each = [
            pool.submit(_played, exchange, name, play, task.folder / f"line{number}", task.say)
            for number, (exchange, name, play) in enumerate(plays)
        ]
        results = [future.result() for future in each]
    runs = [result for result in results if isinstance(result, LineRun)]
    wrong = [sentence for result in results for sentence in ([result] if isinstance(result, str) else wrong_in(result))]
    controls = [_lost("a naive client", [run.naive for run in runs])]
    if not missing:
        controls.append(_lost("cryptofeed", [run.stranger for run in runs]))
    unheard = sum(run.not_heard for run in runs)
    figures = {
        "heard again after at most": f"{max((r.again for r in runs if 'for good' not in r.script), default=0.0):.1f} s",
        "trades not heard live": f"{unheard:,}",
        "of these listed and fetched": f"{sum(run.listed for run in runs):,}",
        "lost": sum(run.missing for run in runs),
        "doubled": sum(run.doubled for run in runs),
        "with other values": sum(run.other for run in runs),
    }
    size = f"{len({run.script for run in runs})} scripts, {len(runs)} runs, {sum(run.trades for run in runs):,} trades"
    return Outcome(size, dict(figures), wrong, controls, table(runs, missing))


def _played(exchange: str, name: str, play: Play, folder: Path, say: Callable[[str], None]) -> LineRun | str:
    """What became of it, or in words what broke."""
    folder.mkdir()
    began = time.monotonic()
    try:
        result = play(folder)
    except Exception as error:
        say(f"{exchange}: {name}: {error!r}")
        return f"{exchange}: {name}: {error!r}"
    say(f"{exchange}: {name}: {'; '.join(wrong_in(result)) or 'exact'} ({time.monotonic() - began:.0f} s)")
    return result


def wrong_in(run: LineRun) -> list[str]:
    """In words, what was not as it must be."""
    said = {
        f"{run.missing} lost": run.missing,
        f"{run.doubled} doubled": run.doubled,
        f"{run.other} with other values": run.other,
        f"{run.not_heard - run.listed} of {run.not_heard} not listed": run.not_heard - run.listed,
        f"heard again after {run.again} s": run.again > (FOR_GOOD_WITHIN if "for good" in run.script else AGAIN_WITHIN),
    }
    return [f"{run.exchange}: {run.script}: {words}" for words, bad in said.items() if bad]


def _lost(who: str, losses: Sequence[Lost | None]) -> Control:
    known = [loss for loss in losses if loss is not None]
    bad = sum(loss.missing + loss.doubled > 0 for loss in known)
    lost, doubled = sum(loss.missing for loss in known), sum(loss.doubled for loss in known)
    return Control(who, f"{lost:,} lost and {doubled:,} doubled, in {bad} of {len(known)} runs", bad > 0)


def table(runs: Sequence[LineRun], no_stranger: str) -> str:
    """One line a script, Binance before Coinbase in each cell."""
    lines = [
        "| script (Binance · Coinbase) | heard again, s | not heard live | coattail | naive client | cryptofeed |",
        "|---|---|---|---|---|---|",
    ]
    for script in dict.fromkeys(run.script for run in runs):
        both = [run for run in runs if run.script == script]
        cells = [
            " · ".join(cell)
            for cell in (
                ["-" if script == QUIET_END else f"{run.again:.1f}" for run in both],
                [str(run.not_heard) for run in both],
                [str(Lost(run.missing, run.doubled)) for run in both],
                ["-" if run.naive is None else str(run.naive) for run in both],
                ["-" if run.stranger is None else str(run.stranger) for run in both],
            )
        ]
        lines.append(f"| {script} | {' | '.join(cells)} |")
    note = f"\ncryptofeed was left out: {no_stranger}.\n" if no_stranger else ""
    return "\n".join(lines) + "\n" + note


R6 = Experiment(
    id="R6",
    does="exchanges on loopback fail in every way of a table while a live producer listens; it is killed, too",
    run=run,
    engines=LOCAL,
    seed=7,
    long={"everything": 1},
    short={"everything": 0},
    short_engines=LOCAL,
)
