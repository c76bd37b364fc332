"""Rows of experiments: kept as JSON, one file per experiment and engine, rendered as one Markdown table."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from faults.experiment import Experiment, Outcome

RESULTS = Path(__file__).parent / "results"
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"
COLUMNS = ("", "what is done", "engine", "how much", "result", "a plainer design", "seed", "s", "on")
VERSIONS = ("polars", "pyiceberg", "pyspark")


def row_of(experiment: Experiment, engine: str, outcome: Outcome, seconds: float) -> dict[str, Any]:
    """The row of a run."""
    return {
        "id": experiment.id,
        "does": experiment.does,
        "engine": engine,
        "size": outcome.size,
        "passed": outcome.passed,
        "figures": {name: str(value) for name, value in outcome.figures.items()},
        "wrong": [line[:300] for line in outcome.wrong[:3]],
        "controls": [str(control) for control in outcome.controls],
        "table": outcome.table,
        "seed": experiment.seed,
        "seconds": round(seconds, 1),
        "run_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}Z",
        **machine(),
    }


def left_out(experiment: Experiment, engine: str, reason: str) -> dict[str, Any]:
    """The row of an experiment that could not be run."""
    return {**row_of(experiment, engine, Outcome(""), 0.0), "passed": None, "left_out": reason}


def machine() -> dict[str, str]:
    """Cores, and the versions that matter."""
    packages = ", ".join(f"{name} {found}" for name in VERSIONS if (found := _version(name)))
    return {"cores": str(os.cpu_count()), "versions": f"Python {platform.python_version()}, {packages}"}


def _version(package: str) -> str:
    try:
        return version(package)
    except ImportError:
        return ""


def keep(row: Mapping[str, Any], folder: Path = RESULTS) -> None:
    """Put the row in place of the one of the run before."""
    folder.mkdir(exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    (folder / f"{row['id'].lower()}-{row['engine']}.json").write_text(json.dumps(row, indent=1) + "\n")


def rows(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """All rows kept so far, by number and engine."""
    found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return sorted(found, key=lambda row: (int(row["id"][1:]), row["engine"]))


def line(row: Mapping[str, Any]) -> str:
    """The row as a line of the table."""
    figures = ", ".join(f"{name} {value}" for name, value in row["figures"].items())
    if row.get("left_out"):
        result = f"left out: {row['left_out']}"
    elif row["passed"]:
        result = f"held: {figures}"
    else:
        faults = [*row["wrong"], *(c for c in row["controls"] if "DID NOT FAIL" in c)]
        result = f"**FAILED**: {'; '.join(faults)} ({figures})"
    cells = (
        row["id"], row["does"], row["engine"], row["size"], result, "; ".join(row["controls"]), str(row["seed"]),
        f"{row['seconds']:g}", row["run_at"][:10],
    )  # fmt: skip
    return f"| {' | '.join(cell.replace('|', '/').replace(chr(10), ' ') for cell in cells)} |"


def not_run(experiment: Experiment, engine: str) -> dict[str, Any]:
    """The row of an experiment that waits for its first run."""
    return {**left_out(experiment, engine, ""), "left_out": "not run yet", "run_at": ""}


def lines_of(table: str) -> dict[tuple[str, str], str]:
    """(id, engine) -> the line of a table that was rendered before."""
    found = re.findall(r"^\| (R\d+) \| [^|]* \| (\w+) \|.*$", table, re.MULTILINE)
    whole = [line for line in table.splitlines() if re.match(r"\| R\d+ \|", line)]
    return dict(zip(found, whole, strict=True))


def held(page: Path, since: date) -> set[tuple[str, str]]:
    """(id, engine) of the rows on the page that held, on that day or later."""
    lines = lines_of(page.read_text().split(BEGIN)[1].split(END)[0])
    return {
        key for key, row in lines.items()
        if "| held:" in row and date.fromisoformat(row.rstrip("| ").rpartition("| ")[2]) >= since
    }  # fmt: skip


def markdown(lines: Mapping[tuple[str, str], str]) -> str:
    """The table, and the machine on which it was last added to."""
    ordered = [lines[key] for key in sorted(lines, key=lambda key: (int(key[0][1:]), key[1]))]
    head = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n"
    good, failed = (sum(f"| {word}" in line for line in ordered) for word in ("held:", "**FAILED**"))
    where = machine()
    said = f"{good} of {good + failed} runs held. Last run with {where['versions']}, on {where['cores']} cores."
    return f"{said}\n\n{head}" + "".join(f"{line}\n" for line in ordered)


def publish(page: Path, kept: Sequence[Mapping[str, Any]], known: Iterable[tuple[Experiment, str]] = ()) -> None:
    """Put rows into the page's table, between its two marks; other rows of `known` experiments stay as they are."""
    before, rest = page.read_text().split(BEGIN)
    table, after = rest.split(END)
    there = lines_of(table)
    lines = {(e.id, engine): there.get((e.id, engine)) or line(not_run(e, engine)) for e, engine in known}
    lines |= {(row["id"], row["engine"]): line(row) for row in kept}
    page.write_text(_with_tables(f"{before}{BEGIN}\n{markdown(lines)}{END}{after}", kept))


def _with_tables(text: str, kept: Sequence[Mapping[str, Any]]) -> str:
    """The page with the experiments' own tables."""
    for row in kept:
        if row.get("table"):
            begin, end = f"<!-- {row['id']} -->", f"<!-- /{row['id']} -->"
            before, rest = text.split(begin)
            text = f"{before}{begin}\n{row['table']}{end}{rest.split(end)[1]}"
    return text
