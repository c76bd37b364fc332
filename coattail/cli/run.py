"""`coattail run`: exchanges heard live, landed, judged, and watched."""

from __future__ import annotations

from pathlib import Path

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.live_options import RecordOption, SecondsOption, SymbolsArgument, noting_unlisted
from coattail.cli.options import EngineOption, StreamOption, stream_flag
from coattail.cli.page_beside import LiveOption, OpenOption, PagePortOption, page_beside, refuse_without_page


@command(
    "run",
    examples=[
        "coattail run",
        "coattail run --live",
        "coattail run binance:BTC-USDT coinbase:BTC-USD",
        "coattail run --record frames",
    ],
)
def run(
    session: Session,
    *,
    symbols: SymbolsArgument = None,
    record: RecordOption = None,
    seconds: SecondsOption = None,
    engine: EngineOption = "local",
    stream: StreamOption = None,
    live: LiveOption = False,
    port: PagePortOption = 8484,
    show: OpenOption = False,
    as_json: JsonOption = False,
) -> None:
    """Listen to exchanges, land every trade, show alerts.

    Goes on until Ctrl-C. Two processes that are kept alive: a producer (`coattail produce`) and an engine (`coattail
    land`). Without a network it waits and tries again. What is missed meanwhile, or was since the last run, is fetched.

    With --live the page that follows them is served, too (`coattail live`), by this process.

    JSON: the lines of both, each with "part": producer or engine; see `coattail produce` and `coattail land`. With
    --live one {"part": "page", "event": "serving", "address"}.
    """
    from coattail.cli.board import Board
    from coattail.cli.hints import line
    from coattail.cli.output import print_json_line
    from coattail.cli.screen import Screen
    from coattail.cli.stopping import stop_on_signals
    from coattail.producer.recorder import recording_place
    from coattail.workspace.live import listened_to, named
    from coattail.workspace.running import Processes, parts_of

    refuse_without_page(show and not live)
    settings = session.settings(stream_flag(stream))
    chosen = listened_to(settings, symbols or ())
    home = session.home(create=True, write=True)
    shared = [*session.flags(home.path), *(["--stream", stream] if stream else [])]
    produced = [f"{c.exchange}:{symbol}" for c in chosen for symbol in c.symbols]
    place = recording_place(record) if record else None
    produced += ["--record", str(place.absolute()) if isinstance(place, Path) else record] if record else []

    def tell(address: str) -> None:
        if as_json:
            print_json_line({"part": "page", "event": "serving", "address": address})
        screen.say(f"the live page: {address}")

    with Screen(silent=as_json) as screen, stop_on_signals(after=seconds) as stop:
        screen.say(f"listening to {named(chosen)}; everything lands in {home.path}; Ctrl-C stops")
        with (
            page_beside(home, settings, wanted=live, port=port, show=show, tell=tell),
            Board(screen, json_lines=as_json) as board,
            noting_unlisted(screen, chosen),
        ):
            parts = parts_of(shared, produced, ["--engine", engine])
            Processes(parts, board.heard, board.trouble).run(stop)
    if as_json:
        print_json_line({"event": "ended"})
        return
    for sentence in board.summary():
        screen.say(sentence)
    screen.say(f"look: {line(home.path, 'status')}    {line(home.path, 'coverage')}    {line(home.path, 'alerts')}")
