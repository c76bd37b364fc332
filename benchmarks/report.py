"""Rows of measurements: printed as they come, kept as JSON, rendered as one Markdown table."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from coattail.config import CLASSIC

RESULTS = Path(__file__).parent / "results"
BEGIN, END = "<!-- measured -->", "<!-- /measured -->"


def row(
    name: str,
    ours: float,
    peer: float | None,
    unit: str,
    ratio: float | None,
    must: float | None,
    aim: float | None,
    note: str = "",
    *,
    judged: Literal["ratio", "ours"] = "ratio",
    less_is_better: bool = False,
) -> dict[str, Any]:
    """Print one measurement, keep it in `results/<name>.json`, and return it.

    `must` and `aim` are what the value called `judged` should at least be, or with `less_is_better` at most. A value
    beyond `must` is called MISSED; it raises nothing, because a busy host is not a fault of the code. Without a `must`
    the design has no budget for it.
    """
    value = ours if judged == "ours" or ratio is None else ratio
    sign = -1 if less_is_better else 1
    if must is None or aim is None:
        verdict = "no budget"
    else:
        verdict = "aim met" if sign * value >= sign * aim else "must met" if sign * value >= sign * must else "MISSED"
    found = {
        "name": name, "ours": ours, "peer": peer, "unit": unit, "ratio": ratio, "must": must, "aim": aim,
        "judged": judged, "less_is_better": less_is_better, "verdict": verdict, "note": note,
        "test": os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0],
        "measured_on": f"{datetime.now(UTC):%Y-%m-%d}",
    }  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / ".gitignore").write_text("*\n")
    path = RESULTS / f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\n{_line(found)}")
    return found


def measured() -> set[str]:
    """Tests whose rows are kept."""
    return {json.loads(path.read_text()).get("test", "") for path in RESULTS.glob("*.json")}


def forget() -> None:
    """Begin anew: rows of an earlier run are not part of this one."""
    for path in RESULTS.glob("*.json"):
        path.unlink()


def under(preset: str) -> str:
    """What a row's name says of the preset."""
    return "" if preset == CLASSIC else f", preset {preset}"


def markdown() -> str:
    """All rows kept so far as a Markdown table, by name."""
    rows = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    names = ("what", "ours", "peer", "unit", "ratio", "must", "aim", "verdict", "note", "on")
    head = f"| {' | '.join(names)} |\n{'|---' * len(names)}|\n"
    return head + "".join(f"{_line(found)}\n" for found in rows)


def decoded(output: str) -> dict[str, Any]:
    """What a command printed with `--json`."""
    found: dict[str, Any] = json.loads(output)
    return found


def _line(found: dict[str, Any]) -> str:
    sign = "≤" if found["less_is_better"] else "≥"
    unit = "" if found["judged"] == "ours" else " times"
    peer, ratio = ("" if found[n] is None else f"{found[n]:.3g}" for n in ("peer", "ratio"))
    must, aim = ("" if found[n] is None else f"{sign} {found[n]:g}{unit}" for n in ("must", "aim"))
    cells = (
        found["name"], f"{found['ours']:.3g}", peer, found["unit"], ratio, must, aim, found["verdict"], found["note"],
        found.get("measured_on", ""),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def publish(page: Path) -> None:
    """Put the table into the page, between its two marks, with the machine it was measured on."""
    import platform

    before, rest = page.read_text().split(BEGIN)
    _, after = rest.split(END)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    page.write_text(f"{before}{BEGIN}\nMeasured on {machine}.\n\n{markdown()}{END}{after}")


if __name__ == "__main__":
    if "--small" in sys.argv:
        print("too small to publish: docs/PERFORMANCE.md stays as it is")
    elif len(sys.argv) > 1:
        publish(Path(sys.argv[1]))
        print(f"{sys.argv[1]} has the table")
    else:
        print(markdown())
