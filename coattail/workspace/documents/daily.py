"""What a day's work came to, step by step."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import msgspec

from coattail.stores.figures import CatalogFigures
from coattail.stores.gate import Verdict
from coattail.workspace.documents.backfill import BackfillDocument
from coattail.workspace.documents.reports import ReportDocument


class StepState(StrEnum):
    """How a step ended."""

    DONE = "done"
    FAILED = "failed"
    NOT_REACHED = "not reached"


class DailyStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a day's work."""

    name: str
    """`load`, `judge`, `count` or `report`."""
    state: StepState
    said: str = ""
    """What it came to, or why it failed, in a sentence."""
    next_step: str = ""
    """What to do; empty unless it failed."""
    seconds: float = 0.0

    def told(self) -> str:
        """How it ended, in a line."""
        told = "; ".join(part for part in (self.said, self.next_step) if part)
        return "  ".join(part for part in ("" if self.state is StepState.DONE else self.state.upper(), told) if part)

    def words(self) -> str:
        """The step in a line."""
        return f"{self.name:8}{self.told()}"


class DailyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A day's work. What a step that failed, or was not reached, would have found is null."""

    day: date
    """In UTC."""
    passed: bool
    """Whether every step was done."""
    threshold: float
    """Least share of records that must have passed, in percent."""
    steps: list[DailyStep]
    history: BackfillDocument | None
    verdict: Verdict | None
    tables: CatalogFigures | None
    report: ReportDocument | None
    seconds: float
