"""Jobs: what they are asked, how they are doing, what they cost."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from coattail.jobs.base import JobCost, JobCount, JobSeen, JobState
from coattail.workspace.shown import Displayed, Folded, Headline
from coattail.workspace.text import TextTable, bar, clock, printable, table

_BYTES = "bytes"


class JobDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A job, as it is at the moment."""

    id: str
    job: str
    place: str
    state: JobState
    stage: str
    """What the place itself says of it."""
    options: dict[str, Any]
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    progress: JobCount | None
    reason: str
    """Why it failed or ended early."""
    result: str
    cost: JobCost | None

    def words(self) -> list[tuple[str, str]]:
        """What it is and how it is doing, a pair each."""
        asked = ", ".join(f"{name}={value}" for name, value in self.options.items())
        stage = "" if self.stage.lower() == self.state else f" ({self.stage})"
        rows = [
            ("job", f"{self.job}{f' ({printable(asked)})' if asked else ''} on {self.place}"),
            ("state", f"{self.state}{stage}{f': {printable(self.reason)}' if self.reason else ''}"),
            ("progress", "" if self.progress is None else count_words(self.progress)),
            ("result", printable(self.result)),
            ("submitted", clock(self.submitted_at)),
            ("started", "" if self.started_at is None else clock(self.started_at)),
            ("ended", "" if self.ended_at is None else clock(self.ended_at)),
            ("cost", "" if self.cost is None else cost_words(self.cost)),
        ]
        return [(name, said) for name, said in rows if said]

    def line(self) -> str:
        """How it is doing, on one line."""
        said = self.reason or self.result
        if not self.state.ended:
            said = "" if self.progress is None else count_words(self.progress)
        return f"{self.job} {self.id} {self.state}{f': {printable(said)}' if said else ''}"


class JobsDocument(Displayed, msgspec.Struct, frozen=True, kw_only=True):
    """Jobs, newest first. Printing it shows them."""

    place: str
    jobs: list[JobDocument]

    def drawn(self, *, terminal: bool = False) -> TextTable:
        """A row for each. `terminal`: see `table`."""
        columns = ("id", "job", "state", "submitted", "seconds", "how")
        rows = [
            (job.id, job.job, job.state.value, clock(job.submitted_at),
             None if job.cost is None else f"{job.cost.seconds:,.1f}", job.line().partition(": ")[2])
            for job in self.jobs
        ]  # fmt: skip
        return table(columns, rows, right=["seconds"], terminal=terminal)

    def said(self) -> list[str]:
        """The table, or that there are none."""
        return [self.drawn()] if self.jobs else [f"no job was submitted on {self.place} yet"]


class JobRequestDocument(Displayed, msgspec.Struct, frozen=True, kw_only=True):
    """What would be sent to start a job. Printing it shows it; nothing was sent."""

    place: str
    request: dict[str, Any]
    dollars_an_hour: float | None
    """At list prices while it runs; None where there is no price."""
    priced: str

    def said(self) -> list[str]:
        """Whom it would go to, the request, and what an hour would cost."""
        text = msgspec.json.format(msgspec.json.encode(self.request), indent=2).decode()
        dollars = self.dollars_an_hour
        price = "" if dollars is None else f"about {dollars:.3f} dollars an hour: {self.priced}"
        return [
            Headline(f"As it would be sent to {self.place}; nothing was sent"),
            Folded(map(printable, text.splitlines())),
            *([price] if price else []),
        ]


def job_document(seen: JobSeen) -> JobDocument:
    """The document of a job."""
    return JobDocument(**{name: getattr(seen, name) for name in JobDocument.__struct_fields__})


def count_words(at: JobCount) -> str:
    """`landing: ████ 3 of 12 trades`."""
    scale, digits, unit = (1e6, 1, "MB") if at.unit == _BYTES else (1.0, 0, printable(at.unit))
    doing, done = printable(at.doing), f"{at.done / scale:,.{digits}f}"
    if at.total is None:
        return f"{doing}: {done} {unit}"
    share = at.done / at.total if at.total else 1.0
    return f"{doing}: {bar(share, 12)} {done} of {at.total / scale:,.{digits}f} {unit}"


def cost_words(cost: JobCost) -> str:
    """What was used, and the price."""
    used = [f"{cost.seconds:,.1f} s"]
    if cost.cpu_seconds is not None:
        used.append(f"{cost.cpu_seconds:,.1f} s of one processor")
    if cost.memory_mb is not None:
        used.append(f"{cost.memory_mb:,.0f} MB at most")
    if cost.vcpu_hours is not None:
        whose = "billed" if cost.billed else "used"
        used.append(f"{cost.vcpu_hours:.4f} vCPU-hours, {cost.memory_gb_hours or 0:.4f} GB-hours {whose}")
    price = "nothing to pay" if not cost.dollars else f"{cost.dollars:.4f} dollars"
    return f"{', '.join(used)}; {price} ({printable(cost.priced)})"
