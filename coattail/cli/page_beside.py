"""The live page beside something else that goes on in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from coattail.config import Settings
    from coattail.home import Home

LiveOption = Annotated[bool, typer.Option("--live", help="Serve the live page too; see `coattail live`.")]
PagePortOption = Annotated[int, typer.Option("--port", metavar="N", help="With --live: at this port; 0: a free one.")]
OpenOption = Annotated[bool, typer.Option("--open", help="Open the page in a browser.")]


@contextmanager
def page_beside(
    home: Home, settings: Settings, *, wanted: bool, port: int, show: bool, tell: Callable[[str], object]
) -> Iterator[None]:
    """Serve the live page of a home, and its API, on 127.0.0.1 in a thread while the block runs, if that is wanted.

    show: Open it in a browser. tell: Is told the address, once it answers; from a thread.
    Raises: UsageError: If the port is in use.
    """
    if not wanted:
        yield
        return
    from coattail.api.app import make_app
    from coattail.api.opening import source_of
    from coattail.api.pages import add_page
    from coattail.api.serve import address_of, listen, serve
    from coattail.workspace.aside import aside

    app, listening, over = make_app(source_of(home, settings)), listen("127.0.0.1", port), threading.Event()
    add_page(app)
    address = f"{address_of(listening)}/"

    def ready() -> None:
        tell(address)
        if show:
            open_in_browser(address)

    with aside(lambda: serve(app, listening, stop=over, ready=ready), over, name="page"):
        try:
            yield
        finally:
            over.set()


def refuse_without_page(show: bool) -> None:
    """Refuse to open what is not served.

    Raises: UsageError: If `show`.
    """
    from coattail.errors import UsageError

    if show:
        raise UsageError("--open opens the live page", next_step="add --live")


def open_in_browser(address: str) -> None:
    """Open the address, or say that there is no browser here."""
    import sys
    import webbrowser

    if not webbrowser.open(address):
        print(f"no browser was found here: open {address} in one", file=sys.stderr)
