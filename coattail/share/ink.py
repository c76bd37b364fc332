"""A canvas to draw on: shapes and measured text in points, the same on every machine. Nothing overflows unnoticed."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal

from coattail.errors import UsageError
from coattail.markup import visible

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

At = tuple[float, float]
Anchor = Literal["ls", "ms", "rs"]
"""Which point of a text is given: its left, middle or right end, on the baseline."""

PAPER, INK, SOFT, FAINT = "#ffffff", "#1b1f24", "#57606a", "#d8dee4"

_WRITTEN = {
    "→": "->", "←": "<-", "≥": ">=", "≤": "<=", "×": "x", "µ": "u", "μ": "u", "–": "-", "—": "-", "−": "-",  # noqa: RUF001
    "Δ": "change of ", "₿": "BTC", "€": "EUR", "£": "GBP", "¥": "JPY", "•": "·", "\u00a0": " ", "\u202f": " ",
    "²": "^2", "▲": "up", "▼": "down",
    "ß": "ss", "Ø": "O", "ø": "o", "Æ": "AE", "æ": "ae", "Ł": "L", "ł": "l", "ı": "i",  # noqa: RUF001
}  # fmt: skip
"""Letters that the built-in font lacks -> how they are written instead."""


def written(text: str) -> str:
    """The text in letters that the font has.

    Signs become words or their like in ASCII, accents fall away, and what has no like is written by its number
    (`\\u5e01`), as control characters are: never as an empty box, and never left out.
    """
    return text if text.isascii() and text.isprintable() else "".join(map(_letter, visible(text)))


@cache
def _letter(letter: str) -> str:
    if letter in _WRITTEN:
        return _WRITTEN[letter]
    if _drawn(letter):
        return letter
    base = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    return base if base and all(map(_drawn, base)) else ascii(letter)[1:-1]


@cache
def _drawn(letter: str) -> bool:
    """Whether the font has it: what it lacks it draws like any other that it lacks."""
    font = font_of(40)
    return letter == " " or bytes(font.getmask(letter)) != bytes(font.getmask("\uffff"))


@cache
def font_of(size: int) -> FreeTypeFont:
    """Pillow's built-in font, laid out without any library that a machine may have or lack.

    Raises: UsageError: If Pillow is not installed, or was built without FreeType.
    """
    try:
        from PIL import ImageFont
    except ImportError:
        step = "pip install 'coattail[report]', or leave --share out"
        raise UsageError("cards and pages are drawn with Pillow, which is not installed", next_step=step) from None
    font = ImageFont.load_default(size=size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise UsageError("this Pillow was built without FreeType", next_step="install Pillow from its wheel")
    return font.font_variant(layout_engine=ImageFont.Layout.BASIC)


def width_of(text: str, size: float) -> float:
    """How wide the text is, in points."""
    return font_of(100).getlength(written(text)) * size / 100


def wrapped(text: str, size: float, width: float, most: int) -> list[str]:
    """The text in at most `most` lines of this width. A word that is wider is broken; what is left out ends in `…`."""
    lines: list[str] = []
    words = written(text).split()
    while words and len(lines) <= most:
        line = words.pop(0)
        while words and width_of(f"{line} {words[0]}", size) <= width:
            line += f" {words.pop(0)}"
        if len(line) > 1 and width_of(line, size) > width:
            fits = _fitting(line, size, width)
            line, rest = line[:fits], line[fits:]
            words.insert(0, rest)
        lines.append(line)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while width_of(f"{last}…", size) > width:
        last = last[: _fitting(last, size, width - width_of("…", size))].rpartition(" ")[0] or last[:-1]
    return [*lines[: most - 1], f"{last}…"]


def shortened(text: str, size: float, width: float) -> str:
    """The text on one line of this width: of a longer one the middle is left out."""
    text = written(text)
    if width_of(text, size) <= width:
        return text
    low, high = 0, len(text) - 1
    while low < high:
        kept = (low + high + 1) // 2
        low, high = (kept, high) if width_of(_without_middle(text, kept), size) <= width else (low, kept - 1)
    return _without_middle(text, low)


def _without_middle(text: str, kept: int) -> str:
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"


def mixed(colour: str, share: float, ground: str = PAPER) -> str:
    """The colour where only a share of it covers the ground."""
    over, under = (int(c[1:], 16).to_bytes(3, "big") for c in (colour, ground))
    return "#" + bytes(round(a * share + b * (1 - share)) for a, b in zip(over, under, strict=True)).hex()


def _fitting(text: str, size: float, width: float) -> int:
    """How many of its first letters fit, at least one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if width_of(text[:middle], size) <= width else (low, middle - 1)
    return low


class Canvas:
    """A picture of so many points; shapes are drawn `scale` times as fine.

    size: Width and height, in points.
    """

    def __init__(self, size: tuple[int, int], *, scale: int = 2) -> None:
        font_of(10)
        from PIL import Image, ImageDraw

        self.width, self.height = size
        self._scale = scale
        self._image = Image.new("RGB", (self.width * scale, self.height * scale), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def text(
        self, at: At, text: str, size: float, *, fill: str = INK, anchor: Anchor = "ls", bold: bool = False
    ) -> None:
        """Write one line."""
        place = (at[0] * self._scale, at[1] * self._scale)
        heavy = size * self._scale / 52 if bold else 0  # the font has one weight
        self._draw.text(
            place, written(text), font=font_of(round(size * self._scale)), fill=fill, anchor=anchor, stroke_width=heavy,
            stroke_fill=fill,
        )  # fmt: skip

    def line(self, points: Sequence[At], fill: str, width: float) -> None:
        """Draw a line through points, its corners round."""
        self._draw.line(self._scaled(points), fill=fill, width=max(1, round(width * self._scale)), joint="curve")

    def polygon(self, points: Sequence[At], fill: str, *, outline: str | None = None) -> None:
        """Fill a shape."""
        self._draw.polygon(self._scaled(points), fill=fill, outline=outline, width=self._scale if outline else 0)

    def box(self, since: At, until: At, fill: str) -> None:
        """Fill a rectangle."""
        self._draw.rectangle(self._scaled([since, until]), fill=fill)

    def circle(self, at: At, radius: float, fill: str, *, outline: str | None = None) -> None:
        """Fill a circle."""
        (x, y), r = at, radius
        self._draw.ellipse(
            self._scaled([(x - r, y - r), (x + r, y + r)]), fill=fill, outline=outline, width=self._scale
        )

    def picture(self, *, fine: bool = False) -> Image:
        """What was drawn: one pixel a point, or as fine as it was drawn."""
        from PIL import Image

        return self._image if fine else self._image.resize((self.width, self.height), Image.Resampling.LANCZOS)

    def _scaled(self, points: Sequence[At]) -> list[At]:
        return [(x * self._scale, y * self._scale) for x, y in points]
