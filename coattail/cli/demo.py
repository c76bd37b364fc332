"""`coattail demo`: a simulated market becomes trades, tables and alerts, here and now."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.alerts import DISCLAIMER
from coattail.cli.app import JsonOption, Session, command
from coattail.cli.engines import EngineOption, engine_class
from coattail.cli.screen import Screen
from coattail.errors import HomeError, UsageError
from coattail.home import Home

if TYPE_CHECKING:
    from coattail.cli.show import Show

FOLDER = ".coattail-demo"
MARK = "demo.json"
"""In the home of a demo, and in no other."""

_LONGEST_SECONDS = 24 * 3600.0

SecondsOption = Annotated[float, typer.Option("--seconds", help="How long the market goes on, at 20 times its pace.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Equal seeds give equal markets.")]


@command("demo", examples=["coattail demo", "coattail demo --seconds 60 --seed 3"])
def demo(
    session: Session,
    *,
    seconds: SecondsOption = 20.0,
    seed: SeedOption = 7,
    engine: EngineOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Show it all on a simulated market: no account, no network.

    Two simulated hours land at once, so that detectors know what is usual; then the market goes on at 20 times its
    pace, with alerts as they fire. At the end they are held against what had been planted. Everything goes into a
    home of its own, ./.coattail-demo if no --home is given, which the next demo replaces.

    JSON: {"seed", "home", "hours": {"trades", "seconds"}, "live": {"trades", "seconds", "simulated_seconds"},
    "seconds_to_first_alert", "planted": [{"kind", "exchange", "symbol", "start", "end", "size", "found", "over",
    "delay_s"}], "found", "missed", "false_alarms", "false_groups", "alerts": {type: {severity: n}}, "landed":
    {"received", "landed", "rejected", "duplicates", "gaps", "conserved", …}, "disclaimer"}.
    """
    if not 0 <= seconds <= _LONGEST_SECONDS:
        raise UsageError(f"--seconds is {seconds:g}", next_step=f"give 0 to {_LONGEST_SECONDS:.0f}")
    kind, began = engine_class(engine), time.monotonic()
    with Screen(silent=as_json) as screen:
        screen.say(f"A market that never was, on binance and coinbase (seed {seed}): no account, no network.")
        path = session.home_option or Path(FOLDER)
        _make_room(path)
        session.home_option = path
        home = session.home(create=True, write=True)
        (home.path / MARK).write_text(f'{{"seed": {seed}}}\n', encoding="utf-8")

        from coattail.cli.show import Show

        show = Show(home, session, screen, kind, seed=seed, began=began)
        show.run(seconds)
        if as_json:
            _print_json(show)
        elif show.complete:
            _print(screen, show)


