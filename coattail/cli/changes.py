"""Options that ask for other settings: `--set`, `--sweep`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from coattail.cli.app import Session
from coattail.errors import UsageError

if TYPE_CHECKING:
    from coattail.workspace.questions.settings import Both

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="DETECTOR.PARAM=VALUE", help="Change a parameter; may be repeated."),
]


def settings_asked(session: Session, given: Sequence[str]) -> Both:
    """The home's own settings, and those with what `--set`, `--preset` and `--config` ask for.

    Raises: UsageError: If a `--set` is not understood. ConfigError: If there is no such detector or parameter.
    """
    from coattail.workspace.questions.settings import asked

    return asked(
        session.home_path(),
        dict(map(_change, given)),
        tier=session.tier,
        preset=session.preset,
        config_file=session.config_file,
    )


def _change(text: str) -> tuple[str, object]:
    import yaml

    key, equals, value = text.partition("=")
    detector, dot, parameter = key.strip().partition(".")
    if not (equals and dot and detector and parameter and value.strip()) or "." in parameter:
        raise UsageError(f"--set {text!r} is not understood", next_step="write it like volume-anomaly.z_threshold=3")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        raise UsageError(f"--set {text!r}: the value cannot be read", next_step="quote it as in YAML") from None
