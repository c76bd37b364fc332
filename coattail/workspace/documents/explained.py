"""An alert, what it was computed from, and what the tables give now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from coattail.alerts import DISCLAIMER
from coattail.workspace.documents.alerts import AlertDocument, alert_document

if TYPE_CHECKING:
    from coattail.engines.evidence import Evidence
    from coattail.engines.explain import Explained
    from coattail.stores.replies import Marks


class RevisionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of the alert."""

    revision: int
    status: str
    severity: str
    recorded_at: datetime


class EvidenceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a verdict was computed from."""

    module: str
    preset: str
    parameters: Mapping[str, Any]
    """The detector's, as a configuration writes them."""
    config: str
    """Hash of the detector's name, preset and parameters."""
    code: str
    """Version of coattail."""
    commit: int | None
    """The commit of raw_trades that it saw."""
    since: datetime
    until: datetime
    bars: int
    inputs: str
    """Hash of the bars, of what else the detector saw, and of what it had learned before."""
    rules: int | None
    """Version of the detector's rules under this preset; None where none was kept."""


class RecomputedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the tables give now."""

    inputs: str | None
    bars: int | None
    alert: AlertDocument | None
    """None: no such alert comes out."""


class ExplainedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Why an alert was raised, and whether the tables still give it."""

    alert: AlertDocument
    revisions: list[RevisionDocument]
    """Every revision that was kept, oldest first."""
    evidence: EvidenceDocument | None
    """None where no evidence was kept with it."""
    now: RecomputedDocument
    verdict: str
    """reproduced, same, revised, waiting, former or different; docs/CLI.md says what each means."""
    commits_since: int
    """Commits of raw_trades after the one it was computed from."""
    disclaimer: str = DISCLAIMER


def explained_document(found: Explained, marks: Marks | None = None) -> ExplainedDocument:
    """The document of an explanation. marks: What people have said of alerts; None: nobody looked."""
    again = found.evidence_again
    return ExplainedDocument(
        alert=alert_document(found.alert, found.revisions[-1][1], marks=marks),
        revisions=[
            RevisionDocument(revision=a.revision, status=a.status, severity=a.severity, recorded_at=written)
            for a, written in found.revisions
        ],
        evidence=None if found.evidence is None else _evidence(found.evidence),
        now=RecomputedDocument(
            inputs=again.inputs if again else None,
            bars=again.bars if again else None,
            alert=None if found.again is None else alert_document(found.again),
        ),
        verdict=found.verdict,
        commits_since=found.later,
    )


def _evidence(evidence: Evidence) -> EvidenceDocument:
    return EvidenceDocument(**{name: getattr(evidence, name) for name in EvidenceDocument.__struct_fields__})
