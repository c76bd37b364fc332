"""Pieces that every section is made of: tables that scroll on a phone, figures, lists that end in time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from coattail.charts.chart import Chart, Detail, cut
from coattail.charts.svg import TINTS, still
from coattail.markup import Content, Markup, tag


@dataclass(frozen=True, kw_only=True)
class Commands:
    """Command lines as they work for whoever has the data: no folder of this machine stands in them."""

    line: Callable[..., str]
    """Words of a command -> how it is typed."""
    reproduce: str
    """What makes this page again."""


@dataclass
class Figures:
    """The charts of a page, in their order."""

    detail: Detail
    charts: list[Chart] = field(default_factory=list)

    def add(self, whole: Chart, *, marks: int | None = None) -> Markup:
        """The chart as a figure with its title and key, and at most so many marks; one without data is a sentence."""
        if whole.empty and not whole.shades:
            return tag("figure", tag("figcaption", tag("b", whole.title), ": nothing to draw"))
        most = self.detail.marks if marks is None else min(marks, self.detail.marks)
        chart = cut(whole, replace(self.detail, marks=most))
        keys = [tag("span", line.name, class_=f"key k{line.tint % TINTS}") for line in chart.lines if line.name]
        left = len(whole.marks) - len(chart.marks)
        note = f" (marked: the {len(chart.marks):,} {chart.first_marks} of {len(whole.marks):,})" if left else None
        caption = tag("figcaption", tag("b", chart.title), f", {chart.unit}" if chart.unit else None, keys, note)
        drawing = still(chart, points=self.detail.still_points, titles=self.detail.titles)
        self.charts.append(chart)
        return tag("figure", caption, tag("div", drawing, class_="canvas", data_chart=len(self.charts) - 1))

    def lanes(self, chart: Chart, words: Mapping[str, str]) -> Markup:
        """A chart of lanes, which cannot be zoomed. words: What a stretch can be -> what the key says of it."""
        here = {kind for lane in chart.lanes for *_, kind in lane.stretches}
        keys = [tag("span", said, class_=f"key {kind}") for kind, said in words.items() if kind in here]
        return tag("figure", tag("figcaption", tag("b", chart.title), keys), still(chart, points=0))


def section(identity: str, title: str, *content: Content) -> Markup:
    """A section that the list of contents links to."""
    return tag("section", tag("h2", title), *content, id=identity, aria_label=title)


def paragraph(*content: Content, note: bool = False) -> Markup:
    """A paragraph; a note is smaller."""
    return tag("p", *content, class_="note" if note else None)


_TEXTS = {"payload", "reasons", "which"}
"""Columns whose cells may be long: only these are broken into lines."""


def table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[Content]], *, right: Sequence[str] = ()
) -> Markup:
    """A table whose caption says what it shows; it scrolls, by keyboard too, where it is too wide."""
    kinds = ["number" if name in right else "text" if name in _TEXTS else None for name in columns]
    head = tag("tr", [tag("th", name, class_=kind, scope="col") for name, kind in zip(columns, kinds, strict=True)])
    body = [tag("tr", [tag("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)]) for row in rows]
    inner = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body))
    return tag("div", inner, class_="wide-table", tabindex=0, role="region", aria_label=caption)


def code(text: str) -> Markup:
    """A command or a value as it is typed."""
    return tag("code", text)


def block(text: str) -> Markup:
    """A command on lines of its own."""
    return tag("pre", text)
