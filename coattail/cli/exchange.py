"""`coattail exchange`: exchanges on loopback, for tests of any client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import JsonOption, Session, command, group

if TYPE_CHECKING:
    from threading import Event

    from coattail.market.exchange import Served

exchange = group("exchange", "Serve exchanges on loopback, to test any client.")

RecordingOption = Annotated[
    list[Path] | None,
    typer.Option("--recording", metavar="PATH", help="Serve this recording (or folder); may be given several times."),
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="Seed the simulated market.")]
RateOption = Annotated[float, typer.Option("--rate", metavar="X", help="Multiply the trades of the simulated market.")]
CharacterOption = Annotated[
    str, typer.Option("--character", metavar="NAME", help="Simulate a market that is calm, lively, or thin to crowded.")
]
HistoryOption = Annotated[
    str, typer.Option("--history", metavar="2h", help="Let so much of the simulated market be over at the opening.")
]
SpeedOption = Annotated[str, typer.Option("--speed", metavar="Nx", help="Let time pass N times as fast.")]
FaultsOption = Annotated[
    Path | None, typer.Option("--faults", metavar="FILE", help="Follow a fault script: docs/EXCHANGE.md.")
]
PortOption = Annotated[
    int, typer.Option("--port", metavar="N", help="Listen on this port and the next two; 0: on free ones.")
]
LoopOption = Annotated[bool, typer.Option("--loop", help="Begin recordings again when they are over.")]
CertificateOption = Annotated[
    Path | None, typer.Option("--certificate", metavar="FILE", help="Speak TLS with this certificate (PEM).")
]
KeyOption = Annotated[Path | None, typer.Option("--key", metavar="FILE", help="Use this key of the certificate (PEM).")]
DeflateOption = Annotated[bool, typer.Option("--deflate", help="Accept compression (permessage-deflate).")]
SecondsOption = Annotated[
    float | None, typer.Option("--seconds", metavar="N", help="Stop after this many seconds. [default: at Ctrl-C]")
]


@command(
    "serve",
    under=exchange,
    examples=[
        "coattail exchange serve",
        "coattail exchange serve --speed 60x --port 9001",
        "coattail exchange serve --recording market --loop --faults faults.yaml",
    ],
)
def serve(
    session: Session, *, recording: RecordingOption = None, seed: SeedOption = 7, rate: RateOption = 1.0,
    character: CharacterOption = "calm", history: HistoryOption = "2h", speed: SpeedOption = "1x",
    faults: FaultsOption = None, port: PortOption = 0, loop: LoopOption = False,
    certificate: CertificateOption = None, key: KeyOption = None, deflate: DeflateOption = False,
    seconds: SecondsOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Serve Binance and Coinbase on 127.0.0.1.

    A simulated market without end, or recordings: Binance spot, Coinbase Exchange and Coinbase Advanced Trade, as
    WebSocket and REST, with faults by script. docs/EXCHANGE.md says how clients are pointed at it.

    JSON: one line, {"exchanges": {name: {"websocket", "rest", "instruments"}}, "opened"}.
    """
    from coattail.cli.output import print_json_line
    from coattail.cli.replay_options import speed_of
    from coattail.cli.stopping import stop_on_signals
    from coattail.errors import UsageError
    from coattail.values import parse_duration
    from coattail.workspace.exchange import exchanges

    try:
        over = parse_duration(history)
    except ValueError as error:
        raise UsageError(f"--history {history!r} is not a duration", next_step="write it like 2h or 30m") from error
    pace = speed_of(speed)
    if pace is None:
        raise UsageError("--speed max is for replay", next_step="give a number: 60x")
    with (
        exchanges(
            recording or (), seed=seed, rate=rate, character=character, history=over,
            speed=pace, faults=faults, port=port, loop=loop, certificate=certificate, key=key, deflate=deflate,
        ) as served,
        stop_on_signals(after=seconds) as stop,
    ):  # fmt: skip
        if as_json:
            print_json_line(_document(served))
            stop.wait()
        else:
            _print(served)
            _tell(served, stop)


def _document(served: Served) -> dict[str, object]:
    return {
        "exchanges": {
            name: {"websocket": each.websocket_url, "rest": each.rest_url, "instruments": each.instruments}
            for name, each in served.venues.items()
        },
        "opened": served.opened,
    }


def _print(served: Served) -> None:
    from coattail.cli.output import print_table

    print_table(
        ("exchange", "WebSocket", "REST", "instruments"),
        ((name, each.websocket_url, each.rest_url, _few(each.instruments)) for name, each in served.venues.items()),
    )
    print(f"the market opened at {served.opened:%Y-%m-%d %H:%M:%S} UTC; Ctrl-C stops it")
    print("to let coattail listen to it, write into coattail.yaml of a home:")
    print("exchanges:")
    for name, each in served.venues.items():
        if name != "advanced":
            print(f'  {name}: {{websocket_host: "{each.websocket_url}", rest_host: "{each.rest_url}"}}')
    print("other clients: docs/EXCHANGE.md", flush=True)


def _tell(served: Served, stop: Event) -> None:
    """Say what strikes, until it is time to stop; then what was served."""
    told = dict.fromkeys(served.venues, 0)
    while not stop.wait(0.2):
        for name, venue in served.venues.items():
            for trade, fault in venue.struck[told[name] :]:
                told[name] += 1
                print(f"{name}: {type(fault).__struct_config__.tag} after {trade:,} trades", flush=True)
    for name, venue in served.venues.items():
        live = venue.released - venue.venue.opened_at
        print(f"{name}: {live:,} trades since the opening; {venue.subscriptions} subscriptions at the end")


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
