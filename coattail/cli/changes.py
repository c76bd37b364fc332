"""Options that ask for other settings: `--set`, `--sweep`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import Session
from coattail.errors import UsageError
from coattail.values import parse_duration

if TYPE_CHECKING:
    from coattail.scoring.what_if import Value
    from coattail.workspace.questions.settings import Both

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="DETECTOR.PARAM=VALUE", help="Change a parameter; may be repeated."),
]
SweepOption = Annotated[
    str | None, typer.Option("--sweep", metavar="DETECTOR.PARAM=A,B,…", help="Try several values of a parameter.")
]

_MOST_VALUES = 50


def settings_asked(session: Session, given: Sequence[str]) -> Both:
    """The home's own settings, and those with what `--set`, `--preset` and `--config` ask for.

    Raises: UsageError: If a `--set` is not understood. ConfigError: If there is no such detector or parameter.
    """
    from coattail.workspace.questions.settings import asked

    both = asked(session.home_path(), dict(map(_change, given)), **session.chosen())
    session.label(both.asked)
    return both


def _change(text: str) -> tuple[str, object]:
    import yaml

    key, equals, value = text.partition("=")
    detector, dot, parameter = key.strip().partition(".")
    if not (equals and dot and detector and parameter and value.strip()) or "." in parameter:
        raise UsageError(f"--set {text!r} is not understood", next_step="write it like volume-anomaly.budget=2")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        raise UsageError(f"--set {text!r}: the value cannot be read", next_step="quote it as in YAML") from None


def sweep_of(text: str) -> tuple[str, list[Value]]:
    """Parameter and values, each once, rising: whole numbers, numbers with fractions, or durations like `30s`.

    Raises: UsageError: If it is not understood.
    """
    key, _, given = text.partition("=")
    try:
        values = sorted({_value(part.strip()) for part in given.split(",") if part.strip()})
    except (ValueError, TypeError):  # a word, or numbers among durations
        values = []
    if not key.strip() or not 2 <= len(values) <= _MOST_VALUES or any(value != value for value in values):
        raise UsageError(
            f"--sweep {text!r} is not a parameter with 2 to {_MOST_VALUES} numbers or durations",
            next_step="write it like --sweep volume-anomaly.budget=1,2,4,8 or DETECTOR.PARAM=30s,1m,5m",
        )
    return key.strip(), values


def _value(text: str) -> Value:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            pass
    return parse_duration(text)
