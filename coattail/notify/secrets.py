"""Values that no configuration should hold: from the environment or a file, and never printed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from coattail.errors import ConfigError
from coattail.masks import MASK

_SHORTEST = 4
"""Characters of a text that can be a secret: what is shorter may stand anywhere by chance."""


class Hidden:
    """A text that does not show itself when it is printed; `reveal` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return MASK


def hidden(written: object, key: str, *, literal: bool = False) -> Hidden:
    """The text that `env:NAME` or `file:PATH` leads to; with `literal`, any other text stands for itself.

    Raises: ConfigError: If it leads nowhere, or is written out where it must not be.
    """
    if isinstance(written, Hidden):
        return written
    kind, _, place = written.partition(":") if isinstance(written, str) else ("", "", "")
    if kind == "env":
        if text := os.environ.get(place):
            return Hidden(text)
        raise ConfigError(f"{key}: the environment variable {place} is not set", next_step=f"export {place}=… first")
    if kind == "file":
        try:
            text = Path(place).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, RuntimeError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{key}: {place} cannot be read ({getattr(error, 'strerror', None) or error})",
                next_step="put the secret there, readable for you alone",
            ) from error
        if text:
            return Hidden(text)
        raise ConfigError(f"{key}: {place} is empty", next_step="put the secret there, readable for you alone")
    if literal and isinstance(written, str):
        return Hidden(written)
    raise ConfigError(
        f"{key} is written out" if isinstance(written, str) else f"{key} is not text",
        next_step="write env:NAME or file:PATH, so that no configuration holds the secret itself",
    )


def revealed(written: Any, key: str, found: list[Hidden], *, written_as: Callable[[str], str] = str) -> Any:
    """A structure with each `env:NAME` and `file:PATH` in it replaced by what it leads to, `written_as` it must be.

    found: Gets what they lead to.
    Raises: ConfigError: If one leads nowhere.
    """
    match written:
        case Mapping():
            return {
                str(name): revealed(inner, f"{key}.{name}", found, written_as=written_as)
                for name, inner in written.items()
            }
        case list() | tuple():
            return [revealed(inner, key, found, written_as=written_as) for inner in written]
        case str() if written.startswith(("env:", "file:")):
            found.append(hidden(written, key))
            return written_as(found[-1].reveal())
    return written


def without(secrets: Iterable[Hidden | None], text: str) -> str:
    """A text from elsewhere, which may repeat what it was told, with secrets masked."""
    for secret in secrets:
        if secret is not None and len(secret.reveal()) >= _SHORTEST:
            text = text.replace(secret.reveal(), MASK)
    return text
