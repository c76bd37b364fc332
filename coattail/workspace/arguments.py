"""Arguments as a notebook gives them: each becomes what a room takes, or is refused in a sentence."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from coattail.errors import UsageError


def text(given: Any, name: str) -> str:
    """The text given.

    Raises: UsageError: If it is something else.
    """
    if isinstance(given, str):
        return given
    raise UsageError(f"{name} {given!r} is not text", next_step=f"write it in quotes: {str(given)!r}")


def maybe_text(given: Any, name: str) -> str | None:
    """`text`, or None for None."""
    return None if given is None else text(given, name)


def texts(given: Any, name: str) -> list[str] | None:
    """The texts of a list, or of one text alone; None for None.

    Raises: UsageError: If it is something else.
    """
    if given is None:
        return None
    several = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    return [text(one, name) for one in several]


def path(given: Any, name: str) -> Path:
    """The path given, as text or as a path.

    Raises: UsageError: If it is something else.
    """
    return Path(spelled_path(given, name))


def spelled_path(given: Any, name: str) -> str:
    """A path as it is written: with the `/` at its end, which means a folder.

    Raises: UsageError: If it is something else.
    """
    if isinstance(given, str | os.PathLike):
        return os.fspath(given)
    raise UsageError(f"{name} {given!r} is not a path", next_step="write it in quotes, or give a pathlib.Path")


def maybe_path(given: Any, name: str) -> Path | None:
    """`path`, or None for None."""
    return None if given is None else path(given, name)


def changes(given: Any, name: str = "changes") -> Mapping[str, object] | None:
    """Values by dotted key; None for None.

    Raises: UsageError: If it is something else.
    """
    if given is None or (isinstance(given, Mapping) and all(isinstance(key, str) for key in given)):
        return given
    raise UsageError(
        f"{name} {given!r} does not give values by name", next_step='write it like {"volume-anomaly.budget": 2}'
    )


def sweep(given: Any) -> tuple[str, Sequence[Any]] | None:
    """A parameter and the values to try it at; None for None.

    Raises: UsageError: If it is something else.
    """
    match given:
        case None:
            return None
        case (str(), list() | tuple() | range()):
            key, values = given
            return key, list(values)
    raise UsageError(
        f"sweep {given!r} is not a parameter with values",
        next_step='write it like ("volume-anomaly.budget", [1, 2, 4])',
    )


def whole(given: Any, name: str) -> int:
    """The whole number given.

    Raises: UsageError: If it is something else.
    """
    if isinstance(given, int):
        return given
    raise UsageError(f"{name} {given!r} is not a whole number", next_step="write it like 50, without quotes")


def number(given: Any, name: str) -> float:
    """The number given.

    Raises: UsageError: If it is something else.
    """
    if isinstance(given, int | float):
        return given
    raise UsageError(f"{name} {given!r} is not a number", next_step="write it like 2.5, without quotes")


def maybe_whole(given: Any, name: str) -> int | None:
    """`whole`, or None for None."""
    return None if given is None else whole(given, name)
