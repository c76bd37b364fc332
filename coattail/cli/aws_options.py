"""Options that commands about an environment share, and what they lead to."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Self

import typer

from coattail.cli.app import Session
from coattail.errors import UsageError

if TYPE_CHECKING:
    from coattail.aws.operate.environment import Environment
    from coattail.aws.operate.steps import StepDone
    from coattail.workspace.progress import OnProgress, Step

EnvironmentOption = Annotated[
    str | None,
    typer.Option("--environment", metavar="NAME", help="Choose one of several: dev. [default: the only one, or dev]"),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Agree beforehand to what it costs.")]


def environment_of(session: Session, name: str | None) -> Environment:
    """The environment that a command is about; says once where it is not AWS.

    Raises: UsageError: If it is not known here, or has another tier than --tier says.
    """
    from coattail.aws.operate.environment import read_environment

    found = read_environment(session.home(create=True, write=True).path, name)
    if session.tier not in (None, found.tier):
        raise UsageError(
            f"the environment {found.environment} has the tier {found.tier}",
            next_step=f"change it: coattail aws bootstrap --environment {found.environment} --tier {session.tier}",
        )
    label(found.emulated)
    return found


def label(emulated: bool) -> None:
    """Say beside whatever is printed that this is not AWS."""
    if emulated:
        print("local emulation: services of this environment are on this machine, not on AWS", file=sys.stderr)


class StepScreen:
    """A bar while a step is at work, and a line once it is done; never both at a time, nor while a person is asked.

    silent: Show nothing (as with --json). A context manager.
    """

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self._bar: ExitStack | None = None
        self._heard: OnProgress | None = None
        self._lock = threading.Lock()  # what is sent is counted from several threads

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.rest()
        if kind is KeyboardInterrupt:
            print(
                "what was made stays, and may be billed: coattail aws status shows it; the same command goes on",
                file=sys.stderr,
            )

    def heard(self, step: Step) -> None:
        """Show how far it is."""
        from coattail.cli.output import progress

        with self._lock:
            if self._heard is None:
                self._bar = ExitStack()
                self._heard = self._bar.enter_context(progress(silent=self._silent))
            self._heard(step)

    def rest(self) -> None:
        """Take the bar away."""
        with self._lock:
            if self._bar is not None:
                self._bar.close()
            self._bar = self._heard = None

    def say(self, line: object) -> None:
        """Print a line in place of the bar."""
        self.rest()
        if not self._silent:
            print(line, flush=True)

    def asking(self, *, yes: bool) -> Callable[[str], None]:
        """What asks a person before money is spent; see `ask`."""
        from coattail.cli.consent import ask

        def agreed(question: str) -> None:
            self.rest()
            ask(question, yes=yes)

        return agreed

    def done(self, step: StepDone) -> None:
        """Print a step as it is done."""
        mark = {"done": "done", "there": "is there", "left out": "left out"}[step.outcome]
        self.say(f"{step.name:18}{mark:9}{step.detail}  ({step.seconds:.1f} s)")
