"""`coattail land`: the engine, for as long as it is wanted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.engines import EngineOption, StreamOption, engine_class, stream_flag

if TYPE_CHECKING:
    from coattail.cli.firing import AlertLog
    from coattail.cli.screen import Screen
    from coattail.engines.engine import Engine

DrainOption = Annotated[bool, typer.Option("--drain", help="Land what waits, then end.")]

_STATUS_EVERY = 0.5


@command("land", examples=["coattail land", "coattail land --drain --json", "coattail land --engine spark"])
def land(
    session: Session,
    *,
    drain: DrainOption = False,
    engine: EngineOption = "local",
    stream: StreamOption = None,
    as_json: JsonOption = False,
) -> None:
    """Land what the stream holds: check, deduplicate, commit, judge.

    Follows the stream until SIGINT or SIGTERM, and prints alerts as they fire. Only one engine runs on a home at a
    time; either one goes on where the other stopped.

    JSON: without --drain one line per alert revision, {"event": "alert", alert_id, …}; at the end (and with --drain
    only) {"event": "landed", "received", "landed", "rejected", "duplicates", "late", "rejected_by_reason",
    "instruments", "gaps", "waiting_bytes", "conserved", "alerts"}.
    """
    from datetime import UTC, datetime
    from functools import partial

    from coattail.batch.beside import maintained
    from coattail.cli.firing import AlertLog
    from coattail.cli.hints import line
    from coattail.cli.landed import Stopped, drain_progress, outcome, print_outcome
    from coattail.cli.output import print_json_line
    from coattail.cli.screen import Screen
    from coattail.cli.stopping import stop_on_signals

    settings = session.settings(stream_flag(stream))
    home = session.home(write=True)
    kind = engine_class(engine)
    with Screen(silent=as_json) as screen, stop_on_signals() as stop:
        alerts = AlertLog(screen, show=not drain, json_lines=as_json)
        since = datetime.now(UTC)
        beside = partial(maintained, home, settings, by="land")
        with kind(home, settings, on_alerts=alerts.fired, beside=beside) as running:
            before, waiting = running.totals, running.waiting_bytes
            if drain:
                with drain_progress(waiting, stop, silent=as_json) as drained:
                    try:
                        running.drain(drained)
                    except Stopped:
                        screen.say("stopped before the end; what has landed is kept")
            else:
                screen.say(f"landing what arrives at {home.path}, {waiting / 1e6:,.1f} MB wait; Ctrl-C stops")
                with status_line(screen, running, alerts):
                    running.run(stop)
                screen.say("stopped; everything landed is committed")
        done = outcome(home, settings, before, running.totals, since=since, waiting_bytes=running.waiting_bytes)
        if as_json:
            print_json_line({"event": "landed", **done.as_json(), "alerts": alerts.counts()})
            return
        print_outcome(screen, done, alerts)
        if alerts.current():
            screen.say(f"see them: {line(home.path, 'alerts')}")


@contextmanager
def status_line(screen: Screen, engine: Engine, alerts: AlertLog) -> Iterator[None]:
    """Keep one line current while an engine runs."""
    from coattail.records import when

    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(_STATUS_EVERY):
            totals, mark = engine.totals, engine.watermark
            clock = f", closed up to {when(mark):%Y-%m-%d %H:%M:%S}" if mark else ""
            screen.status(
                f"landed {totals.landed:,}, rejected {totals.rejected:,}, duplicates {totals.duplicates:,}{clock}, "
                f"{len(alerts.current()):,} alerts"
            )

    thread = threading.Thread(target=keep, name="status", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        screen.status("")