def _make_room(path: Path) -> None:
    """Remove the home of an earlier demo; refuse to touch anything else.

    Raises: HomeError: If `path` holds something that no demo made, or an engine runs on it.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not (path / MARK).is_file():
        raise HomeError(
            f"{path} was not made by a demo, and the demo mixes its simulated trades into nothing else",
            next_step="choose another --home, or leave it out",
        )
    if (path / "home.json").exists() and (engine := Home.open(path).running_engine()):
        raise HomeError(f"{engine} runs on {path}", next_step="stop it first, or choose another --home")
    for item in path.iterdir():  # the mark goes last: a removal cut short still is a demo's home
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item)
        elif item.name != MARK:
            item.unlink()
    (path / MARK).unlink()


def _print(screen: Screen, show: Show) -> None:
    from coattail.cli.hints import line, program
    from coattail.cli.landed import gap_sentence
    from coattail.cli.output import print_table

    done, matched = show.outcome, show.matched
    screen.say()
    screen.say("What had been planted, and when it was noticed (simulated time):")
    rows = [
        (
            f"{event['start']:%H:%M:%S}",
            event["kind"],
            event["symbol"],
            event["exchange"] or "between venues",
            _size(event["kind"], event["size"]),
            "found" if event["found"] else "MISSED" if event["over"] else "not over yet",
            f"{event['delay_s']:.0f} s" if event["found"] else None,
        )
        for event in show.planted
    ]
    print_table(["start", "planted", "symbol", "where", "size", "", "after"], rows, right=["size", "after"])
    over = [event for event in show.planted if event["over"]]
    found = sum(event["found"] for event in over)
    screen.say()
    young = len(show.planted) - len(over)
    screen.say(
        f"found {found} of {len(over)} planted anomalies"
        + (f" ({young} more had not ended when the demo did)" if young else "")
        + f"; false alarms: {matched.false_alarms} single, in {matched.false_groups} "
        f"group{'' if matched.false_groups == 1 else 's'}, "
        f"of {matched.alarms.height} alerts in all"
    )
    _say_scorecard(screen, show)
    screen.say(
        f"received {done.received:,} = landed {done.landed:,} + rejected {done.rejected:,} "
        f"+ duplicates {done.duplicates:,}; {gap_sentence(done)}"
    )
    screen.say(
        f"{show.first_trades:,} trades landed in {show.landing_seconds:.1f} s "
        f"({show.first_trades / show.landing_seconds:,.0f} trades/s, by an engine that had just started); "
        f"first alert {show.first_alert_seconds:.1f} s after the start; {time.monotonic() - show.began:.1f} s in all"
    )
    screen.say()
    screen.say(DISCLAIMER)
    screen.say()
    screen.say("Try next:")
    query = "SELECT exchange, symbol, count(*) AS trades FROM raw_trades GROUP BY 1, 2 ORDER BY 3 DESC"
    screen.say(f"  {line(show.home.path, 'alerts')}")
    screen.say(f"  {line(show.home.path, 'sql', query)}")
    screen.say(f"  {program()} replay YOUR-RECORDING.gz")


def _say_scorecard(screen: Screen, show: Show) -> None:
    """How good the detectors were in this run; with so few events, how little that says."""
    from dataclasses import replace

    from coattail.cli.output import print_table
    from coattail.scoring.cards import of_run
    from coattail.scoring.figures import number as figure
    from coattail.scoring.figures import share

    over = [number for number, event in enumerate(show.planted) if event["over"]]
    cards = of_run(replace(show.matched, planted=show.matched.planted[over]), show.end - show.market.start)
    screen.say()
    screen.say("Scorecard of this run (in brackets: 90 % intervals, wide because so few were planted):")
    rows = [
        (
            f"{kind}s",
            f"{card['events']}",
            share(card["recall"]),
            figure(card["false_per_day"], 0),
            figure(card["delay_s"]["p50"], 0) if card["events"] else None,
        )
        for kind, card in cards.items()
    ]
    print_table(["planted", "there", "found", "false a day", "after, s"], rows, right=["there"])
    screen.say("on two simulated weeks, with every kind of event: docs/EVIDENCE.md")
    screen.say()


def _size(kind: str, size: float) -> str:
    return {"burst": f"{size:g} x volume", "whale": f"{size:,.0f}", "spread": f"{size:+.1f} %"}.get(kind, f"{size:g}")


def _print_json(show: Show) -> None:
    from coattail.cli.output import print_json

    print_json(
        {
            "seed": show.seed,
            "home": show.home.path,
            "hours": {"trades": show.first_trades, "seconds": round(show.landing_seconds, 3)},
            "live": {
                "trades": show.live_trades,
                "seconds": round(show.live_seconds, 3),
                "simulated_seconds": round((show.end - show.live_from).total_seconds(), 3),
            },
            "seconds_to_first_alert": round(show.first_alert_seconds, 3),
            "planted": [{name: e[name] for name in _PLANTED} for e in show.planted],
            "found": sum(e["found"] for e in show.planted),
            "missed": sum(not e["found"] and e["over"] for e in show.planted),
            "false_alarms": show.matched.false_alarms,
            "false_groups": show.matched.false_groups,
            "alerts": show.alerts.counts(),
            "landed": show.outcome.as_json(),
            "disclaimer": DISCLAIMER,
        }
    )


_PLANTED = ("kind", "exchange", "symbol", "start", "end", "size", "found", "over", "delay_s")
