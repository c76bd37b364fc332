"""What `coattail doctor` finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from coattail.workspace.shown import Tabular
from coattail.workspace.text import table

if TYPE_CHECKING:
    import polars as pl


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "note", "broken"]
    detail: str
    remedy: str | None = None
    """What to do about it; None where nothing is to be done."""


class HealthDocument(Tabular, msgspec.Struct, frozen=True, kw_only=True):
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

    def said(self) -> list[str]:
        """What `words` says."""
        return self.words()

    def to_polars(self) -> pl.DataFrame:
        """The findings: name, state, detail, remedy."""
        import polars as pl

        rows = [msgspec.structs.asdict(finding) for finding in self]
        return pl.DataFrame(rows, schema=dict.fromkeys(Finding.__struct_fields__, pl.String))


def health_document(findings: Sequence[Finding], *, repaired: Sequence[str] = ()) -> HealthDocument:
    """The document of these findings."""
    healthy = all(finding.state != "broken" for finding in findings)
    return HealthDocument(healthy=healthy, findings=list(findings), repaired=list(repaired))
