"""Options that commands about an environment share, and what they lead to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import Session

if TYPE_CHECKING:
    from coattail.aws.operate.environment import Environment
    from coattail.aws.operate.steps import StepDone

EnvironmentOption = Annotated[
    str | None,
    typer.Option("--environment", metavar="NAME", help="Choose one of several: dev. [default: the only one, or dev]"),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Agree beforehand to what it costs.")]


def environment_of(session: Session, name: str | None) -> Environment:
    """The environment that a command is about; says once where it is not AWS.

    Raises: UsageError: If it is not known here.
    """
    from coattail.aws.operate.environment import read_environment

    found = read_environment(session.home(create=True, write=True).path, name)
    label(found.emulated)
    return found


def label(emulated: bool) -> None:
    """Say beside whatever is printed that this is not AWS."""
    if emulated:
        print("local emulation: services of this environment are on this machine, not on AWS", file=sys.stderr)


def step_line(step: StepDone) -> None:
    """Print a step as it is done."""
    mark = {"done": "done", "there": "is done", "left out": "left out"}[step.outcome]
    print(f"{step.name:18}{mark:9}{step.detail}  ({step.seconds:.1f} s)", flush=True)
