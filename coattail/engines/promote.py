"""Promote: recomputed alerts become the current ones, by a branch of anomaly_alerts that main follows in one step.

A branch is one commit on top of main's head: new alerts, next revisions of changed ones, retractions of vanished
ones. Until main is moved nobody reads it, so a crash at any point leaves main whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from coattail.alerts import FINAL, Alert, changes
from coattail.engines.comparison import EXACT, same_alert
from coattail.engines.reprocess import Reprocessed, alert_rows
from coattail.errors import StoreError, UsageError
from coattail.stores.commits import PREFIX, newest_commit
from coattail.stores.current import alert_frame, newest_revisions, with_stored
from coattail.stores.fence import EPOCH
from coattail.stores.history import MAIN, at_newest, kept
from coattail.stores.hot import HotStore
from coattail.stores.lake import Lake
from coattail.tables import ALERTS, RAW_TRADES

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of promoting: what must hold, whether it does, and what was found."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch of anomaly_alerts with one commit on top of `parent`; `revised` are the rows of that commit."""

    name: str
    snapshot_id: int
    parent: int
    revised: Sequence[Alert]


def checks(lake: Lake, done: Reprocessed) -> list[Condition]:
    """Whether the recomputed alerts may take the place of the current ones."""
    return [_reproduced(done), _no_later_trades(lake, done), _current(lake, done)]


def _reproduced(done: Reprocessed) -> Condition:
    name = "the original settings give the original alerts at this snapshot, byte for byte"
    if done.standing != EXACT:
        why = {
            "later": "the alerts of this very snapshot are not kept: more trades had landed when they were written",
            "behind": "the table anomaly_alerts has not come as far as the snapshot: start an engine, and stop it",
        }
        return Condition(name, False, why[done.standing])
    mark = done.original_watermark
    closed = {i: a for i, a in done.reproduced.items() if mark is not None and a.detected_at <= mark}
    wrong = sorted(
        i for i in done.original.keys() | closed.keys() if not same_alert(done.original.get(i), done.reproduced.get(i))
    )
    if not wrong:
        return Condition(name, True, f"{len(done.original):,} of {len(done.original):,}")
    reasons = {c.alert_id: c.reason for c in done.compared}
    shown = ", ".join(f"{i[:12]}{f' ({reasons[i]})' if reasons.get(i) else ''}" for i in wrong[:_SHOWN])
    return Condition(name, False, f"{len(wrong):,} are not: {shown}{', …' if len(wrong) > _SHOWN else ''}")


def _no_later_trades(lake: Lake, done: Reprocessed) -> Condition:
    name = "no trade that matters here has landed after the snapshot"
    if at_newest(lake, RAW_TRADES.name).snapshot_id == done.request.as_of.snapshot_id:
        return Condition(name, True, "it is the newest")
    since = done.request.since
    low = None if since is None else since - done.reach
    before, now = (
        lake.scan(RAW_TRADES, columns=["timestamp"], since=low, snapshot_id=snapshot).height
        for snapshot in (done.request.as_of.snapshot_id, None)
    )
    return Condition(name, before == now, "none" if before == now else f"{now - before:,} have: use a newer snapshot")


def _current(lake: Lake, done: Reprocessed) -> Condition:
    name = "the current alerts of the range are the original ones"
    rows = alert_rows(lake, done.request, done.modules)
    preset = done.request.original.preset
    held = {i: a for i, a in newest_revisions(rows).items() if a.preset == preset and a.status == FINAL}
    wrong = [i for i in held.keys() | done.original.keys() if not same_alert(held.get(i), done.original.get(i))]
    return Condition(name, not wrong, f"{len(wrong):,} have been revised since" if wrong else "they are")


def write_branch(lake: Lake, hot: HotStore, name: str, done: Reprocessed, *, now: datetime) -> Branch:
    """A new branch of anomaly_alerts on which the closed alerts of the range are the recomputed ones.

    Raises: UsageError: If the name is taken. StoreError: If somebody commits to the table at the same moment.
    """
    from pyiceberg.exceptions import CommitFailedException
    from pyiceberg.table.update.snapshot import ManageSnapshots

    from coattail.stores.transaction import LeanTransaction

    known = lake.iceberg(ALERTS.name)
    head, reached = known.current_snapshot(), newest_commit(known)
    if head is None or reached is None:
        raise StoreError("there are no alerts yet to make a branch of", next_step="land some trades first")
    if (ref := known.metadata.refs.get(name)) is not None:
        raise UsageError(
            f"{ALERTS.name} has a {ref.snapshot_ref_type.value} '{name}' already, at snapshot {ref.snapshot_id}",
            next_step=f"choose another name, or let go of it: coattail tag {name} --table {ALERTS.name} --remove",
        )
    revised = revisions(lake, hot, done, now=now)
    stored = set(alert_rows(lake, done.request, done.modules)["alert_id"])
    rows = alert_frame([a for a in revised if a.status == FINAL or a.alert_id in stored], now)
    files = lake.write(ALERTS, rows)
    properties = {
        **{key: value for key, value in reached.properties.items() if key in ("through", "watermark", EPOCH)},
        "run": done.request.run_id,
        "as_of": str(done.request.as_of.snapshot_id),
    }
    try:
        with LeanTransaction(known) as transaction:
            ManageSnapshots(transaction).create_branch(head.snapshot_id, name).commit()
            written = {f"{PREFIX}{key}": value for key, value in properties.items()}
            update = transaction.update_snapshot(snapshot_properties=written, branch=name)
            with update.merge_append() as append:
                for file in files:
                    append.append_data_file(file)
    except CommitFailedException as error:
        raise StoreError(f"{ALERTS.name} changed while the branch was made", next_step="run it again") from error
    made = lake.iceberg(ALERTS.name).metadata.refs[name]
    return Branch(name, made.snapshot_id, head.snapshot_id, revised)


