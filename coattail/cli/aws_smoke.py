"""`coattail aws smoke`: thirteen checks of an environment, or of an emulation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command
from coattail.cli.aws import aws
from coattail.cli.aws_options import EnvironmentOption, StepScreen, YesOption, environment_of, label
from coattail.errors import UsageError

EmulatedOption = Annotated[
    bool, typer.Option("--emulated", help="Try an emulation on this machine instead, which begins and ends with it.")
]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the results as JSON there, too.")]
ProfileOption = Annotated[
    str | None,
    typer.Option("--analyst-profile", metavar="NAME", help="Look as an analyst by this profile of AWS' configuration."),
]


@command(
    "smoke",
    examples=["coattail aws smoke --emulated", "coattail aws smoke --environment dev --out smoke.json"],
    under=aws,
)
def smoke(
    session: Session, *, environment: EnvironmentOption = None, emulated: EmulatedOption = False,
    analyst_profile: ProfileOption = None, out: OutOption = None, yes: YesOption = False, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Try an environment in thirteen checks; it costs money.

    In an account it starts the environment, sends a simulated market through it, asks every question of it, and stops
    it: about 20 minutes and 0.60 USD, so it asks first. With --emulated it costs nothing, needs no account, and leaves
    out what an emulation has not, with the reason. Exit code 1 if a check failed.

    JSON: {"environment", "emulated", "evidence", "results": [{"number", "name", "outcome", "seconds", "detail"}],
    "passed", "failed", "skipped", "dollars"}.
    """
    from coattail.aws.operate.smoke.thirteen import smoke as try_it
    from coattail.aws.operate.smoke.thirteen import smoke_emulated
    from coattail.cli.consent import ask
    from coattail.cli.output import print_json
    from coattail.workspace.documents import encoded

    if emulated:
        label(True)
        with StepScreen(silent=as_json) as screen:
            found = smoke_emulated(on_progress=screen.heard, said=screen.say)
    else:
        at = environment_of(session, environment)
        if at.emulated:
            raise UsageError(
                f"{at.environment} is an emulation's", next_step="coattail aws smoke --emulated tries one of its own"
            )
        ask(f"smoke starts {at.words()} and stops it again: about 20 minutes and $0.60 by list prices", yes=yes)
        home = session.home(write=True)
        with StepScreen(silent=as_json) as screen:
            found = try_it(home, at, analyst_profile=analyst_profile, on_progress=screen.heard, said=screen.say)
    if out is not None:
        out.write_bytes(encoded(found, indent=2) + b"\n")
    print_json(found) if as_json else print(f"\n{found}")
    if found.failed:
        raise typer.Exit(1)
