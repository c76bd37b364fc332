"""`coattail land`: the engine, until it is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.options import EngineOption, StreamOption, stream_flag

if TYPE_CHECKING:
    from coattail.engines.engine import Engine

DrainOption = Annotated[bool, typer.Option("--drain", help="Land what waits, then end.")]


@command("land", examples=["coattail land", "coattail land --drain --json", "coattail land --engine spark"])
def land(
    session: Session,
    *,
    drain: DrainOption = False,
    engine: EngineOption = "local",
    stream: StreamOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check, deduplicate, commit and judge what the stream holds.

    Follows the stream until SIGINT or SIGTERM, and prints alerts as they fire. Only one engine runs on a home at a
    time; either one goes on where the other stopped.

    JSON: without --drain one line per alert revision, {"event": "alert", alert_id, …}, and one a second with counts
    since the home began and the alerts of this run, {"event": "state", "received", "landed", "rejected", "duplicates",
    "late", "waiting_bytes", "watermark", "alerts"}. At the end (and with --drain only) {"event": "landed", "received",
    "landed", "rejected", "duplicates", "late", "rejected_by_reason", "instruments", "gaps", "waiting_bytes",
    "conserved", "alerts"}.
    """
    from coattail.cli.firing import AlertLog, state_lines, status_line
    from coattail.cli.hints import line
    from coattail.cli.output import print_json_line, progress
    from coattail.cli.screen import Screen
    from coattail.cli.stopping import stop_on_signals
    from coattail.workspace.documents import plain

    settings = session.settings(stream_flag(stream))
    home = session.home(write=True)

    from coattail.workspace import landing

    with Screen(silent=as_json) as screen, stop_on_signals() as stop, progress(silent=as_json) as heard:
        alerts = AlertLog(screen, show=not drain, json_lines=as_json)

        @contextmanager
        def watching(running: Engine) -> Iterator[None]:
            screen.say(f"landing what arrives at {home.path}, {running.waiting_bytes / 1e6:,.1f} MB wait; Ctrl-C stops")
            with state_lines(running, alerts) if as_json else status_line(screen, running, alerts):
                yield
            screen.say("stopped; everything landed is committed")

        done, complete = landing.land(
            home, settings, drain=drain, engine=engine, alerts=alerts, on_progress=heard, watching=watching, stop=stop
        )
    if as_json:
        print_json_line({"event": "landed", **plain(done), "alerts": alerts.counts()})
        return
    if not complete:
        screen.say("stopped before the end; what has landed is kept")
    for sentence in (*done.words(), alerts.words()):
        screen.say(sentence)
    if alerts.current():
        screen.say(f"see them: {line(home.path, 'alerts')}")
