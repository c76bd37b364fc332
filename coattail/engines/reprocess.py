"""Reprocess: the alerts of a range computed anew from raw_trades as of a snapshot, against those there were.

Nothing is written but rows of a table of outcomes (`record`); `coattail.engines.promote` does the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import polars as pl

from coattail import __version__
from coattail.alerts import RETRACTED, Alert, alert_id
from coattail.config import Settings
from coattail.detectors import MODULE_TABLES, BaseDetector, detectors_for, reach_of
from coattail.engines.comparison import EARLIER, EXACT, LATER, VERDICTS, Compared, Reasons, Setting, compare
from coattail.engines.evidence import parameters_of
from coattail.engines.recompute import Recomputed, judged, stored_facts
from coattail.engines.reduction import TradeFacts
from coattail.engines.standings import Standings, rules_written_by
from coattail.errors import StoreError, UsageError
from coattail.stores.commits import through_of
from coattail.stores.current import newest_revisions
from coattail.stores.files import TableFiles
from coattail.stores.history import Kept, complete_through, kept
from coattail.stores.lake import Lake
from coattail.tables import ALERTS, CORE_TABLES, Column, Table
from coattail.values import write_value

REPROCESSED = Table(
    name="anomalies_reprocessed",
    doc="Outcomes of `coattail reprocess`: every alert of a run against the original one, with what differs and why.",
    columns=(
        Column("run_id", "string", "hash of what was asked for, of the commit and of the settings", required=True),
        Column("as_of_snapshot", "long", "snapshot of raw_trades that was read", required=True),
        Column("as_of_commit", "long", "its commit number", required=True),
        Column("verdict", "string", "same, appeared, vanished or changed", required=True),
        Column(
            "causes",
            "string",
            "settings, later_trades, open_window, behind, other_rules, unexplained; several by commas",
        ),
        Column("reason", "string", "what differs and why, for a person"),
        Column("original_severity", "string", "of the original alert; null where there was none"),
        Column("original_status", "string", "of the original alert"),
        Column("original_details", "string", "canonical JSON of the original alert"),
        Column("original_revision", "long", "of the original alert"),
        *(c for c in ALERTS.columns if c.name != "revision"),
    ),
    day_of="detected_at",
    sorted_by=("run_id", "detected_at"),
)
"""Alert columns are the recomputed alert's, or, where it has vanished, the original's; `recorded_at` is the run's."""

_WRITTEN_WITHIN = timedelta(minutes=2)
"""After a commit of raw_trades its alerts are in the table within this time, by default within one minute."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The request: since <= detected_at < until at a snapshot, under `asked` in place of `original` settings."""

    as_of: Kept
    original: Settings
    asked: Settings
    since: datetime | None = None
    until: datetime | None = None

    @cached_property
    def run_id(self) -> str:
        """16 hex digits: equal requests about equal trades have equal ones, also after maintenance."""
        return alert_id(
            {
                "commit": self.as_of.commit.sequence,
                "rows": self.as_of.rows,
                "since": self.since,
                "until": self.until,
                "original": _described(self.original),
                "asked": _described(self.asked),
                "version": __version__,
            }
        )[:16]

    @cached_property
    def differing(self) -> list[Setting]:
        """Every setting that matters to alerts and was asked to change."""
        found = []
        if self.original.preset != self.asked.preset:  # other detectors: their parameters do not compare
            return [Setting("preset", None, self.original.preset, self.asked.preset)]
        before, after = ({d.name: d for d in detectors_for(s)} for s in (self.original, self.asked))
        for name, detector in after.items():
            old = before.get(name)
            for key, value in parameters_of(detector).items():
                known = parameters_of(old).get(key) if old is not None else None
                if known != value:
                    found.append(Setting(f"{name}.{key}", detector.module_id, write_value(known), write_value(value)))
        for key in ("lateness", "idle_limit"):
            old_time, new_time = getattr(self.original.time, key), getattr(self.asked.time, key)
            if old_time != new_time:
                found.append(Setting(f"time.{key}", None, write_value(old_time), write_value(new_time)))
        return found

    def differing_for(self, module_id: str) -> list[Setting]:
        """Those that concern a module."""
        return [s for s in self.differing if s.module in (None, module_id)]


