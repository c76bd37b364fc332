"""`coattail produce`: exchanges heard live, into the stream."""

from __future__ import annotations

from contextlib import nullcontext

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.live_options import RecordOption, SecondsOption, SymbolsArgument, noting_unlisted
from coattail.cli.options import StreamOption, stream_flag


@command(
    "produce",
    examples=["coattail produce", "coattail produce binance:BTC-USDT --record frames", "coattail produce --json"],
)
def produce(
    session: Session,
    *,
    symbols: SymbolsArgument = None,
    record: RecordOption = None,
    seconds: SecondsOption = None,
    stream: StreamOption = None,
    as_json: JsonOption = False,
) -> None:
    """Listen to exchanges, and put every trade into the stream.

    `coattail land`, in another process, lands them; `coattail run` is both. Connections that break are made anew;
    trades that were missed meanwhile, or since the last run, are fetched. Stops on SIGINT or SIGTERM, with everything
    heard in the stream.

    JSON: a line a second, {"event": "state", "pid", "started", "at", "stopped", "sent", "sent_bytes", "failed",
    "exchanges"}; at the end {"event": "stopped", "why", …the same}; see docs/LIVE.md.
    """
    from coattail.cli.hints import line
    from coattail.cli.output import print_json_line
    from coattail.cli.screen import Screen
    from coattail.cli.stopping import stop_on_signals
    from coattail.producer.recorder import recording_place
    from coattail.workspace import live
    from coattail.workspace.documents import plain
    from coattail.workspace.documents.live import ProducerState, producer_words

    settings = session.settings(stream_flag(stream))
    chosen = live.listened_to(settings, symbols or ())
    place = recording_place(record) if record else None
    home = session.home(create=True, write=True)

    with Screen(silent=as_json) as screen, stop_on_signals(after=seconds) as stop:
        screen.say(f"listening to {live.named(chosen)}; Ctrl-C stops")

        def heard(state: ProducerState) -> None:
            if as_json:
                print_json_line({"event": "state", **plain(state)})
            screen.status(producer_words(state))

        with nullcontext() if as_json else noting_unlisted(screen, chosen):
            state, why = live.produce(home, settings, chosen, record=place, stop=stop, on_state=heard)
    if as_json:
        print_json_line({"event": "stopped", "why": why, **plain(state)})
        return
    screen.say(f"stopped{f', because {why}' if why else ''}: {producer_words(state)}")
    screen.say(f"land it: {line(home.path, 'land', '--drain')}")
