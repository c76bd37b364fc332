"""Alerts that go to people: trying the sinks, running the couriers, and how they fare."""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta

from coattail.alerts import DISCLAIMER
from coattail.config import Settings
from coattail.errors import UsageError
from coattail.home import Home
from coattail.workspace.documents.notify import SinkDocument, TrialDocument, TriedDocument

COUNTED = timedelta(days=7)


def tried(settings: Settings, sink: str | None = None) -> TrialDocument:
    """Send a sample alert to the configured sinks (None: all of them), and say what came back.

    Raises: UsageError: If there is no sink, or none of that name. ConfigError: If one cannot work as configured.
    """
    from coattail.notify import sinks_of
    from coattail.notify.message import sample

    sinks = sinks_of(settings)
    if not sinks:
        raise UsageError(
            "no sink is configured",
            next_step="write one into coattail.yaml under notify.sinks: docs/NOTIFY.md shows how",
        )
    chosen = [one for one in sinks if sink in (None, one.name)]
    if not chosen:
        raise UsageError(f"there is no sink {sink!r}", next_step=f"known: {', '.join(one.name for one in sinks)}")
    found = []
    for one in chosen:
        began = time.monotonic()
        answer = one.deliver(sample(datetime.now(UTC), uuid.uuid4().hex))
        found.append(
            TriedDocument(
                sink=one.name, kind=one.kind, goes_to=one.goes_to, delivered=answer.outcome == "delivered",
                detail=answer.detail, seconds=round(time.monotonic() - began, 3),
            )
        )  # fmt: skip
    return TrialDocument(sinks=found, disclaimer=DISCLAIMER)


def retried(home: Home, settings: Settings, sink: str | None = None) -> dict[str, int]:
    """Have whoever sends try again what was given up (sink None: of all sinks); by sink, how many deliveries that are.

    What was written more than `notify.max_age` ago is not sent any more.
    Raises: UsageError: If there is no sink of that name. HomeError: If the home is read-only.
    """
    from coattail.notify.ledger import DeliveryLedger

    names = sorted(settings.notify.sinks)
    if sink is not None and sink not in names:
        raise UsageError(f"there is no sink {sink!r}", next_step=f"known: {', '.join(names) or 'none'}")
    with closing(DeliveryLedger(Home.open(home.path, write=True).notify_db)) as ledger:
        now = datetime.now(UTC)
        return {name: ledger.retry(name, now) for name in names if sink in (None, name)}


def run(home: Home, settings: Settings, stop: threading.Event) -> None:
    """Send alerts to the configured sinks until `stop` is set, for an engine in another process.

    Raises: UsageError: If no sink is configured. HomeError: If an engine, or another notifier, does it already.
    """
    from coattail.notify import sinks_of
    from coattail.notify.beside import deliver

    sinks = sinks_of(settings)
    if not sinks:
        raise UsageError("no sink is configured", next_step="docs/NOTIFY.md shows how to write one into coattail.yaml")
    with home.notify_lock("notify run"):
        deliver(home, settings, sinks, stop)


def standing(home: Home, settings: Settings, *, now: datetime) -> list[SinkDocument]:
    """How each configured sink fares, by name; also where one could not work as it is configured.

    Raises: StoreError: If `notify.db` cannot be read.
    """
    names = sorted(settings.notify.sinks)
    if not names:
        return []
    from coattail.notify.ledger import DEAD, MUTED, OLD, SENT, WAITING, DeliveryLedger

    found = []
    with closing(DeliveryLedger(home.notify_db, writable=False)) as ledger:
        for name in names:
            counts = ledger.counts(name, now - COUNTED)
            trouble, sent = ledger.latest(name, WAITING, DEAD), ledger.latest(name, SENT)
            fresh = trouble is not None and trouble.changed_at >= now - COUNTED
            found.append(
                SinkDocument(
                    name=name,
                    kind=str(settings.notify.sinks[name].get("kind")),
                    sent=counts.get(SENT, 0),
                    waiting=counts.get(WAITING, 0),
                    dead=counts.get(DEAD, 0),
                    old=counts.get(OLD, 0),
                    muted=counts.get(MUTED, 0),
                    last_sent=sent.changed_at if sent else None,
                    last_trouble=trouble.detail if trouble and fresh else None,
                )
            )
    return found