def revisions(lake: Lake, hot: HotStore, done: Reprocessed, *, now: datetime) -> list[Alert]:
    """What makes the current alerts of the range, as far as it was closed at the snapshot, be the recomputed ones."""
    mark, since, until = done.watermark, done.request.since, done.request.until
    if mark is None:
        return []
    rows = alert_rows(lake, done.request, done.modules)
    presets = {done.request.original.preset, done.request.asked.preset}
    stored = [
        s
        for s in hot.alerts(since=since, until=until, now=now)
        if s.alert.preset in presets and s.alert.module_id in done.modules
    ]
    known = newest_revisions(with_stored(rows, stored))
    closed = {i: a for i, a in known.items() if a.detected_at <= mark}
    return changes(closed, [a for a in done.alerts if a.status == FINAL])


def branch_of(lake: Lake, name: str, run: str) -> Branch | None:
    """The branch of this name, if it is there and this run made it: it was made before, or the run was interrupted."""
    found = next((k for k in kept(lake, ALERTS.name) if name in k.branches), None)
    if found is None or name == MAIN or found.commit.properties.get("run") != run:
        return None
    return _with_rows(lake, name, found.snapshot_id)


def _with_rows(lake: Lake, name: str, snapshot_id: int) -> Branch:
    """The branch of a commit, with the rows that this commit added."""
    snapshot = lake.iceberg(ALERTS.name).snapshot_by_id(snapshot_id)
    assert snapshot is not None
    parent = snapshot.parent_snapshot_id or 0
    before = {f.file_path for f in lake.files(ALERTS.name, snapshot_id=parent)}
    added = [f for f in lake.files(ALERTS.name, snapshot_id=snapshot_id) if f.file_path not in before]
    rows = lake.reading(ALERTS, added).rows().collect()
    return Branch(name, snapshot_id, parent, list(newest_revisions(rows).values()))


def promote(lake: Lake, hot: HotStore, name: str, done: Reprocessed, *, now: datetime) -> list[Alert]:
    """Make the recomputed alerts the current ones, in the tables and the hot store; returns the revisions that did.

    None are returned where nothing differs. A run that was interrupted on its way is finished. Call `checks` before,
    and hold the home's engine lock meanwhile.
    Raises: StoreError: If main has moved since the branch was made. UsageError: If the branch's name is taken.
    """
    run = done.request.run_id
    branch = branch_of(lake, name, run)
    if branch is None and not revisions(lake, hot, done, now=now):
        _finish(lake, hot, run, now=now)
        return []
    if branch is None:
        branch = write_branch(lake, hot, name, done, now=now)
    fast_forward(lake, branch)
    hot.put_alerts(branch.revised, now=now)
    return list(branch.revised)


def _finish(lake: Lake, hot: HotStore, run: str, *, now: datetime) -> None:
    """Bring what an interrupted promotion wrote to the tables into the hot store too: older revisions never win."""
    made = next((k for k in kept(lake, ALERTS.name) if k.past and k.commit.properties.get("run") == run), None)
    if made is not None:
        hot.put_alerts(_with_rows(lake, "", made.snapshot_id).revised, now=now)


def fast_forward(lake: Lake, branch: Branch) -> None:
    """Let main be the branch, which is gone then, in one step.

    Raises: StoreError: If main has moved since the branch was made.
    """
    from pyiceberg.table.update.snapshot import ManageSnapshots

    from coattail.stores.transaction import LeanTransaction

    def change(known: IcebergTable) -> None:
        head = known.current_snapshot()
        ref = known.metadata.refs.get(branch.name)
        if ref is None or ref.snapshot_id != branch.snapshot_id:
            raise StoreError(f"the branch '{branch.name}' is not what it was", next_step="run it again")
        if head is None or head.snapshot_id != branch.parent:
            raise StoreError(
                f"{ALERTS.name} has moved on since the branch '{branch.name}' was made",
                next_step=f"let go of it, and run it again: coattail tag {branch.name} --table {ALERTS.name} --remove",
            )
        with LeanTransaction(known) as transaction:
            ManageSnapshots(transaction).set_current_snapshot(ref_name=branch.name).remove_branch(branch.name).commit()

    lake.iceberg(ALERTS.name)
    lake.change(ALERTS.name, change)