@dataclass(frozen=True, kw_only=True)
class Reprocessed:
    """The outcome: each alert of the range in both states.

    `standing`: whether the originals belong to the snapshot (EXACT, LATER, EARLIER); `alerts`: those recomputed, with
    their own ids; `reproduced`: those that the original settings give; `watermark`, `original_watermark`: what was
    closed at the snapshot under either settings.
    """

    request: Request
    standing: str
    compared: list[Compared]
    original: Mapping[str, Alert] = field(repr=False)
    reproduced: Mapping[str, Alert] = field(repr=False)
    alerts: list[Alert] = field(repr=False)
    watermark: datetime | None
    original_watermark: datetime | None
    reach: timedelta

    def counts(self) -> dict[str, int]:
        """Verdict -> alerts."""
        found = Counter(c.verdict for c in self.compared)
        return {name: found[name] for name in VERDICTS}

    def causes(self) -> dict[str, int]:
        """Cause -> alerts that differ for it, perhaps among others."""
        return dict(sorted(Counter(cause for c in self.compared for cause in c.causes).items()))

    @property
    def modules(self) -> frozenset[str]:
        return frozenset(d.module_id for d in detectors_for(self.request.asked))


def reprocess(
    lake: Lake, request: Request, *, facts_of: Callable[[TableFiles], TradeFacts] | None = None
) -> Reprocessed:
    """Recompute what was asked for and compare it with the original alerts; trades are read once for both settings.

    Raises: UsageError: If the range is empty. StoreError: If a table cannot be read.
    """
    since, until = request.since, request.until
    if since is not None and until is not None and since >= until:
        raise UsageError(f"--since {since:%Y-%m-%d %H:%M:%SZ} is not before --until {until:%Y-%m-%d %H:%M:%SZ}")
    detectors, former = detectors_for(request.asked), detectors_for(request.original)
    both = (*detectors, *former)
    stored = stored_facts(
        lake, snapshot_id=request.as_of.snapshot_id, since=since, until=until, detectors=both, facts_of=facts_of
    )
    before = judged(stored, request.original, since=since, until=until)
    after = judged(stored, request.asked, since=since, until=until)
    modules = {d.module_id for d in detectors}
    original, standing = original_alerts(lake, request, modules)
    reproduced = {a.alert_id: a for a in before.alerts if a.module_id in modules}
    compared = compare(
        original,
        reproduced,
        # by the ids that they would have under the original preset: ids name the preset too
        {
            a.alert_id: a
            for a in after.flagged((replace(d, preset=request.original.preset) for d in detectors), since, until)
        },
        standing=standing,
        watermark=before.watermark,
        settings=request.differing_for,
        reasons=_reasons(detectors, former, after=after, before=before),
    )
    return Reprocessed(
        request=request,
        standing=standing,
        compared=compared,
        original=original,
        reproduced=reproduced,
        alerts=after.alerts,
        watermark=after.watermark,
        original_watermark=before.watermark,
        reach=reach_of(both),
    )


def _reasons(
    asked: Sequence[BaseDetector], original: Sequence[BaseDetector], *, after: Recomputed, before: Recomputed
) -> Reasons:
    """What either side says of the window of an alert that it does not raise."""
    old = {d.module_id: d for d in original}
    return Reasons(
        without_original=Standings(original, before.around).of,
        without_asked=Standings(asked, after.around).of,
        other_rules=lambda alert: rules_written_by(alert, old.get(alert.module_id)),
    )


