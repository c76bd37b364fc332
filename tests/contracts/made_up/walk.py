"""Everything a home is asked for, by commands, in a package that has the made-up detector: `walk.py FOLDER`.

Prints what was found as JSON; any command that fails ends it.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl

import coattail
from coattail.cli import main
from coattail.detectors import DETECTORS
from coattail.home import Home
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake

NAME = "taker-share"


def run(home: Path, *words: object) -> str:
    """What a command prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(["--home", str(home), *map(str, words)])
    if code:
        raise SystemExit(f"{words} ended with {code}: {out.getvalue()}")
    return out.getvalue()


def asked(home: Path, *words: object) -> Any:
    return json.loads(run(home, *words, "--json"))


def stored(home: Path) -> pl.DataFrame:
    """The newest row of every window, of the table itself."""
    opened = Home.open(home)
    lake, table = Lake(embedded(opened.path), writable=False), DETECTORS["default"][NAME].table
    rows = lake.scan(table).sort("revision").unique(table.latest_by, keep="last").drop("revision")
    lake.close()
    return rows.sort(table.latest_by)


def torn(home: Path, table: str) -> Path:
    """Cut the newest metadata of a table in half, as a full disk does."""
    newest = max((home / "warehouse" / "coattail" / table / "metadata").glob("*.metadata.json"))
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    return newest


def walk(folder: Path) -> dict[str, Any]:
    home, market, table = folder / "home", folder / "market", DETECTORS["default"][NAME].table.name
    Home.open(home, create=True).config_file.write_text(f"modules: [{', '.join(DETECTORS['default'])}]\n")
    run(home, "simulate", "--out", market, "--hours", "2", "--rate", "0.3")
    run(home, "replay", market)
    found: dict[str, Any] = {"package": coattail.__file__, "rows": stored(home).height}
    alerts = asked(home, "alerts", "--type", "taker_side", "--limit", "200")["alerts"]
    found["alerts"] = len(alerts)
    found["explained"] = [asked(home, "explain", a["alert_id"])["verdict"] for a in alerts[:3]]
    found["said"] = run(home, "explain", alerts[0]["alert_id"])
    again = asked(home, "reprocess")
    found["reprocessed"] = again["counts"]["same"]
    found["differing"] = [d for d in again["differences"] if (d["after"] or d["before"])["status"] == "final"]
    query = "SELECT count(*) AS n FROM taker_share_windows"
    found["by_sql"] = asked(home, "sql", query)["rows"]
    page = folder / "day.html"
    run(home, "report", "day", "--light", "--out", page)
    found["report"] = page.read_text()
    before = stored(home)
    kept = asked(home, "maintain", "--older-than", "0s")["tables"]
    found["maintained"] = [t["table"] for t in kept]
    found["compacted_alike"] = stored(home).equals(before)
    torn(home, table)
    found["repair"] = run(home, "doctor", "--repair")
    run(home, "land", "--drain")
    found["repaired_alike"] = stored(home).equals(before)
    return found


if __name__ == "__main__":
    print(json.dumps(walk(Path(sys.argv[1]))))
