"""`coattail live`: the live page, with the API it asks, or as files for any static host."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.api import AllowOption, HostOption, PortOption, RateOption
from coattail.cli.app import Session, command
from coattail.cli.page_beside import OpenOption

if TYPE_CHECKING:
    from threading import Event

    from coattail.api.written import WrittenPage

StaticOption = Annotated[
    Path | None,
    typer.Option("--static", metavar="DIR", help="Serve nothing: write page and data as files, every ten seconds."),
]
OnceOption = Annotated[bool, typer.Option("--once", help="With --static: write them once, then end.")]


@command("live", examples=["coattail live", "coattail live --open", "coattail live --static public"])
def live(
    session: Session, *, host: HostOption = "127.0.0.1", port: PortOption = 8484, allow_host: AllowOption = None,
    rate: RateOption = 100.0, show: OpenOption = False, static: StaticOption = None, once: OnceOption = False,
) -> None:  # fmt: skip
    """Show the market on a page that follows it.

    Alerts and why, prices and volumes against what is usual, spreads, large orders, the health of it all. Serves page
    and API (see `coattail api`) on 127.0.0.1, beside an engine or without one, until Ctrl-C. With --static it writes
    both as files that any static host serves, for others to read. docs/LIVE_PAGE.md says what is on it.
    """
    from coattail.api.app import make_app
    from coattail.api.opening import access_of, source_of
    from coattail.api.pages import add_page
    from coattail.api.serve import address_of, listen, serve
    from coattail.cli.page_beside import open_in_browser
    from coattail.cli.stopping import stop_on_signals
    from coattail.errors import UsageError

    if once and static is None:
        raise UsageError("--once is for files", next_step="say where: --static DIR")
    if show and static is not None:
        raise UsageError("--static serves nothing that could be opened", next_step="leave out --open")
    home, settings = session.home(), session.settings()
    access = access_of(host, allow_host or (), rate)
    listening = listen(host, port) if static is None else None
    _catch_up(session)
    source = source_of(home, settings)
    with stop_on_signals() as stop:
        if listening is None:
            assert static is not None
            from coattail.api.written import WrittenPage

            _write(WrittenPage(source, static), static, stop, once=once)
            return
        address = address_of(listening)

        def ready() -> None:
            print(f"the market of {home.path}, live: {address}/    Ctrl-C stops it", flush=True)
            if show:
                open_in_browser(address)

        app = make_app(source, access)
        add_page(app)
        serve(app, listening, stop=stop, ready=ready)


def _catch_up(session: Session) -> None:
    """Where trades have landed and no engine has said what is served: have one say it."""
    home, settings = session.home(), session.settings()
    from coattail.errors import CoattailError
    from coattail.stores.opening import open_lease
    from coattail.workspace import serving

    if open_lease(home, settings).holder() is not None or not serving.unsaid(home, settings):
        return
    print("no engine has prepared this home for the page yet: one does now …", flush=True)
    try:
        serving.say(session.home(write=True), settings)
    except CoattailError as error:
        print(f"note: it could not ({error}); the page has the alerts alone until one does", flush=True)


def _write(page: WrittenPage, folder: Path, stop: Event, *, once: bool) -> None:
    from coattail.api.written import EVERY
    from coattail.errors import CoattailError

    page.write(None if once else EVERY)
    if once:
        print(f"{folder / 'index.html'}: the page, with its data beside it")
        return
    print(f"{folder / 'index.html'}: written anew every {EVERY.total_seconds():.0f} s; Ctrl-C ends that", flush=True)
    while not stop.wait(EVERY.total_seconds()):
        try:
            page.write()
        except CoattailError as error:
            print(f"! {error}; trying again", flush=True)
