"""`coattail notify`: alerts that go to people."""

from __future__ import annotations

from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command, group

notify = group("notify", "Send alerts to people.")

SinkArgument = Annotated[
    str | None, typer.Argument(metavar="[SINK]", help="This sink only, by its name in coattail.yaml.")
]


@command("test", under=notify, examples=["coattail notify test", "coattail notify test phone --json"])
def try_sinks(session: Session, sink: SinkArgument = None, *, as_json: JsonOption = False) -> None:
    """Send a sample alert to the sinks, and say what came back.

    Sinks are webhooks (Slack, Discord, Telegram, ntfy, any other), commands and the desktop: docs/NOTIFY.md shows how
    to write them into coattail.yaml. Exit code 1 if one failed.

    JSON: {"sinks": [{"sink", "kind", "goes_to", "delivered", "detail", "seconds"}], "disclaimer"}.
    """
    from coattail.cli.output import print_json
    from coattail.workspace import notify as room

    found = room.tried(session.settings(), sink)
    if as_json:
        print_json(found)
    else:
        print(*(one.words() for one in found.sinks), sep="\n")
    if not all(one.delivered for one in found.sinks):
        raise typer.Exit(1)


@command("retry", under=notify, examples=["coattail notify retry", "coattail notify retry phone"])
def retry(session: Session, sink: SinkArgument = None, *, as_json: JsonOption = False) -> None:
    """Send again what was given up, once the cause is mended.

    The running engine, or the next one, does it. What was written more than `notify.max_age` ago is not sent any more.

    JSON: {sink: number of deliveries}.
    """
    from coattail.cli.output import print_json
    from coattail.workspace import notify as room

    again = room.retried(session.home(write=True), session.settings(), sink)
    if as_json:
        print_json(again)
    else:
        print(*(f"{name}: {number:,} to send again" for name, number in again.items()), sep="\n")


@command("run", under=notify, examples=["coattail notify run"])
def run_notifier(session: Session) -> None:
    """Send alerts to the sinks, in a process of its own.

    `coattail land` does it by itself; this is for an engine that runs without it, and ends with SIGINT or SIGTERM.
    What was written more than `notify.max_age` ago is not sent.
    """
    from coattail.cli.screen import Screen
    from coattail.cli.stopping import stop_on_signals
    from coattail.workspace import notify as room

    settings = session.settings()
    home = session.home(write=True)
    with Screen() as screen, stop_on_signals() as stop:
        names = ", ".join(sorted(settings.notify.sinks))
        screen.say(f"sending alerts of {home.path} to {names or 'nobody'}; Ctrl-C stops")
        room.run(home, settings, stop)
        screen.say("stopped; what waits is sent at the next start")
