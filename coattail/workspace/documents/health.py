"""What `coattail doctor` finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from coattail.workspace.text import table


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "note", "broken"]
    detail: str
    remedy: str | None = None
    """What to do about it; None where nothing is to be done."""


class HealthDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The installation and a home. Iterating gives the findings; printing shows them as a table."""

    healthy: bool
    """Whether nothing is broken."""
    findings: list[Finding]
    repaired: list[str]
    """What was repaired before, in sentences."""

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def words(self, *, terminal: bool = False) -> list[str]:
        """The findings as `coattail doctor` prints them. `terminal`: see `table`."""
        rows = [(finding.name, finding.state, finding.detail) for finding in self]
        remedies = [f"{finding.name}: {finding.remedy}" for finding in self if finding.remedy]
        return [*self.repaired, table(["check", "state", "found"], rows, terminal=terminal), *remedies]

    def __repr__(self) -> str:
        return "\n".join(self.words())


def health_document(findings: Sequence[Finding], *, repaired: Sequence[str] = ()) -> HealthDocument:
    """The document of these findings."""
    healthy = all(finding.state != "broken" for finding in findings)
    return HealthDocument(healthy=healthy, findings=list(findings), repaired=list(repaired))
