"""Why an alert was raised, and whether the tables still give it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from coattail.alerts import DISCLAIMER
from coattail.workspace.documents import plain
from coattail.workspace.documents.explained import ExplainedDocument, explained_document
from coattail.workspace.opening import Stores
from coattail.workspace.shown import Displayed, Folded, Headline
from coattail.workspace.text import clock, printable, sparkline

if TYPE_CHECKING:
    from coattail.alerts import Alert
    from coattail.charts.chart import Panels
    from coattail.engines.evidence import Evidence
    from coattail.engines.explain import Explained
    from coattail.stores.replies import Marks

_WIDTH = 60


@dataclass(frozen=True, eq=False, repr=False)
class Explanation(Displayed):
    """An alert explained; printing it shows the explanation in words."""

    found: Explained
    marks: Marks
    """What people had said of alerts by then."""
    stores: Stores | None = None
    """Where spreads are read to be drawn; None: they cannot be."""

    def chart(self) -> Panels:
        """What was measured before it: volume against what is usual, a spread in its parts, or large orders.

        Raises: UsageError: If nothing was kept that can be drawn.
        """
        from coattail.workspace.windows import before_alert

        return before_alert(self.found, self.stores)

    @property
    def alert(self) -> Alert:
        """The newest revision of the alert."""
        return self.found.alert

    @property
    def verdict(self) -> str:
        """reproduced, same, revised, waiting or different; docs/CLI.md says what each means."""
        return self.found.verdict

    @property
    def evidence(self) -> Evidence | None:
        """What it was computed from; None where no evidence was kept."""
        return self.found.evidence

    @property
    def document(self) -> ExplainedDocument:
        """The JSON form."""
        return explained_document(self.found, self.marks)

    def lines(self, *, levels: str = "▁▂▃▄▅▆▇█") -> list[str]:
        """The explanation in words, numbers and a line of bars, drawn with `levels`."""
        from coattail.reports.why import why

        found, alert = self.found, self.found.alert
        return [
            printable(alert.message),
            f"{alert.alert_type}, {alert.severity}, {alert.status}, {clock(alert.detected_at)}, preset {alert.preset}",
            f"id {alert.alert_id}",
            *self._said(),
            "",
            *why(alert.module_id, alert.preset, alert.details),
            "",
            *_numbers(alert.details),
            *_chart(found, levels),
            "",
            *_history(found),
            *_origin(found),
            "",
            _verdict(found),
        ]

    def _said(self) -> list[str]:
        """What people have said of it."""
        alert, said = self.document.alert, self.marks.acknowledged.get(self.alert.alert_id)
        lines = ["muted when it was written"] if alert.muted else []
        return (
            lines
            if said is None
            else [*lines, f"acknowledged {clock(said.at)}{f': {printable(said.note)}' if said.note else ''}"]
        )

    def said(self) -> list[str]:
        """What happened, whether the tables still give it, and the rest of `lines`."""
        first, kind, *others = self.lines()
        verdict = others.pop()
        folded = Folded(others, "its numbers, and what it was computed from")
        return [Headline(first), kind, "", verdict, folded, DISCLAIMER]

    def __repr__(self) -> str:
        return "\n".join(self.lines())


def explain(stores: Stores, identity: str, *, now: datetime | None = None) -> Explanation:
    """The alert whose id begins with `identity`, what it was computed from, and what the tables give now.

    Raises: UsageError: If no alert's id begins with it, or several do. StoreError: If it has
    no evidence, and no detector here is its own.
    """
    from coattail.engines.explain import Explainer

    explainer = Explainer(stores.lake, stores.hot, stores.settings, now=now or datetime.now(UTC))
    return Explanation(explainer.explain(explainer.identified(identity)), stores.marks(), stores)


def _numbers(details: str) -> list[str]:
    """The details, one per line, with aligned names."""
    values: dict[str, Any] = msgspec.json.decode(details)
    width = max(map(len, values), default=0)
    return [f"  {name:{width}}  {_value(value)}" for name, value in values.items()]


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.6f}".rstrip("0").rstrip(".")
    return "-" if value is None else printable(str(plain(value)))


def _chart(found: Explained, levels: str) -> list[str]:
    """What was measured before it, as a line of bars; the alert is the last one."""
    measure = found.measure
    if measure is None or found.rows.height < 2:
        return []
    rows = found.rows.tail(_WIDTH)
    values = [abs(float(v)) if v is not None else None for v in rows[measure.column]]
    first = rows["detected_at"][0]
    return [
        "",
        f"  {measure.title} from {first:%H:%M} to {found.alert.detected_at:%H:%M} UTC",
        f"  {sparkline(values, levels=levels)}",
    ]


def _history(found: Explained) -> list[str]:
    if len(found.revisions) < 2:
        return []
    said = [
        f"  revision {alert.revision}: {alert.status}, {alert.severity}, written {clock(written)}"
        for alert, written in found.revisions
    ]
    return ["revised since it was first written:", *said, ""]


def _origin(found: Explained) -> list[str]:
    evidence = found.evidence
    if evidence is None:
        return ["no evidence was kept with it: it was written by an older version"]
    return [
        f"computed from {evidence.bars:,} bars, {clock(evidence.since)} to {clock(evidence.until)}, "
        f"commit {evidence.commit} of raw_trades",
        f"inputs {evidence.inputs}, configuration {evidence.config}, "
        f"rules {evidence.rules or 'of before they were numbered'} of {evidence.preset}, coattail {evidence.code}",
    ]


def _verdict(found: Explained) -> str:
    later = f"{found.later:,} commit{'' if found.later == 1 else 's'} of trades later"
    now = "no such alert" if found.again is None else f"{found.again.severity}: {printable(found.again.message)}"
    return {
        "reproduced": "REPRODUCED: computed again from the tables, the same inputs give the same alert",
        "same": f"SAME: the inputs were revised since ({later}); computed again, the verdict is the same",
        "revised": f"REVISED SINCE: the inputs are others now ({later}), and give {now}",
        "waiting": "NOT YET: its trades have landed, but the tables of bars follow once a minute; ask again then",
        "former": "FORMER RULES: it was judged by rules that this version does not have, and stands as it was written; "
        "`coattail reprocess` says what the present ones give",
        "different": f"MISMATCH: the same inputs give {now}. This is an error: please report it with the JSON",
    }[found.verdict]
