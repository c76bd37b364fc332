"""How good detectors are on recorded trades with announced events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from coattail.alerts import DISCLAIMER
from coattail.amounts import count
from coattail.config import Settings
from coattail.detectors import BaseDetector
from coattail.errors import DamagedInput, UsageError
from coattail.landing import Checks
from coattail.recordings.chosen import Chosen
from coattail.scoring.announced import WITHIN, Announced, Why, announced
from coattail.scoring.labels import Label, LabelFile, read_labels
from coattail.scoring.recorded import WARM_UP, Together, together
from coattail.scoring.recorded_scorecard import recorded_scorecard
from coattail.scoring.reduced import Reduced, digests, reduced
from coattail.values import format_duration
from coattail.workspace.documents.recorded import (
    LabelsLeft,
    LabelsRead,
    MarketJudged,
    RecordedDocument,
    RecordingRead,
    TypeFigures,
)
from coattail.workspace.progress import OnProgress, Step, unheard
from coattail.workspace.questions import recorded_words
from coattail.workspace.shown import Displayed

if TYPE_CHECKING:
    from coattail.charts.chart import Panels

_EXAMPLES = 3
_NEXT = {
    Why.NO_MARKET: "record it, or fetch it with `coattail backfill`",
    Why.OTHER_VENUE: "leave the exchange out of the labels, or record it there",
    Why.OUTSIDE: "record more days around it",
    Why.WARM_UP: "give a shorter --warm-up",
}
"""What a person can do about labels that are not judged."""


@dataclass(frozen=True, kw_only=True, repr=False)
class RecordedScore(Displayed):
    """Figures by preset, detector and type of alert. Printing it shows them as tables."""

    document: RecordedDocument
    """The document of `--json`: what each figure means is in docs/EVIDENCE.md."""
    damage: DamagedInput | None = None
    """Of the first recording that cannot be read to its end; the figures are of what could be read."""

    def words(self, *, terminal: bool = False) -> list[str]:
        """The figures as `coattail score` prints them. `terminal`: see `table`."""
        return recorded_words.said(self.document, terminal=terminal)

    def chart(self) -> Panels:
        """What is found of the events, alerts on other days, and whether return periods hold; 90 % intervals."""
        from coattail.workspace.questions.drawn import recorded

        return recorded(self.document)

    def said(self) -> list[str]:
        """What `words` says."""
        return [*self.words(), DISCLAIMER]


def score_recorded(
    chosen: Chosen,
    labels: Path,
    settings: Settings,
    detectors: Mapping[str, Sequence[BaseDetector]],
    *,
    columns: Mapping[str, str] | None = None,
    within: timedelta = WITHIN,
    warm_up: timedelta = WARM_UP,
    cache: Path | None = None,
    on_progress: OnProgress = unheard,
) -> RecordedScore:
    """Hold detectors against recorded trades with announced events; nothing is written but the cache.

    chosen: The recordings, as `coattail.recordings.chosen.choose` finds them.
    labels: A CSV or JSON file of the events (`coattail.scoring.labels.read_labels`).
    detectors: Preset -> its detectors, configured.
    columns: Which column of the labels is which field; None: by their usual names.
    within: An alert so long after the announced time still finds the event.
    warm_up: Of each market so much is learned from before it is judged.
    cache: A folder that keeps what the recordings add up to for the next time; None keeps nothing.
    Raises: UsageError: If nothing can be judged; the message says why. DamagedInput: If nothing of a recording can be
        read.
    """
    if within <= timedelta():
        raise UsageError(f"--within {format_duration(within)} leaves no time", next_step="give a time like 10m")
    file = read_labels(labels, columns)
    read = reduced(
        chosen, Checks.of(settings.quality), cache=cache,
        progress=lambda done, total: on_progress(Step("reading", done, total)),
    )  # fmt: skip
    groups = together(read, warm_up=warm_up)
    _refuse_nothing(read, groups, warm_up)
    markets = [market for group in groups for market in group.judged]
    events = announced(file.labels, [market for group in groups for market in group.markets], within=within)
    if not events.events:
        _refuse_no_event(file, events, len(markets))
    cards = recorded_scorecard(
        groups, events, detectors, within=within,
        progress=lambda text, done, total: on_progress(Step(text, done, total)),
    )  # fmt: skip
    document = RecordedDocument(
        recordings=[RecordingRead(name=name, sha256=digest) for name, digest in read.files.items()],
        trades=read.counts.trades,
        duplicates=read.counts.duplicates,
        rejected=read.counts.rejected,
        labels=_labels_read(file, events),
        markets=[
            MarketJudged(
                exchange=m.exchange, symbol=m.symbol, first=m.first, last=m.last, since=m.since if m.judged else None
            )
            for group in groups
            for m in group.markets
        ],
        warm_up_days=warm_up / timedelta(days=1),
        within_s=within.total_seconds(),
        presets=msgspec.convert(cards, dict[str, dict[str, dict[str, TypeFigures]]]),
        disclaimer=DISCLAIMER,
    )
    return RecordedScore(document=document, damage=read.damage)


def _refuse_nothing(read: Reduced, groups: Sequence[Together], warm_up: timedelta) -> None:
    """Refuse recordings of which nothing can be judged."""
    if not groups:
        rejected = ", ".join(f"{count:,} {reason}" for reason, count in read.counts.rejected.items())
        raise UsageError(
            f"the recordings hold no trade that passes the checks ({rejected or 'they are empty'})",
            next_step="`coattail replay` into a home of its own says why each was rejected: `coattail dlq list`",
        )
    longest = max(market.last - market.first for group in groups for market in group.markets)
    if not any(group.judged for group in groups):
        raise UsageError(
            f"no recorded market is longer than the {format_duration(warm_up)} that are learned from before one is "
            f"judged (the longest: {longest.total_seconds() / 86400:.1f} days)",
            next_step="give fewer days: --warm-up 0 judges from the first trade on",
        )


def _refuse_no_event(file: LabelFile, events: Announced, markets: int) -> None:
    """Say why no label is about the recordings."""
    why, labels = max(events.left.items(), key=lambda item: (list(Why).index(item[0]), len(item[1])))
    raise UsageError(
        f"none of the {len(file.labels):,} labels of {file.path} names an event of the "
        f"{count(markets, 'recorded market')}; nearest: {len(labels):,} {why} ({_examples(labels)[0]})",
        next_step=_NEXT[why],
    )


def _labels_read(file: LabelFile, events: Announced) -> LabelsRead:
    left = sum(map(len, events.left.values()))
    return LabelsRead(
        file=file.path.name,
        sha256=digests([file.path])[file.path.name],
        columns=dict(file.columns),
        rows=len(file.labels) + len(file.unreadable),
        unreadable=len(file.unreadable),
        judged=len(file.labels) - left,
        events=len(events.events),
        left=[
            LabelsLeft(why=why, labels=len(labels), examples=_examples(labels))
            for why in Why
            if (labels := events.left.get(why))
        ]
        + (
            [
                LabelsLeft(
                    why="cannot be read", labels=len(file.unreadable),
                    examples=[f"row {row}: {error}" for row, error in file.unreadable[:_EXAMPLES]],
                )
            ]
            if file.unreadable
            else []
        ),
    )  # fmt: skip


def _examples(labels: Sequence[Label]) -> list[str]:
    return [f"row {label.row}: {label}" for label in labels[:_EXAMPLES]]
