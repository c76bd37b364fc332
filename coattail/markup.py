"""HTML that is safe by construction: whatever is not `Markup` is text, and becomes entities."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable

_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that hide or reorder text, or that no page may hold; they are written out (`\\u202e`)."""
_VOID = {"meta", "br", "hr", "img"}


class Markup(str):
    """HTML as it is."""

    __slots__ = ()


Content = str | int | None | Iterable["Content"]
"""Markup stays, other text is escaped, None is nothing."""


def tag(name: str, /, *content: Content, **attributes: str | int | float | bool | None) -> Markup:
    """An element; `class_` and `aria_label` are the attributes class and aria-label, None and False leave one out."""
    named = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escaped(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{named}>")
    return Markup(f"<{name}{named}>{join(content)}</{name}>")


def join(content: Content) -> Markup:
    """The pieces one after the other."""
    if content is None:
        return Markup("")
    if isinstance(content, Markup):
        return content
    if isinstance(content, str | int):
        return Markup(escaped(str(content)))
    return Markup("".join(map(join, content)))


def escaped(text: str) -> str:
    """The text for an element or an attribute; control characters are written out."""
    return html.escape(visible(text))


def visible(text: str, *, most: int | None = None) -> str:
    """The text with every control character written out, shortened to `most` characters."""
    if not text.isascii() or not text.isprintable():
        text = "".join(c if unicodedata.category(c) not in _UNSAFE else ascii(c)[1:-1] for c in text)
    return text if most is None or len(text) <= most else f"{text[: most - 1]}…"