def original_alerts(lake: Lake, request: Request, modules: Iterable[str]) -> tuple[dict[str, Alert], str]:
    """The view `alerts` of the original preset as anomaly_alerts held it for the snapshot, and its standing.

    Where that state of the table has expired, the revisions written until two minutes after the snapshot.
    """
    sequence = request.as_of.commit.sequence
    state = complete_through(lake, ALERTS.name, sequence)
    rows = alert_rows(lake, request, modules, snapshot_id=state.snapshot_id if state is not None else None)
    rows = rows.filter(pl.col("preset") == request.original.preset)
    if state is not None:
        standing = EXACT if through_of(state.commit) == sequence else LATER
    elif any(k.past and through_of(k.commit) > sequence for k in kept(lake, ALERTS.name)):
        rows = rows.filter(pl.col("recorded_at") <= request.as_of.commit.committed_at + _WRITTEN_WITHIN)
        standing = LATER
    else:
        standing = EARLIER
    return {i: a for i, a in newest_revisions(rows).items() if a.status != RETRACTED}, standing


def alert_rows(lake: Lake, request: Request, modules: Iterable[str], *, snapshot_id: int | None = None) -> pl.DataFrame:
    """Revisions in the range, of these modules under the original preset or the one asked for, at a snapshot."""
    rows = lake.scan(ALERTS, since=request.since, until=request.until, snapshot_id=snapshot_id)
    presets = [request.original.preset, request.asked.preset]
    return rows.filter(pl.col("module_id").is_in(list(modules)) & pl.col("preset").is_in(presets))


# -- the table of outcomes ---------------------------------------------------------------------------------------


def outcome_table(name: str, others: Iterable[str] = ()) -> Table:
    """The table of outcomes under this name.

    Raises: UsageError: If the name does not suit a table, or another table or view has it (`others` among them).
    """
    taken = {t.name for t in CORE_TABLES} | {t.name for t in MODULE_TABLES} | set(others)
    if name in taken:
        raise UsageError(
            f"'{name}' is a table or view of coattail's own",
            next_step=f"choose another, or leave it: {REPROCESSED.name}",
        )
    if not (name.isascii() and name.isidentifier() and name == name.lower() and len(name) <= 64):
        raise UsageError(
            f"{name!r} is not a name for a table", next_step="use lower-case letters, digits and underscores"
        )
    return replace(REPROCESSED, name=name)


def record(lake: Lake, table: Table, done: Reprocessed, *, now: datetime) -> bool:
    """Append the outcome to a table of outcomes; False where this run is there already, and nothing is written.

    Raises: StoreError: If the table is another kind of table.
    """
    run = done.request.run_id
    if lake.has(table.name):
        names = {f.name for f in lake.iceberg(table.name).schema().fields}
        if not names >= {"run_id", "verdict"}:
            raise StoreError(
                f"the table '{table.name}' was not made by reprocess", next_step="choose another name with --into"
            )
        if any(k.commit.properties.get("run") == run for k in kept(lake, table.name)):
            return False
        if lake.scan(table, columns=["run_id"]).filter(pl.col("run_id") == run).height:
            return False
    lake.commit(table, lake.write(table, outcome_rows(done, now)), {"run": run})
    return True


def outcome_rows(done: Reprocessed, now: datetime) -> pl.DataFrame:
    """Rows of `anomalies_reprocessed`."""
    at = done.request.as_of
    rows = [
        {
            **{f.name: getattr(c.alert, f.name) for f in fields(Alert) if f.name != "revision"},
            "run_id": done.request.run_id,
            "as_of_snapshot": at.snapshot_id,
            "as_of_commit": at.commit.sequence,
            "verdict": c.verdict,
            "causes": ",".join(c.causes) or None,
            "reason": c.reason or None,
            **{f"original_{n}": getattr(c.original, n, None) for n in ("severity", "status", "details", "revision")},
            "recorded_at": now,
        }
        for c in done.compared
    ]
    return REPROCESSED.conform(pl.DataFrame(rows, schema=REPROCESSED.schema))


def _described(settings: Settings) -> dict[str, Any]:
    """What alerts depend on."""
    return {
        "preset": settings.preset,
        "time": [write_value(settings.time.lateness), write_value(settings.time.idle_limit)],
        "detectors": {d.name: parameters_of(d) for d in detectors_for(settings)},
    }
