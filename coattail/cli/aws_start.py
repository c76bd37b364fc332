"""`coattail aws start`, `stop` and `cleanup`: an environment brought to life, to rest, and to its end."""

from __future__ import annotations

from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.aws import aws
from coattail.cli.aws_options import EnvironmentOption, StepScreen, YesOption, environment_of
from coattail.cli.jobs import GraceOption

NoJobOption = Annotated[bool, typer.Option("--no-job", help="Submit no job that lands the stream.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Lose what has not landed, and end other jobs, too.")]
MinutesOption = Annotated[
    float, typer.Option("--minutes", metavar="N", min=0.1, max=120, help="Send the market in this many minutes.")
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="Seed the market; take another one each time.")]
NameOption = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Agree beforehand, by the environment's name.")
]


@command(
    "start",
    examples=["coattail aws start", "coattail aws start --yes --no-job", "coattail aws start --environment dev --json"],
    under=aws,
)
def start(
    session: Session, *, environment: EnvironmentOption = None, yes: YesOption = False, no_job: NoJobOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Bring an environment to life; it costs money until a stop.

    It packs functions and jobs, makes what is missing with Terraform, asks the doctor, and submits the job that lands
    the stream. Before it spends anything it says what an hour costs, and asks. Each step looks first whether it is
    done: after a failure, the same command goes on from there.

    JSON: {"environment", "emulated", "place", "hourly", "job", "api_url", "steps": [{"name", "outcome", "detail",
    "seconds"}]}.
    """
    from coattail.aws.operate.starting import EnvironmentStart
    from coattail.cli.output import print_json

    at = environment_of(session, environment)
    with StepScreen(silent=as_json) as screen:
        made = EnvironmentStart(
            session.home(write=True), at, agree=screen.asking(yes=yes), with_job=not no_job,
            on_progress=screen.heard, said=screen.done,
        ).run()  # fmt: skip
    if as_json:
        print_json(made)
        return
    from coattail.aws.operate.demo import api_address

    there = f"coattail --place '{made.place}'"
    print(f"\nplace: {made.place}")
    if made.api_url:
        print(f"API:   {api_address(at, made.api_url)}")
    cost = "nobody bills a local emulation" if made.emulated else f"about ${made.hourly:.2f} an hour, until:"
    print(f"\n{cost}\n  coattail aws stop --environment {at.environment}\n\nsend trades, and look:")
    print("\n".join(f"  {there} {words}" for words in ("produce", "status", "alerts", "aws jobs")))


@command(
    "demo-prep",
    examples=["coattail aws demo-prep", "coattail aws demo-prep --minutes 2 --yes"],
    under=aws,
)
def demo_prep(
    session: Session, *, environment: EnvironmentOption = None, minutes: MinutesOption = 5.0, seed: SeedOption = 7,
    yes: YesOption = False, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Make an environment ready to be shown.

    It starts it, sends two hours of a simulated market through the stream, looks whether all of it has landed and
    alerts were raised, and writes a sheet to present with: links, commands, the newest alerts. It costs what a start
    costs, until a stop, and asks as a start does.

    JSON: {"environment", "emulated", "trades", "alerts", "sheet", "started", "steps"}; `started` as of start.
    """
    from coattail.aws.operate.demo import prepare_demo
    from coattail.aws.operate.starting import EnvironmentStart
    from coattail.cli.output import print_json

    at, home = environment_of(session, environment), session.home(write=True)
    with StepScreen(silent=as_json) as screen:
        heard, said = screen.heard, screen.done
        started = EnvironmentStart(home, at, agree=screen.asking(yes=yes), on_progress=heard, said=said).run()
        ready = prepare_demo(home, at, started, minutes=minutes, seed=seed, on_progress=heard, said=said)
    if as_json:
        print_json(ready)
    else:
        print(f"\n{ready.sheet.read_text(encoding='utf-8')}")


@command("stop", examples=["coattail aws stop", "coattail aws stop --grace 5m", "coattail aws stop --force"], under=aws)
def stop(
    session: Session, *, environment: EnvironmentOption = None, force: ForceOption = False,
    grace: GraceOption = "2m", as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Bring an environment to rest, and prove that it is.

    It refuses while records wait in the stream that no job has landed, or while other jobs run. Else jobs end in order,
    the stream and the interface endpoints go, and the services are asked whether anything is billed by the hour: each
    must say 0. Tables, alerts and the API stay.

    JSON: {"environment", "emulated", "lost", "proof": {"nothing", "kinds"}, "steps"}.
    """
    from coattail.aws.operate.stopping import EnvironmentStop
    from coattail.cli.options import duration
    from coattail.cli.output import print_json

    at = environment_of(session, environment)
    with StepScreen(silent=as_json) as screen:
        done = EnvironmentStop(
            session.home(write=True), at, force=force, grace=duration(grace, "--grace"), on_progress=screen.heard,
            said=screen.done,
        ).run()  # fmt: skip
    if as_json:
        print_json(done)
        return
    print(f"\n{done.proof}\nnothing of {at.environment} is billed by the hour; tables, alerts and the API stay")
    print(f"again: coattail aws start    for good: coattail aws cleanup --environment {at.environment}")


@command("cleanup", examples=["coattail aws cleanup", "coattail aws cleanup --environment dev --name dev"], under=aws)
def cleanup(
    session: Session, *, environment: EnvironmentOption = None, name: NameOption = None, as_json: JsonOption = False
) -> None:
    """Remove an environment with its data, for good.

    It says what is lost and asks for the environment's name; then it stops it, removes everything, and its state, with
    the bucket if no other environment is in it. After a failure, the same command goes on from there.

    JSON: {"environment", "emulated", "held": [{"bucket", "objects", "bytes", "more"}], "bucket_removed", "proof",
    "steps"}.
    """
    from coattail.aws.operate.account import Services, refuse_another
    from coattail.aws.operate.cleaning import clean, held, loss
    from coattail.cli.consent import ask_for
    from coattail.cli.output import print_json

    at = environment_of(session, environment)
    refuse_another(at)
    with Services(at) as services:
        data = held(services)
    ask_for(at.environment, loss(at, data), given=name)
    with StepScreen(silent=as_json) as screen:
        done = clean(session.home(write=True), at, data, on_progress=screen.heard, said=screen.done)
    if as_json:
        print_json(done)
    else:
        days = at.variables.get("key_deletion_days", 30)
        print(f"\n{done.proof}\n{at.environment} is gone; for {days} days AWS can give back its key, and nothing else")
