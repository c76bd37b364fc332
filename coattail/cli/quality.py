"""`coattail quality`: how much of what came in was good, and why the rest was not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.output import print_json, print_table
from coattail.cli.terminal import bar, clock, percent

if TYPE_CHECKING:
    from coattail.workspace.documents.quality import QualityCounts, QualityDocument


@command("quality", examples=["coattail quality", "coattail quality --json"])
def quality(session: Session, *, as_json: JsonOption = False) -> None:
    """Show the quality score, per exchange too, and why records were rejected.

    The score is passed / (passed + failed); duplicates do not count. The last 24 hours count back from the newest
    commit. Rejected records are kept for some days: `coattail dlq list` shows them.

    JSON: {"all_time", "last_24h", "failures", "target", "alarm"}; see docs/CLI.md.
    """
    from coattail.workspace import quality as room

    found = room.quality(session.stores())
    if as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: QualityDocument) -> None:
    day, whole = found.last_24h, found.all_time
    if whole.score is None or day.score is None:
        print("no records yet: nothing to judge")
        return
    judged = day.passed + day.failed
    verdict = "good" if day.score > found.target else "below the aim" if day.score >= found.alarm else "ALARM"
    print(f"quality    {bar(day.passed / judged, 40)}  {percent(day.passed, judged)}  {verdict}")
    print(f"           aim above {found.target} %, alarm below {found.alarm} %; the 24 hours to {clock(day.until)}")
    print()
    columns = ["exchange", "", "score", "processed", "passed", "failed", "late", "duplicates"]
    rows = [_row(e.exchange, e) for e in day.exchanges] + [_row("all", day)]
    if whole.processed != day.processed:
        rows.append(_row("since the beginning", whole))
    print_table(columns, rows, right=columns[2:])
    if found.failures:
        print()
        failures = [(f.folder, f.reason, f"{f.rows:,}") for f in found.failures]
        print_table(["rejected as", "reason", "records"], failures, right=["records"])
        print("`coattail dlq list` shows them; a record may have several reasons")


def _row(name: str, counts: QualityCounts) -> tuple[str, ...]:
    judged = counts.passed + counts.failed
    share = counts.passed / judged if judged else 0
    numbers = (counts.processed, counts.passed, counts.failed, counts.late, counts.duplicate)
    return (name, bar(share, 10), percent(counts.passed, judged), *(f"{number:,}" for number in numbers))
