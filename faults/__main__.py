"""`make faults`: every experiment in its long form, and the table in docs/RELIABILITY.md.

python -m faults                    all of them, on both engines
python -m faults -k r12             those whose id or words contain one of these; other rows stay as they are
python -m faults -k r1 r2 --engine spark
python -m faults --missing          only what has no row yet that held: go on with a run that ended
python -m faults --since 2026-11-26 … or none of that day or later
python -m faults --table            only write the table anew
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from datetime import date
from pathlib import Path
from typing import Any

from faults import report
from faults.engines import held, why_no_spark
from faults.experiment import Experiment, LeftOut, Outcome, Task
from faults.registry import EXPERIMENTS

KNOWN = [(experiment, engine) for experiment in EXPERIMENTS for engine in experiment.engines]
PAGE = Path(__file__).parents[1] / "docs" / "RELIABILITY.md"


def main(arguments: list[str]) -> int:
    """Run what is asked for; 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m faults", description="The fault experiments, in their long form.")
    parser.add_argument("-k", nargs="*", default=[], metavar="WORD", help="only these, by id (r12) or by word")
    parser.add_argument(
        "--engine", choices=["kernels", "connectors", "local", "spark", "aws"], help="only on this engine"
    )
    parser.add_argument(
        "--missing", dest="since", action="store_const", const=date.min, help="only what has no row that held"
    )
    parser.add_argument(
        "--since", type=date.fromisoformat, metavar="DAY", help="only what has no row that held on that day or later"
    )
    parser.add_argument("--short", action="store_true", help="small sizes; the table is left alone")
    parser.add_argument("--table", action="store_true", help="run nothing, write the table from the kept rows")
    asked = parser.parse_args(arguments)
    chosen = [] if asked.table else [e for e in EXPERIMENTS if not asked.k or any(_meant(e, word) for word in asked.k)]
    runs = [(e, engine) for e in chosen for engine in e.engines if asked.engine in (None, engine)]
    if not runs and not asked.table:
        print(f"no experiment is called {' or '.join(asked.k)}; known: {', '.join(e.id for e in EXPERIMENTS)}")
        return 2
    if asked.since is not None:
        there = report.held(PAGE, asked.since)
        runs = [(e, engine) for e, engine in runs if (e.id, engine) not in there]
        print(f"{len(runs)} to run")
    failed = []
    no_spark = why_no_spark()
    with held(any(engine == "spark" for _, engine in runs) and not no_spark):
        for number, (experiment, engine) in enumerate(runs, 1):
            print(f"[{number}/{len(runs)}] {experiment.id} on {engine}: {experiment.does}", flush=True)
            row = run(experiment, engine, short=asked.short, no_spark=no_spark)
            print(f"  {report.line(row)}", flush=True)
            for line in row["wrong"]:
                print(f"  wrong: {line}", flush=True)
            if row["passed"] is False:
                failed.append(f"{experiment.id} on {engine}")
            if not asked.short:
                report.keep(row)
                report.publish(PAGE, report.rows(), KNOWN)
    if asked.table:
        report.publish(PAGE, report.rows(), KNOWN)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def run(experiment: Experiment, engine: str, *, short: bool, no_spark: str) -> dict[str, Any]:
    """The row of one run; an exception is a failure with its last line."""
    if engine == "spark" and no_spark:
        return report.left_out(experiment, engine, no_spark)
    size = experiment.short or experiment.long if short else experiment.long
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"  {time.monotonic() - began:6.1f} s  {text}", flush=True)

    with tempfile.TemporaryDirectory(prefix="coattail-faults-", ignore_cleanup_errors=True) as name:
        task = Task(engine=engine, seed=experiment.seed, size=size, folder=Path(name), say=say)
        try:
            outcome = experiment.run(task)
        except LeftOut as reason:
            return report.left_out(experiment, engine, str(reason))
        except Exception as error:
            traceback.print_exc()
            outcome = Outcome("", wrong=[f"{type(error).__name__}: {error}"])
    return report.row_of(experiment, engine, outcome, time.monotonic() - began)


def _meant(experiment: Experiment, word: str) -> bool:
    wanted = word.lower()
    return wanted == experiment.id.lower() or (not wanted[1:].isdigit() and wanted in experiment.does.lower())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
