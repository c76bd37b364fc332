"""`coattail replay`: recorded sessions, once more through the whole way."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.engines import EngineOption, StreamOption, engine_class, stream_flag
from coattail.errors import DamagedInput

if TYPE_CHECKING:
    from coattail.cli.firing import AlertLog
    from coattail.cli.landed import Outcome
    from coattail.cli.screen import Screen
    from coattail.config import Settings
    from coattail.engines.engine import Engine
    from coattail.home import EngineInfo, Home
    from coattail.producer import Replayed
    from coattail.recordings.chosen import Chosen
    from coattail.streams.base import Stream

PathsArgument = Annotated[list[Path], typer.Argument(metavar="PATH…", help="Recordings, or folders of them.")]
ExchangeOption = Annotated[str | None, typer.Option("--exchange", metavar="NAME", help="Whose recording it is.")]
FormatOption = Annotated[str, typer.Option("--format", metavar="NAME", help="auto, or one of docs/FORMATS.md.")]
MarketOption = Annotated[str | None, typer.Option("--market", metavar="NAME", help="spot, usdm or coinm (futures).")]
ColumnsOption = Annotated[
    str | None,
    typer.Option("--columns", metavar="F=C,…", help="Columns of a table: time=ts,price=px,quantity=qty,id=n."),
]
SymbolOption = Annotated[
    str | None, typer.Option("--symbol", metavar="A-B", help="Instrument of a table, or of a bulk file (BTCUSDT).")
]
TimeUnitOption = Annotated[
    str | None, typer.Option("--time-unit", metavar="U", help="s, ms, us or ns (by size if left out); tables only.")
]
MakeIdsOption = Annotated[bool, typer.Option("--make-ids", help="Number the rows of a table that has no trade ids.")]
SymbolsOption = Annotated[str | None, typer.Option("--symbols", metavar="A,B", help="Only these: BTC-USDT,ETH-USDT.")]
SpeedOption = Annotated[str, typer.Option("--speed", metavar="max|Nx", help="As fast as possible, or N times as fast.")]
NoLandOption = Annotated[bool, typer.Option("--no-land", help="Only feed the stream.")]


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
    session: Session,
    *,
    paths: PathsArgument,
    exchange: ExchangeOption = None,
    format: FormatOption = "auto",
    market: MarketOption = None,
    symbols: SymbolsOption = None,
    speed: SpeedOption = "max",
    columns: ColumnsOption = None,
    symbol: SymbolOption = None,
    time_unit: TimeUnitOption = None,
    make_ids: MakeIdsOption = False,
    no_land: NoLandOption = False,
    engine: EngineOption = "local",
    stream: StreamOption = None,
    as_json: JsonOption = False,
) -> None:
    """Feed recordings to the stream, and land them.

    Exchange, market and format are told from the file where it shows them. Replaying a file again lands nothing
    twice. If an engine runs on the home already, it does the landing. Exit code 1 if a file is damaged, after its
    readable part has landed.

    JSON: {"recordings": [path], "skipped": [path], "complete", "frames", "trades", "malformed", "other",
    "unsupported": {kind: n}, "filtered", "first", "last", "seconds", "engine": null or {"pid", "command"}, "landed":
    null or {"received", "landed", "rejected", "duplicates", "late", "rejected_by_reason", "instruments", "gaps",
    "waiting_bytes", "conserved"}, "alerts": {type: {severity: n}}, "damaged": null or sentence}.
    """
    from coattail.cli.firing import AlertLog
    from coattail.cli.replay_options import columns_of, speed_of, symbols_of
    from coattail.cli.screen import Screen
    from coattail.cli.stopping import stop_on_signals
    from coattail.recordings import Told
    from coattail.recordings.chosen import choose

    pace = speed_of(speed)
    told = Told(
        columns=None if columns is None else columns_of(columns),
        symbol=symbol,
        time_unit=time_unit,  # type: ignore[arg-type]
        make_ids=make_ids,
    )
    wanted = choose(
        paths,
        format=format,
        exchange=exchange,
        market=market,
        told=told,
        symbols=None if symbols is None else symbols_of(symbols),
    )
    kind = engine_class(engine)
    settings = session.settings(stream_flag(stream))
    home = session.home(create=True, write=True)
    elsewhere = None if no_land else home.running_engine()
    with Screen(silent=as_json) as screen, stop_on_signals() as stop:
        alerts = AlertLog(screen, show=not as_json and pace is not None)
        run = _Run(home, settings, kind, wanted, pace, screen, alerts, stop, silent=as_json)
        for path in wanted.skipped:
            screen.say(f"skipped {path}: not a recording")
        run.go(land=elsewhere is None and not no_land)
        if as_json:
            _print_json(run, elsewhere)
        else:
            _print(run, elsewhere)
    if run.damage:
        raise run.damage


class _Run:
    """One replay: what it was told, and what became of it."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        kind: type[Engine],
        wanted: Chosen,
        pace: float | None,
        screen: Screen,
        alerts: AlertLog,
        stop: threading.Event,
        *,
        silent: bool,
    ) -> None:
        from coattail.producer import Replayed
        from coattail.streams.opening import open_stream

        self.home, self.settings, self.wanted, self.screen, self.alerts = home, settings, wanted, screen, alerts
        self._pace = pace
        self._kind = kind
        self.replayed: Replayed = Replayed()
        self.complete = False
        self.damage: DamagedInput | None = wanted.damage
        self.outcome: Outcome | None = None
        self.seconds = 0.0
        self._stream: Stream = open_stream(settings.stream.url, home.stream)
        self._stop = stop
        self._silent = silent
        self._failure: BaseException | None = None

    def go(self, *, land: bool) -> None:
        """Feed, and land if wanted; returns when it is done or somebody wants to stop."""
        began = time.monotonic()
        if not land:
            self._feed_with_bar()
        else:
            self._feed_and_land()
        self.seconds = time.monotonic() - began

    def _feed_and_land(self) -> None:
        from datetime import UTC
        from functools import partial

        from coattail.batch.beside import maintained
        from coattail.cli.land import status_line
        from coattail.cli.landed import Stopped, drain_progress, outcome

        engine = self._kind(
            self.home,
            self.settings,
            command="replay",
            stream=self._stream,
            on_alerts=self.alerts.fired,
            beside=partial(maintained, self.home, self.settings, by="replay"),
        )
        since = datetime.now(UTC)
        with engine:
            before = engine.totals
            if self._pace is None:
                self._feed_with_bar()
            else:
                done = threading.Event()
                feeder = threading.Thread(target=self._feed_aside, args=(done,), name="feed")
                feeder.start()
                try:
                    with status_line(self.screen, engine, self.alerts):
                        engine.run(done)
                except BaseException:
                    self._stop.set()
                    raise
                finally:
                    feeder.join()
            if self._failure is None:
                bar = drain_progress(engine.waiting_bytes, self._stop, silent=self._silent)
                with contextlib.suppress(Stopped), bar as drained:
                    engine.drain(drained)
        self.complete = self.complete and not engine.waiting_bytes
        if self._failure is not None:
            raise self._failure
        self.outcome = outcome(
            self.home, self.settings, before, engine.totals, since=since, waiting_bytes=engine.waiting_bytes
        )

    def _feed_with_bar(self) -> None:
        from coattail.cli.output import progress

        with progress("reading", total=self.wanted.total_bytes, silent=self._silent) as bar:
            read = 0

            def report(now: int, total: int) -> None:
                nonlocal read
                bar.advance(now - read)
                read = now

            self._feed(report)

    def _feed_aside(self, done: threading.Event) -> None:
        try:
            self._feed(lambda now, total: None)
        except BaseException as error:
            self._failure = error
        finally:
            done.set()

    def _feed(self, report: Any) -> None:
        from coattail.producer import ReplayDamaged
        from coattail.producer import replay as feed

        asked = False

        def progress(now: int, total: int) -> None:
            nonlocal asked
            report(now, total)
            if self._stop.is_set() and not asked:
                asked = True
                raise KeyboardInterrupt

        def sleep(seconds: float) -> None:
            nonlocal asked
            if self._stop.wait(seconds) and not asked:
                asked = True
                raise KeyboardInterrupt

        wanted = self.wanted
        try:
            self.replayed = feed(
                wanted.paths,
                self._stream,
                format=wanted.format,
                exchange=wanted.exchange,
                market=wanted.market,
                told=wanted.told,
                symbols=wanted.symbols,
                speed=self._pace,
                progress=progress,
                sleep=sleep,
            )
            self.complete = True
        except ReplayDamaged as error:
            self.replayed, self.damage, self.complete = error.replayed, self.damage or error, True
        except KeyboardInterrupt:
            if not self._stop.is_set():
                raise


