"""`coattail quality`: how much of what came in was good, and why the rest was not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.output import print_json, print_table
from coattail.cli.terminal import bar, clock, percent

if TYPE_CHECKING:
    import polars as pl

    from coattail.workspace.opening import Stores

TARGET, ALARM = 99, 95
"""Percent: above the one is the aim, below the other for five minutes is an alarm."""

_DAY = timedelta(hours=24)
_COUNTS = ("processed", "passed", "failed", "late", "duplicate")


@command("quality", examples=["coattail quality", "coattail quality --json"])
def quality(session: Session, *, as_json: JsonOption = False) -> None:
    """Show the quality score, per exchange too, and why records were rejected.

    The score is passed / (passed + failed); duplicates do not count. The last 24 hours count back from the newest
    commit. Rejected records are kept for some days: `coattail dlq list` shows them.

    JSON: {"all_time", "last_24h", "failures", "target", "alarm"}; see docs/CLI.md.
    """
    stores = session.stores()
    rows = _measured(stores)
    newest = rows["recorded_at"].max() if rows.height else None
    since = newest - _DAY if isinstance(newest, datetime) else None
    found = {
        "all_time": _summed(rows, None),
        "last_24h": _summed(rows if since is None else rows.filter(rows["recorded_at"] > since), since),
        "failures": [
            {"folder": folder, "reason": reason, "rows": count}
            for folder, reasons in sorted(stores.letters.summary().items())
            for reason, count in sorted(reasons.items(), key=lambda item: -item[1])
        ],
        "target": TARGET,
        "alarm": ALARM,
    }
    if as_json:
        print_json(found)
    else:
        _print(found)


def _measured(stores: Stores) -> pl.DataFrame:
    """Counts per commit and exchange."""
    from coattail.engines.metrics import all_metrics

    columns = {f"records_{name}": name for name in _COUNTS}
    return all_metrics(stores.lake).select("recorded_at", "exchange", *columns).rename(columns)


def _summed(rows: pl.DataFrame, since: datetime | None) -> dict[str, Any]:
    """Score and counts of the rows, whole and by exchange."""
    import polars as pl

    sums = [pl.col(name).sum() for name in _COUNTS]
    whole = rows.select(sums).row(0, named=True)
    by_exchange = rows.group_by("exchange").agg(sums).sort("exchange")
    return {
        "since": since if since is not None else rows["recorded_at"].min(),
        "until": rows["recorded_at"].max(),
        **_scored(whole),
        "exchanges": [{"exchange": row["exchange"], **_scored(row)} for row in by_exchange.iter_rows(named=True)],
    }


def _scored(counts: dict[str, Any]) -> dict[str, Any]:
    judged = counts["passed"] + counts["failed"]
    score = round(100 * counts["passed"] / judged, 6) if judged else None
    return {"score": score, **{name: counts[name] for name in _COUNTS}}


def _print(found: dict[str, Any]) -> None:
    day, whole = found["last_24h"], found["all_time"]
    if whole["score"] is None:
        print("no records yet: nothing to judge")
        return
    judged = day["passed"] + day["failed"]
    verdict = "good" if day["score"] > TARGET else "below the aim" if day["score"] >= ALARM else "ALARM"
    print(f"quality    {bar(day['passed'] / judged, 40)}  {percent(day['passed'], judged)}  {verdict}")
    print(f"           aim above {TARGET} %, alarm below {ALARM} %; the 24 hours to {clock(day['until'])}")
    print()
    columns = ["exchange", "", "score", "processed", "passed", "failed", "late", "duplicates"]
    rows = [_row(e["exchange"], e) for e in day["exchanges"]] + [_row("all", day)]
    if whole["processed"] != day["processed"]:
        rows.append(_row("since the beginning", whole))
    print_table(columns, rows, right=columns[2:])
    if found["failures"]:
        print()
        failures = [(f["folder"], f["reason"], f"{f['rows']:,}") for f in found["failures"]]
        print_table(["rejected as", "reason", "records"], failures, right=["records"])
        print("`coattail dlq list` shows them; a record may have several reasons")


def _row(name: str, counts: dict[str, Any]) -> tuple[str, ...]:
    judged = counts["passed"] + counts["failed"]
    share = counts["passed"] / judged if judged else 0
    return (name, bar(share, 10), percent(counts["passed"], judged), *(f"{counts[c]:,}" for c in _COUNTS))
