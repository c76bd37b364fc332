"""Five pages of 1080 x 1350 points (PDF), as document posts show them: one thing a page, readable on a phone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from time import gmtime
from typing import Any

import polars as pl

from coattail.alerts import DISCLAIMER
from coattail.amounts import count, number
from coattail.engines.abstained import IN_WORDS
from coattail.reports.claims import Claim
from coattail.reports.facts import ReportFacts
from coattail.reports.front import Front
from coattail.reports.ranked import by_severity
from coattail.reports.words import clock, covered
from coattail.share.card import MADE_BY, Origin, draw_headline, draw_tile, draw_top
from coattail.share.ink import FAINT, INK, SOFT, Canvas, shortened, wrapped
from coattail.share.plot import ChartBox, draw_chart, draw_mark

SIZE = (1080, 1350)
_EDGE, _RIGHT = 72, SIZE[0] - 72
_WIDE = _RIGHT - _EDGE
_FLOOR = SIZE[1] - 130
"""Below it stand origin and disclaimer."""
_MOST_ALERTS, _MOST_INSTRUMENTS, _MOST_GAPS, _MOST_UNJUDGED, _MOST_QUERIES = 6, 10, 3, 3, 6
_HEADS = ((56, 5), (46, 6), (38, 8))
_DPI = 144
"""Two dots a point: an image of 2160 dots is 1080 points wide."""


@dataclass
class _Writer:
    """Writes down a page, line by line, until it is full."""

    canvas: Canvas
    y: float

    def write(
        self, text: str, size: float = 30, *, fill: str = INK, bold: bool = False, most: int = 4, after: float = 0.5
    ) -> None:
        """Write a paragraph where there is room; what does not fit any more is left out, and says so by `…`."""
        room = int((_FLOOR - self.y) / (size * 1.3))
        for line in wrapped(text, size, _WIDE, min(most, room)) if room > 0 else ():
            self.y += size * 1.3
            self.canvas.text((_EDGE, self.y), line, size, fill=fill, bold=bold)
        self.y += size * after


def pages_of(facts: ReportFacts, front: Front, origin: Origin, claims: Sequence[Claim]) -> bytes:
    """The PDF, the same bytes for the same facts.

    Raises: UsageError: If Pillow is not installed.
    """
    contents: list[Callable[[Canvas], None]] = [
        lambda canvas: _first(canvas, front),
        lambda canvas: _alerts(canvas, facts),
        lambda canvas: _market(canvas, front),
        lambda canvas: _trust(canvas, facts, front),
        lambda canvas: _check(canvas, origin, claims),
    ]
    pictures = []
    for place, draw in enumerate(contents, start=1):
        canvas = Canvas(SIZE)
        draw_top(canvas, front.when, _EDGE, 48, text=28)
        draw(canvas)
        _foot(canvas, origin, f"{place} of {len(contents)}")
        pictures.append(canvas.picture(fine=True))
    file = BytesIO()
    made = gmtime(facts.span.until.timestamp())  # the clock would make two of the same facts differ
    pictures[0].save(
        file, "PDF", save_all=True, append_images=pictures[1:], resolution=_DPI, quality=80, subsampling=0,
        title=front.headline, author=MADE_BY, producer=MADE_BY, creationDate=made, modDate=made,
    )  # fmt: skip
    return file.getvalue()


def _foot(canvas: Canvas, origin: Origin, place: str) -> None:
    canvas.line([(_EDGE, SIZE[1] - 112), (_RIGHT, SIZE[1] - 112)], FAINT, 2)
    canvas.text((_EDGE, SIZE[1] - 74), DISCLAIMER, 22, fill=SOFT)
    canvas.text((_EDGE, SIZE[1] - 40), shortened(f"coattail · {origin.snapshot}", 22, _WIDE - 120), 22, fill=SOFT)
    canvas.text((_RIGHT, SIZE[1] - 40), place, 22, fill=SOFT, anchor="rs")


def _title(canvas: Canvas, text: str) -> _Writer:
    canvas.text((_EDGE, 200), shortened(text, 46, _WIDE), 46, bold=True)
    return _Writer(canvas, 216)


def _first(canvas: Canvas, front: Front) -> None:
    end = draw_headline(canvas, front.headline, (_EDGE, 150), _WIDE, _HEADS)
    page = _Writer(canvas, end + 10)
    if front.lead:
        page.write(f"Above all: {front.lead}.", 30, fill=SOFT, most=4)
    step = (_WIDE + 32) / 2
    top = 690
    for place, tile in enumerate(front.tiles):
        at = (_EDGE + place % 2 * step, top + place // 2 * 250)
        draw_tile(canvas, tile, at, step - 32, value=64, text=32)


def _alerts(canvas: Canvas, facts: ReportFacts) -> None:
    page = _title(canvas, "What was unusual")
    alerts = by_severity(facts.alerts)
    if alerts.is_empty():
        page.write(_why_none(facts), 32, most=6)
        return
    shown = alerts.head(_MOST_ALERTS)
    for row in shown.iter_rows(named=True):
        draw_mark(canvas, row["severity"], (_EDGE + 12, page.y + 28), 15)
        canvas.text((_EDGE + 38, page.y + 36), shortened(_kind(row), 26, _WIDE - 38), 26, fill=SOFT)
        page.y += 40
        page.write(row["message"], 27, most=3, after=0.8)
    left = alerts.height - shown.height
    if left:
        page.write(f"And {count(left, 'alert')} more.", 27, fill=SOFT)


def _why_none(facts: ReportFacts) -> str:
    if "judged" in facts.windows["state"]:
        return "Nothing: every detector looked, and none raised an alert."
    return "No minute could be judged: too little was seen before to say what would be unusual. That is not a calm day."


def _kind(row: dict[str, Any]) -> str:
    return f"{row['severity']} · {row['alert_type'].replace('_', ' ')} · {clock(row['detected_at'])}"


def _market(canvas: Canvas, front: Front) -> None:
    page = _title(canvas, "What the price did")
    if front.hero is None:
        page.write("No trade of this time has landed.", 32)
        return
    draw_chart(canvas, front.hero, ChartBox(left=_EDGE, top=260, right=_RIGHT, bottom=1000, text=24))
    page.y = 1010
    page.write(front.hero.alt, 27, fill=SOFT, most=6)


def _trust(canvas: Canvas, facts: ReportFacts, front: Front) -> None:
    page = _title(canvas, "Can it be trusted?")
    q = facts.quality
    coverage = front.tiles[2]
    page.write(f"{coverage.name} {coverage.value}: {coverage.note}.", 34, bold=True, most=3)
    page.write(
        f"received {q.received:,} = landed {q.landed:,} + rejected {q.rejected:,} + duplicates {q.duplicates:,}"
        f"{'' if q.conserved else ': the sum does not hold'}",
        30, most=3,
    )  # fmt: skip
    page.write("Counts since the beginning of this home, all symbols.", 24, fill=SOFT, after=1.2)
    _instruments(page, facts)
    gaps = facts.coverage.filter(pl.col("state") == "gap").sort("inside", "first_id", descending=[True, False])
    for gap in gaps.head(_MOST_GAPS).iter_rows(named=True):
        where = f"{gap['exchange']} {gap['symbol']}"
        between = f"between {clock(gap['first_ts'])} and {clock(gap['last_ts'])}"
        said = f"Gap: {where}, {count(gap['inside'], 'trade')} {between}"
        page.write(said, 27, most=3)
    if gaps.height > _MOST_GAPS:
        page.write(f"And {count(gaps.height - _MOST_GAPS, 'smaller gap')}.", 27, fill=SOFT)
    if facts.abstained:
        page.write("Where less than half of the time could be judged, no alert says little:", 30, bold=True, after=0.3)
    for one in facts.abstained[:_MOST_UNJUDGED]:
        why = IN_WORDS.get(one["reason"], one["reason"])
        page.write(f"{one['about']}: {number((1 - one['share']) * 100)} % judged; {why}", 27, most=2)
    if len(facts.abstained) > _MOST_UNJUDGED:
        page.write(f"And {len(facts.abstained) - _MOST_UNJUDGED:,} more.", 27, fill=SOFT)


def _instruments(page: _Writer, facts: ReportFacts) -> None:
    """How much of each instrument is here, those that lack the most first."""
    landed = pl.col("inside").filter(pl.col("state").is_in(["live", "backfilled"])).sum()
    missing = pl.col("inside").filter(pl.col("state") == "gap").sum()
    rows = (
        facts.coverage.group_by("exchange", "symbol")
        .agg(landed.alias("landed"), missing.alias("missing"))
        .sort("missing", "landed", "exchange", "symbol", descending=[True, True, False, False])
    )
    for exchange, symbol, here, lost in rows.head(_MOST_INSTRUMENTS).iter_rows():
        name = shortened(f"{exchange} {symbol}", 27, _WIDE * 0.62)
        page.canvas.text((_RIGHT, page.y + 36), covered(here, lost), 27, anchor="rs", bold=lost > 0)
        page.canvas.text((_RIGHT - 150, page.y + 36), f"{here:,}", 27, fill=SOFT, anchor="rs")
        page.write(name, 27, most=1, after=0.2)
    if rows.height > _MOST_INSTRUMENTS:
        page.write(f"And {count(rows.height - _MOST_INSTRUMENTS, 'instrument')} more.", 27, fill=SOFT)
    page.write("Trade ids that are here, and what share they are of all.", 24, fill=SOFT, after=1.2)


def _check(canvas: Canvas, origin: Origin, claims: Sequence[Claim]) -> None:
    page = _title(canvas, "Check it yourself")
    page.write("The same report, from the same trades:", 30, most=2, after=0.2)
    page.write(origin.command, 25, fill=SOFT, most=3, after=1)
    page.write("The same numbers, asked in SQL (coattail sql):", 30, most=2, after=0.4)
    for claim in claims[:_MOST_QUERIES]:
        page.write(f"{claim.text}:", 28, bold=True, after=0)
        page.write(claim.query, 23, fill=SOFT, most=5, after=0.9)
