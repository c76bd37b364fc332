"""Which alerts other settings would raise from the stored trades; nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coattail.alerts import DISCLAIMER, Alert
from coattail.config import Settings
from coattail.detectors import detectors_for
from coattail.engines.recompute import stored_facts
from coattail.engines.reprocess import Reprocessed, Request
from coattail.engines.reprocess import reprocess as recomputed
from coattail.errors import UsageError
from coattail.scoring.evaluation import EvaluationSet
from coattail.scoring.truth_file import TruthFile, of_home, read_truth, with_truth
from coattail.scoring.what_if import Value, figures, per_day, shown
from coattail.tables import RAW_TRADES
from coattail.values import write_value
from coattail.workspace.documents.questions import (
    PerDay,
    SettingsDocument,
    SweepDocument,
    SweepPoint,
    WhatIfDocument,
    compared_fields,
)
from coattail.workspace.opening import Stores
from coattail.workspace.page import alert_line
from coattail.workspace.past import snapshot_meant
from coattail.workspace.progress import OnProgress, Step, unheard
from coattail.workspace.questions import words
from coattail.workspace.questions.settings import Both
from coattail.workspace.shown import Displayed, Tabular
from coattail.workspace.text import table
from coattail.workspace.times import refuse_backwards

if TYPE_CHECKING:
    import polars as pl

    from coattail.charts.chart import Chart, Panels


@dataclass(frozen=True, kw_only=True, repr=False)
class Sweep(Tabular):
    """One parameter at several values."""

    key: str
    """`volume-anomaly.budget`."""
    points: Sequence[tuple[Value, dict[str, Any]]]
    """At each value: `alerts_per_day` by type, and with a truth `kinds`, the card of each kind of event."""
    now: Value | None = None
    """What it is without the sweep; None where that is not a number."""

    def chart(self, *, chosen: Value | None = None) -> Chart:
        """Recall against false alarms a day where a truth is known, else alerts a day against the parameter.

        chosen: A value to point out, beside the one of now; None means none.
        Raises: UsageError: If the truth holds no event that the detector looks for.
        """
        from coattail.workspace.questions.drawn import sweep

        named = {"now": self.now, "chosen": chosen}
        return sweep(self.key, self.points, {name: value for name, value in named.items() if value is not None})

    def words(self, *, terminal: bool = False) -> list[str]:
        """Alerts a day at each value, and with a truth how good they are. `terminal`: see `table`."""
        named = [(shown(value), found) for value, found in self.points]
        types = list(named[0][1]["alerts_per_day"])
        rows = [(name, *(found["alerts_per_day"][kind] for kind in types)) for name, found in named]
        drawn = table([self.key, *types], rows, right=types, terminal=terminal)
        held = words.held_against_truth(named, terminal=terminal) if "kinds" in named[0][1] else []
        return [f"{self.key}, and alerts a day:", drawn, *held]

    def said(self) -> list[str]:
        """What `words` says."""
        return self.words()

    def to_polars(self) -> pl.DataFrame:
        """A row for each value and type of alert: value (as text), alert_type, alerts_per_day."""
        import polars as pl

        rows = [
            (shown(value), kind, number)
            for value, found in self.points
            for kind, number in found["alerts_per_day"].items()
        ]
        schema = {"value": pl.String, "alert_type": pl.String, "alerts_per_day": pl.Float64}
        return pl.DataFrame(rows, schema=schema, orient="row")


@dataclass(frozen=True, kw_only=True, repr=False)
class WhatIf(Displayed):
    """The answer: of the settings asked for, of a sweep, or of both. Printing it shows it in words."""

    done: Reprocessed | None
    """Each alert in both states; None where only a sweep was asked for."""
    now: float
    """Alerts a day that there are; 0 without `done`."""
    then: float
    """Alerts a day under the settings asked for."""
    truth: dict[str, dict[str, Any]] | None
    """`now` and `then` held against the truth; None without one."""
    sweep: Sweep | None

    def chart(self, *, chosen: Value | None = None) -> Panels:
        """The sweep as a curve, and the alerts of both settings over time; whichever was asked for.

        chosen: As of `Sweep.chart`.
        Raises: UsageError: If there is neither a curve nor an alert.
        """
        from coattail.charts.chart import Panels
        from coattail.workspace.questions.drawn import comparison

        curve = [] if self.sweep is None else [self.sweep.chart(chosen=chosen)]
        if self.done is None or (curve and not self.done.compared):
            return Panels(tuple(curve))
        return Panels((*curve, comparison(self.done)))

    @property
    def document(self) -> WhatIfDocument:
        """The JSON form."""
        other = sweep = None
        if self.done is not None:
            per = PerDay(now=self.now, then=self.then)
            other = SettingsDocument(**compared_fields(self.done), alerts_per_day=per, truth=self.truth)
        if self.sweep is not None:
            points = [SweepPoint(value=write_value(value), **found) for value, found in self.sweep.points]  # type: ignore[arg-type]
            sweep = SweepDocument(key=self.sweep.key, points=points)
        return WhatIfDocument(set=other, sweep=sweep, disclaimer=DISCLAIMER)

    def words(self, *, line: Callable[[Alert], str] = alert_line, terminal: bool = False) -> list[str]:
        """The answer as `coattail what-if` prints it; `line` says an alert. `terminal`: see `table`."""
        said = []
        if self.done is not None:
            said += [*words.compared(self.done, line=line), f"alerts a day: {self.now:g} now, {self.then:g} then"]
            if self.truth is not None:
                said += words.held_against_truth(list(self.truth.items()), terminal=terminal)
        return said + (self.sweep.words(terminal=terminal) if self.sweep is not None else [])

    def said(self) -> list[str]:
        """What `words` says."""
        return [*self.words(), DISCLAIMER]


def what_if(
    stores: Stores,
    both: Both,
    *,
    compare: bool = True,
    sweep: tuple[str, Sequence[Value]] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    truth: Path | None = None,
    on_progress: OnProgress = unheard,
) -> WhatIf:
    """Find which alerts other settings would have raised from the stored trades.

    both: The home's own settings, and those asked for.
    compare: Whether the alerts under the settings asked for are compared with those there are.
    sweep: A parameter, and the values to try it at, on top of the settings asked for; None means no sweep.
    since, until: When it happened in the market; None means no bound.
    truth: truth.parquet or truth.json of the simulated market that landed: how much is found, and what is false.
    on_progress: Called with what is computed, and how many of the values were tried.
    Raises: UsageError: If the truth is about another market, or cannot be read, or a sweep has no values. StoreError:
    If nothing has landed.
    """
    key, values = sweep or ("", ())
    if sweep is not None and not values:
        raise UsageError(f"no value of {key} to try", next_step="give one or more")
    refuse_backwards(since, until)
    truth_file = read_truth(truth) if truth is not None else None
    settings_at = {value: both.at(key, value) for value in values}
    done, now, then, held, tried = None, 0.0, 0.0, None, None
    if compare:
        on_progress(Step("under both settings"))
        evidence = _evidence(stores, [both.original, both.asked], since, until, truth_file)
        meant = snapshot_meant(stores.lake, RAW_TRADES.name, None, now=datetime.now(UTC))
        request = Request(as_of=meant, original=both.original, asked=both.asked, since=since, until=until)
        done = recomputed(stores.lake, request)
        now, then = (per_day(count, evidence) for count in (len(done.original), len(done.alerts)))
        if truth_file is not None:
            sides = (("now", both.original), ("then", both.asked))
            held = {name: figures(evidence, settings, settings.modules, truth=True) for name, settings in sides}
    if settings_at:
        evidence = _evidence(stores, [both.original, *settings_at.values()], since, until, truth_file)
        modules = [key.partition(".")[0]]
        points = []
        for place, (value, settings) in enumerate(settings_at.items()):
            on_progress(Step(f"{key} = {shown(value)}", place, len(settings_at)))
            points.append((value, figures(evidence, settings, modules, truth=truth_file is not None)))
        tried = Sweep(key=key, points=points, now=_now(both.asked, key))
    return WhatIf(done=done, now=now, then=then, truth=held, sweep=tried)


def _now(settings: Settings, key: str) -> Value | None:
    module, _, parameter = key.partition(".")
    value = getattr(next(d for d in detectors_for(settings) if d.name == module), parameter)
    return value if isinstance(value, Value) and not isinstance(value, bool) else None


def _evidence(
    stores: Stores,
    settings: Sequence[Settings],
    since: datetime | None,
    until: datetime | None,
    truth_file: TruthFile | None,
) -> EvaluationSet:
    """The home's trades as evidence for all of these settings."""
    detectors = [d for one in settings for d in detectors_for(one)]
    stored = stored_facts(stores.lake, since=since, until=until, detectors=detectors)
    evidence = of_home(stored, settings[0], since=since, until=until)
    return with_truth(evidence, truth_file) if truth_file is not None else evidence
