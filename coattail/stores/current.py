"""The current alerts: what people read, from the lake and the hot store together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import datetime

import polars as pl

from coattail.alerts import RETRACTED, Alert
from coattail.errors import UsageError
from coattail.stores.hot import HotStore, StoredAlert
from coattail.stores.lake import Lake
from coattail.tables import ALERTS

_CERTAIN = 12
"""Hexadecimal digits of an id that name one alert: among a million alerts another fits by 1 chance in 280 million."""


def current_alerts(
    lake: Lake,
    hot: HotStore | None,
    *,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    retracted: bool = False,
) -> pl.DataFrame:
    """One row per alert_id with since <= detected_at < until: its newest revision, newest alerts first.

    Columns out: those of `anomaly_alerts`. `retracted` keeps the retracted ones too. The hot store adds what has
    not reached the lake: provisional alerts, and newer revisions.
    """
    newest = newest_of(every_revision(lake, hot, now=now, since=since, until=until))
    if not retracted:
        newest = newest.filter(pl.col("status") != RETRACTED)
    return newest.sort(["detected_at", "alert_id"], descending=[True, False])


def every_revision(
    lake: Lake, hot: HotStore | None, *, now: datetime, since: datetime | None = None, until: datetime | None = None
) -> pl.DataFrame:
    """Every revision of the alerts with since <= detected_at < until, retracted ones too; only their days are read.

    Columns out: those of `anomaly_alerts`. One row per alert_id and revision: that of the lake, where it has one.
    """
    return with_stored(
        lake.scan(ALERTS, since=since, until=until),
        [] if hot is None else hot.alerts(since=since, until=until, now=now),
    )


def with_stored(rows: pl.DataFrame, stored: Sequence[StoredAlert]) -> pl.DataFrame:
    """Rows of `anomaly_alerts`, and the revisions that only the hot store has."""
    return pl.concat([rows, _frame(stored).join(rows, on=["alert_id", "revision"], how="anti")])


def newest_of(rows: pl.DataFrame) -> pl.DataFrame:
    """The newest revision of each alert among rows of `anomaly_alerts`."""
    return rows.sort("revision").unique("alert_id", keep="last")


def newest_revisions(rows: pl.DataFrame) -> dict[str, Alert]:
    """The newest revision of each alert among rows of `anomaly_alerts`, retracted ones too."""
    return {row["alert_id"]: Alert(**row) for row in newest_of(rows).drop("recorded_at").iter_rows(named=True)}


def alert_frame(alerts: Iterable[Alert], recorded_at: datetime) -> pl.DataFrame:
    """Rows of `anomaly_alerts`."""
    rows = [{f.name: getattr(a, f.name) for f in fields(Alert)} | {"recorded_at": recorded_at} for a in alerts]
    return ALERTS.conform(pl.DataFrame(rows, schema=ALERTS.schema))


def _frame(stored: Sequence[StoredAlert]) -> pl.DataFrame:
    rows = [
        {name: s.recorded_at if name == "recorded_at" else getattr(s.alert, name) for name in ALERTS.schema}
        for s in stored
    ]
    return pl.DataFrame(rows, schema=ALERTS.schema)


def identified(beginning: str, recent: Iterable[str], every: Callable[[], Iterable[str]]) -> str:
    """The alert id that begins with `beginning`. Where a `recent` one does by 12 letters, `every` is not asked.

    Raises: UsageError: If there is none, or more than one.
    """
    wanted = beginning.strip().lower()
    found = [i for i in recent if i.startswith(wanted)] if len(wanted) >= _CERTAIN else []
    if not found and wanted:
        found = [i for i in every() if i.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            f"no alert's id begins with '{beginning}'",
            next_step="`coattail alerts` lists them; the last word of each line is the beginning of its id",
        )
    more = "" if len(found) <= 5 else f" and {len(found) - 5} more"
    raise UsageError(
        f"'{beginning}' is the beginning of {len(found)} alerts' ids",
        next_step=f"give more of it: {', '.join(i[:16] for i in sorted(found)[:5])}{more}",
    )
