"""`coattail api`: alerts and metrics over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from coattail.cli.app import Session, command

HostOption = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="Listen at this address; 0.0.0.0: at all of this machine.")
]
PortOption = Annotated[int, typer.Option("--port", metavar="N", help="Listen at this port; 0: at a free one.")]
AllowOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host", metavar="NAME",
        help="Answer requests by this name of the machine too; may be given several times. [default: localhost only]",
    ),
]  # fmt: skip
RateOption = Annotated[
    float,
    typer.Option("--rate", metavar="N", help="Answer each client so many times a second, and twice that at once; 0: "
                 "any number."),
]  # fmt: skip


@command(
    "api", examples=["coattail api", "coattail api --port 0", "coattail api --host 0.0.0.0 --allow-host trades.example"]
)
def api(
    session: Session, *, host: HostOption = "127.0.0.1", port: PortOption = 8484, allow_host: AllowOption = None,
    rate: RateOption = 100.0,
) -> None:  # fmt: skip
    """Serve alerts and metrics as JSON over HTTP.

    It reads the home's hot store only, beside an engine or without one, until Ctrl-C. docs/API.md has every endpoint:
    /alerts, /alerts/ID, /alerts/stream, /metrics/SYMBOL, /symbols, /health and /openapi.json.
    """
    from coattail.api.app import make_app
    from coattail.api.opening import access_of, source_of
    from coattail.api.serve import address_of, listen, serve
    from coattail.cli.stopping import stop_on_signals

    home = session.home()
    access = access_of(host, allow_host or (), rate)
    listening = listen(host, port)
    address = address_of(listening)

    def ready() -> None:
        print(f"serving {home.path} at {address}; Ctrl-C stops it", flush=True)
        print(f"try: curl '{address}/alerts?limit=5'    {address}/health", flush=True)

    with stop_on_signals() as stop:
        serve(make_app(source_of(home, session.settings()), access), listening, stop=stop, ready=ready)
