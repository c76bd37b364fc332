"""`coattail demo`: a simulated market becomes trades, tables and alerts while you watch."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.alerts import DISCLAIMER
from coattail.cli.app import JsonOption, Session, command
from coattail.cli.firing import AlertLog
from coattail.cli.options import EngineOption
from coattail.cli.page_beside import LiveOption, OpenOption, PagePortOption, page_beside, refuse_without_page
from coattail.cli.screen import Screen
from coattail.cli.stopping import stop_on_signals
from coattail.errors import UsageError

if TYPE_CHECKING:
    from coattail.workspace.demo import Demo

FOLDER = ".coattail-demo"

_SECONDS, _LONGEST_SECONDS = 20.0, 24 * 3600.0
_SHOWN_FIRST = 5

SecondsOption = Annotated[
    float | None,
    typer.Option(
        "--seconds", metavar="S",
        help="Run the live part this long, at 20 times the market's pace. [default: 20; with --live, until Ctrl-C]",
    ),
]  # fmt: skip
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="Seed the market; equal ones give equal markets.")]


@command("demo", examples=["coattail demo", "coattail demo --live", "coattail demo --seconds 60 --seed 3"])
def demo(
    session: Session,
    *,
    seconds: SecondsOption = None,
    seed: SeedOption = 7,
    engine: EngineOption = "local",
    live: LiveOption = False,
    port: PagePortOption = 8484,
    show: OpenOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show everything on a simulated market, without an account.

    Two simulated hours land at once, so that detectors know what is usual; then the market goes on at 20 times its
    pace, with alerts as they fire, and with --live until Ctrl-C and on a page (`coattail live`). At the end they are
    held against what had been planted. Everything goes into a home of its own, ./.coattail-demo if no --home is given,
    which the next demo replaces.

    JSON: {"seed", "home", "hours", "live", "seconds_to_first_alert", "planted", "found", "missed", "false_alarms",
    "false_groups", "alerts", "landed", "disclaimer"}; see docs/CLI.md.
    """
    refuse_without_page(show and not live)
    if seconds is None:
        seconds = _LONGEST_SECONDS if live else _SECONDS
    if not 0 <= seconds <= _LONGEST_SECONDS:
        raise UsageError(f"--seconds is {seconds:g}", next_step=f"give 0 to {_LONGEST_SECONDS:.0f}")
    began = time.monotonic()
    with Screen(silent=as_json) as screen:
        screen.say(f"A simulated market on binance and coinbase (seed {seed}): no account, no network.")

        from coattail.cli.output import print_json
        from coattail.workspace.demo import OVERRIDES, Demo, make_room

        path = session.home_option = session.home_option or Path(FOLDER)
        if session.place is not None:
            raise UsageError("a demo makes its own stores, in its home", next_step="leave --place out")
        make_room(path)
        home = session.home(create=True, write=True)
        alerts = AlertLog(screen, show=False)
        settings = session.settings(OVERRIDES)
        played = Demo(home, settings, seed=seed, engine=engine, alerts=alerts, began=began)
        with page_beside(home, settings, wanted=live, port=port, show=show, tell=partial(_tell, screen)):
            complete = _play(screen, played, alerts, seconds, slow=engine == "spark")
        played.judge()
        if as_json:
            print_json(played.document)
        elif complete:
            _print(screen, played)


def _tell(screen: Screen, address: str) -> None:
    screen.say(f"The live page: {address}    Ctrl-C ends it, and the demo.")


def _play(screen: Screen, show: Demo, alerts: AlertLog, seconds: float, *, slow: bool) -> bool:
    """The two hours, then the market going on; a signal ends it early. Returns whether the two hours have landed."""
    from coattail.workspace.demo import PACE

    say = screen.say
    with stop_on_signals() as stop:
        fed = show.feed_history()
        starting = "Spark takes some seconds to start. " if slow else ""
        say(f"Two hours of it, {fed:,} trades, wait in the stream. {starting}Landing them …")
        with show:
            if not show.land_history(stop):
                say("stopped before the two hours had landed")
                return False
            say(f"Checked, deduplicated, committed and judged in {show.landing_seconds:.1f} s. {alerts.words()}.")
            standing = alerts.current()
            for alert in standing[-_SHOWN_FIRST:]:
                say(alerts.line(alert))
            if len(standing) > _SHOWN_FIRST:
                say(f"  (the newest {_SHOWN_FIRST} of {len(standing)})")
            if seconds and not stop.is_set():
                how_long = f"for {seconds:g} s" if seconds < _LONGEST_SECONDS else "until Ctrl-C"
                say(f"Now the market goes on {how_long}, at {PACE} times its pace; alerts as they fire:")
                alerts.show = True
                show.go_on(seconds, stop, watching=lambda: screen.live(lambda: _pulse(show), every=0.25))
                say(
                    f"{show.live_trades:,} more trades in {show.live_seconds:.1f} s; the simulated clock stands at "
                    f"{show.end:%H:%M:%S}. {alerts.words()}."
                )
    return True


def _pulse(show: Demo) -> str:
    now = show.pulse()
    return f"{now.clock:%H:%M:%S} simulated | {now.rate:,.0f} trades/s | lag {now.lag:.1f} s | {now.alerts} alerts"


def _print(screen: Screen, show: Demo) -> None:
    from coattail.cli.hints import line, program

    document, terminal = show.document, sys.stdout.isatty()
    for sentence in (*document.planted_words(terminal=terminal), *show.scorecard_words(terminal=terminal)):
        screen.say(sentence)
    screen.say(f"{document.landed.sum_words()}; {document.landed.gap_words()}")
    screen.say(f"{document.speed_words()}; {show.seconds:.1f} s in all")
    screen.say()
    screen.say(DISCLAIMER)
    screen.say()
    screen.say("Try next:")
    query = "SELECT exchange, symbol, count(*) AS trades FROM raw_trades GROUP BY 1, 2 ORDER BY 3 DESC"
    screen.say(f"  {line(show.home.path, 'alerts')}")
    screen.say(f"  {line(show.home.path, 'live')}")
    screen.say(f"  {line(show.home.path, 'report', 'day')}")
    screen.say(f"  {line(show.home.path, 'sql', query)}")
    screen.say(f"  {program()} replay YOUR-RECORDING.gz")
    screen.say(f"  {program()} run        # live: Binance and Coinbase, until Ctrl-C")
