"""`coattail replay`: recorded sessions, landed like live ones."""

from __future__ import annotations

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.options import EngineOption, StreamOption, stream_flag
from coattail.cli.replay_options import (
    ColumnsOption,
    ExchangeOption,
    FormatOption,
    MakeIdsOption,
    MarketOption,
    NoLandOption,
    PathsArgument,
    SideOption,
    SpeedOption,
    SymbolOption,
    SymbolsOption,
    TimeUnitOption,
    files_of,
    recordings_of,
    speed_of,
)


@command(
    "replay",
    examples=[
        "coattail replay session.frames.gz",
        "coattail replay recordings/ --symbols BTC-USDT,BTC-USD",
        "coattail replay session.gz --exchange binance --market usdm --speed 20x",
        "coattail replay session.gz --engine spark",
        "coattail replay BTCUSDT-aggTrades-2024-08-08.zip --market usdm",
        "coattail replay f.parquet --exchange kraken --symbol BTC-USD --columns time=ts,price=px,quantity=qty,id=n",
    ],
)
def replay(
    session: Session, *, paths: PathsArgument, exchange: ExchangeOption = None, format: FormatOption = "auto",
    market: MarketOption = None, symbols: SymbolsOption = None, speed: SpeedOption = "max",
    columns: ColumnsOption = None, symbol: SymbolOption = None, time_unit: TimeUnitOption = None,
    make_ids: MakeIdsOption = False, side: SideOption = None, no_land: NoLandOption = False,
    engine: EngineOption = "local", stream: StreamOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Feed recordings to the stream, and land them.

    Exchange, market and format are read from the file where it shows them. Replaying a file again lands nothing
    twice. If an engine runs on the home already, it does the landing. Exit code 1 if a file is damaged, after its
    readable part has landed.

    JSON: {"recordings", "skipped", "complete", "frames", "trades", "malformed", "other", "unsupported", "filtered",
    "first", "last", "seconds", "engine", "landed", "alerts", "damaged"}; see docs/CLI.md.
    """
    from coattail.cli.firing import AlertLog, status_line
    from coattail.cli.hints import line
    from coattail.cli.output import print_json, progress
    from coattail.cli.screen import Screen
    from coattail.cli.stopping import stop_on_signals

    pace = speed_of(speed)
    settings = session.settings(stream_flag(stream))
    with files_of(paths) as files:
        chosen = recordings_of(
            files, format=format, exchange=exchange, market=market, columns=columns, symbol=symbol,
            time_unit=time_unit, make_ids=make_ids, side=side, symbols=symbols,
        )  # fmt: skip
        home = session.home(create=True, write=True)

        from coattail.workspace import landing

        with Screen(silent=as_json) as screen, stop_on_signals() as stop, progress(silent=as_json) as heard:
            for why in chosen.skipped.values():
                screen.say(f"skipped: {why.message}")
            alerts = AlertLog(screen, show=not as_json and pace is not None)
            done = landing.replay(
                home, settings, chosen, speed=pace, land=not no_land, engine=engine, alerts=alerts, on_progress=heard,
                watching=lambda running: status_line(screen, running, alerts), stop=stop,
            )  # fmt: skip
    if as_json:
        print_json(done.document)
    else:
        for sentence in done.words(line=lambda *words: line(home.path, *words)):
            screen.say(sentence)
    if done.damage:
        raise done.damage
