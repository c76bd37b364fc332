"""The card: one picture of 1200 × 627 pixels, as a link or a post shows it."""  # noqa: RUF002

from __future__ import annotations

import shlex
from dataclasses import dataclass
from io import BytesIO

from coattail import __version__
from coattail.alerts import DISCLAIMER
from coattail.charts.colours import ACCENT
from coattail.reports.facts import ReportFacts
from coattail.reports.front import Front, Tile
from coattail.reports.words import iso
from coattail.share.ink import FAINT, SOFT, At, Canvas, shortened, width_of, wrapped
from coattail.share.plot import ChartBox, draw_chart, draw_logo

SIZE = (1200, 627)
MADE_BY = "coattail report"
"""Who made a picture or a document, as its file says."""

_EDGE, _BETWEEN = 48, 20
_HEADLINES = ((42, 2), (36, 3), (30, 3))
"""Points of the headline, and its lines: the largest that holds all of it."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a card was made from, in words without any path of this machine."""

    snapshot: str
    command: str

    def __str__(self) -> str:
        return f"coattail {__version__} · {self.snapshot} · {self.command}"


def origin_of(facts: ReportFacts) -> Origin:
    """Which snapshot, and which command makes the report again."""
    held = facts.commit
    only = [word for symbol in facts.symbols for word in ("--symbol", symbol)]
    span = ["--since", iso(facts.span.since), "--until", iso(facts.span.until)]
    return Origin(
        snapshot="nothing has landed" if held is None else f"snapshot {held.snapshot_id} of raw_trades",
        command=shlex.join(["coattail", "report", "day", *span, *only]),
    )


def card_of(front: Front, origin: Origin) -> bytes:
    """The card as PNG, the same bytes for the same front.

    Raises: UsageError: If Pillow is not installed.
    """
    canvas = Canvas(SIZE)
    right = SIZE[0] - _EDGE
    draw_top(canvas, front.when, _EDGE, 24, text=20)
    top = draw_headline(canvas, front.headline, (_EDGE, 82), right - _EDGE)
    lead = wrapped(front.lead, 21, right - _EDGE, 1)
    for line in lead:
        canvas.text((_EDGE, top + 24), line, 21, fill=SOFT)
    top += 42 if lead else 8
    if front.hero is not None:
        draw_chart(canvas, front.hero, ChartBox(left=_EDGE, top=top, right=right, bottom=428, text=17))
    else:
        canvas.text((SIZE[0] / 2, (top + 428) / 2), "no trade of this time has landed", 24, fill=SOFT, anchor="ms")
    step = (right - _EDGE + _BETWEEN) / len(front.tiles)
    for place, tile in enumerate(front.tiles):
        draw_tile(canvas, tile, (_EDGE + place * step, 444), step - _BETWEEN, value=34, text=18)
    canvas.text((_EDGE, 584), shortened(str(origin), 16, right - _EDGE), 16, fill=SOFT)
    canvas.text((_EDGE, 608), DISCLAIMER, 16, fill=SOFT)
    return png_of(canvas)


def png_of(canvas: Canvas) -> bytes:
    """The canvas as PNG that says who made it; it says no time."""
    from PIL.PngImagePlugin import PngInfo

    said = PngInfo()
    said.add_text("Software", MADE_BY)
    file = BytesIO()
    canvas.picture().save(file, "PNG", pnginfo=said, compress_level=6)
    return file.getvalue()


def draw_top(canvas: Canvas, when: str, edge: float, top: float, *, text: float) -> None:
    """Draw the mark and the name on the left, when it was on the right, and the accent above both."""
    side = text * 1.5
    canvas.box((0, 0), (canvas.width, text * 0.3), ACCENT)
    draw_logo(canvas, (edge, top), side, ACCENT)
    canvas.text((edge + side * 1.3, top + side * 0.75), "coattail", text * 1.15, fill=ACCENT, bold=True)
    said = shortened(when, text, canvas.width / 2)
    canvas.text((canvas.width - edge, top + side * 0.75), said, text, fill=SOFT, anchor="rs")


def draw_headline(
    canvas: Canvas, headline: str, at: At, width: float, sizes: tuple[tuple[int, int], ...] = _HEADLINES
) -> float:
    """Draw the headline as large as all of it fits; returns where it ends."""
    size, most = next(
        ((size, most) for size, most in sizes if len(wrapped(headline, size, width, most + 1)) <= most), sizes[-1]
    )
    x, top = at
    for line in wrapped(headline, size, width, most):
        canvas.text((x, top + size * 0.85), line, size, bold=True)
        top += size * 1.2
    return top


def draw_tile(canvas: Canvas, tile: Tile, at: At, width: float, *, value: float, text: float) -> None:
    """Draw one figure with its name above and its remark below; none is wider than its tile."""
    x, top = at
    canvas.line([(x, top), (x + width, top)], FAINT, 2)
    canvas.text((x, top + text * 1.5), tile.name, text, fill=SOFT)
    while width_of(tile.value, value) > width and value > text:
        value -= 1
    canvas.text((x, top + text * 1.7 + value), shortened(tile.value, value, width), value, bold=True)
    size = text * 0.9
    for place, line in enumerate(wrapped(tile.note, size, width, 2)):
        canvas.text((x, top + text * 2 + value + size * (1.15 + 1.2 * place)), line, size, fill=SOFT)