def _print(run: _Run, engine: EngineInfo | None) -> None:
    from coattail.cli.hints import line
    from coattail.cli.landed import print_outcome

    screen, replayed, home = run.screen, run.replayed, run.home.path
    if not run.complete:
        screen.say("stopped before the end; replay it again to land the rest, nothing counts twice")
    else:
        for sentence in told(replayed, run.seconds):
            screen.say(sentence)
    if run.outcome is not None:
        print_outcome(screen, run.outcome, run.alerts)
        words = ["alerts"] if run.alerts.current() else []
        words += ["dlq"] if run.outcome.rejected else []
        for word in words:
            screen.say(f"see them: {line(home, word)}")
        if run.outcome.landed:
            screen.say(f"query:    {line(home, 'sql', 'SELECT * FROM raw_trades LIMIT 5')}")
    elif engine is not None:
        screen.say(f"fed the stream only: {engine} runs on {home} and lands it; look with {line(home, 'status')}")
    else:
        screen.say(f"fed the stream only; land it with: {line(home, 'land', '--drain')}")


def told(replayed: Replayed, seconds: float) -> Sequence[str]:
    """What was read, as sentences."""
    first_time, last_time = _time(replayed.first), _time(replayed.last)
    span = (
        f" of {first_time:%Y-%m-%d %H:%M:%S} to {last_time:%Y-%m-%d %H:%M:%S} UTC" if first_time and last_time else ""
    )
    beside = [(replayed.malformed, "unreadable"), (replayed.other, "without a trade")]
    beside += [(sum(replayed.unsupported.values()), "unsupported")]
    more = "".join(f", {count:,} {what}" for count, what in beside if count)
    left_out = f"; {replayed.filtered:,} trades of other symbols left out" if replayed.filtered else ""
    files = f"{len(replayed.sessions)} recording{'' if len(replayed.sessions) == 1 else 's'}"
    trades = f"{replayed.trades:,} trade{'' if replayed.trades == 1 else 's'}"
    first = f"{trades}{span} in {replayed.frames:,} messages{more}{left_out} ({files}, {seconds:.1f} s)"
    return [first, *replayed.notes]


def _time(micros: int | None) -> datetime | None:
    """None also for a time beyond the calendar: what trades say is not checked before they land."""
    from coattail.records import when

    try:
        return None if micros is None else when(micros)
    except OverflowError:
        return None


def _print_json(run: _Run, engine: EngineInfo | None) -> None:
    from coattail.cli.output import print_json

    counts = asdict(run.replayed)
    counts |= {name: _time(counts[name]) for name in ("first", "last")}
    del counts["sessions"]
    print_json(
        {
            "recordings": run.wanted.paths,
            "skipped": run.wanted.skipped,
            "complete": run.complete,
            **counts,
            "seconds": round(run.seconds, 3),
            "engine": None if engine is None else {"pid": engine.pid, "command": engine.command},
            "landed": None if run.outcome is None else run.outcome.as_json(),
            "alerts": run.alerts.counts(),
            "damaged": None if run.damage is None else str(run.damage),
        }
    )
