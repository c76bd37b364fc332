"""An executed notebook as a page: its answer, its cells with their code folded, what it rests on. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coattail import __version__
from coattail.alerts import DISCLAIMER
from coattail.amounts import count
from coattail.markup import Content, Markup, tag, visible
from coattail.reports.blocks import block, code, paragraph, section, table
from coattail.reports.frame import NOTEBOOK, PageContent, identity, page_around
from coattail.reports.live import LiveCharts
from coattail.reports.outputs import OnPage, outputs_of
from coattail.reports.prose import lines, passages

_LONGEST_HEADLINE = 240
_LONGEST = 300
_WHOLE = "What it did"
"""The section of a notebook without headings."""
_LABEL, _ELSEWHERE = "**Question.**", ("**Question", "**Answer", DISCLAIMER)
"""The question of a notebook, and what of its first cell stands elsewhere on the page, or is of another run."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A notebook that was executed."""

    name: str
    """Of the file, without its ending."""
    content: Mapping[str, Any]
    """The JSON of the file."""
    parameters: Sequence[tuple[str, str, str]]
    """(name, value as it is written, what it means)."""
    again: str
    """The command that runs it once more."""
    digest: str
    """SHA-256 of the file."""


@dataclass(frozen=True, kw_only=True)
class NotebookPage:
    """The page, and what its reader should know of it."""

    html: str
    title: str
    headline: str
    cells: int
    """Of code."""
    charts: int
    """Live ones."""
    failed: tuple[int, str] | None
    """The first cell that failed, and what it said."""


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A section of the page."""

    name: str
    body: list[Content]


def page_of_notebook(ran: Ran, *, live: bool) -> NotebookPage:
    """The whole page; not `live` means without any JavaScript.

    Raises: NoRenderer: If markdown-it-py or nh3 is not installed.
    """
    shown = OnPage(live=live)
    title, question, parts = _parts(ran, shown)
    cells = [cell for cell in ran.content["cells"] if cell.get("cell_type") == "code"]
    answer = _answer(cells[-1]) if cells and shown.failed is None else ""
    headline = answer[:1].upper() + answer[1:] if 0 < len(answer) <= _LONGEST_HEADLINE else title
    sections = {part.name: section(identity(part.name), part.name, *part.body) for part in parts}
    sections["Verify"] = _verify(ran, shown)
    ended = str(ran.content.get("metadata", {}).get("papermill", {}).get("end_time") or "")[:16].replace("T", " ")
    when = f" · run {ended} UTC" if ended else ""
    page = PageContent(
        title=f"coattail: {title}", headline=headline, kind=NOTEBOOK,
        when=title + when,
        front=_front(headline, question, answer, shown), sections=sections, pictures=True,
        made=f"coattail {__version__}, notebook {ran.name} ({count(len(cells), 'cell')} of code), SHA-256 "
        f"{ran.digest[:16]}",
    )  # fmt: skip
    bundle = shown.bundle
    charts = None if bundle is None else LiveCharts(shown.figures, bundle)
    return NotebookPage(
        html=page_around(page, charts), title=title, headline=headline, cells=len(cells), charts=len(shown.figures),
        failed=shown.failed,
    )  # fmt: skip


def _front(headline: str, question: str, answer: str, shown: OnPage) -> list[Content]:
    content: list[Content] = [
        tag("p", question, class_="question") if question else None,
        tag("h1", headline, class_="long" if len(headline) > 100 else None),
    ]
    if len(answer) > _LONGEST_HEADLINE:
        content.append(tag("pre", lines(answer[:2000]), class_="stream"))
    if shown.failed is not None:
        number, said = shown.failed
        stop = f"This notebook failed in its cell {number}: {said}. What comes after it never ran, or ran without it."
        content.append(tag("p", tag("b", stop), class_="error box", role="alert"))
    if shown.verified is not None:
        content.append(_tiles(shown.verified))
    return content


def _tiles(said: Mapping[str, Any]) -> Markup | None:
    """Four figures of the home that the notebook looked at."""
    if said.get("snapshot_id") is None:
        return None
    missing, gaps, rejected = (_whole(said.get(name)) for name in ("missing", "gaps", "rejected"))
    lost = f"{count(missing, 'trade')} missing in {count(gaps, 'gap')}" if missing else "no trade missing, by their ids"
    landed = _whole(said.get("landed"))
    share = f"{landed * 100_000 // (landed + missing) / 1000:.3f}".removesuffix(".000") if landed else "-"
    tiles = [
        ("Trades", f"{landed:,}", f"landed; {rejected:,} rejected"),
        ("Coverage", f"{share} %", lost),
        ("Alerts", f"{_whole(said.get('alert_count')):,}", f"preset {visible(str(said.get('preset', '')), most=40)}"),
        ("Commit", f"{_whole(said.get('commit')):,}", "of raw_trades, all of the home"),
    ]
    each = [
        tag("div", tag("dt", name), tag("dd", value, class_="value"), tag("dd", note)) for name, value, note in tiles
    ]
    return tag("dl", each, class_="tiles")


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _parts(ran: Ran, shown: OnPage) -> tuple[str, str, list[_Part]]:
    """The title, the question, and the cells in sections: one for each heading, and one for what stands before."""
    title, question, number = ran.name.replace("_", " "), "", 0
    parts = [_Part(name=_WHOLE, body=[])]
    for place, cell in enumerate(ran.content["cells"]):
        source = "".join(cell.get("source") or "")
        if cell.get("cell_type") == "markdown":
            if place == 0:
                question, source = _first_words(source)
            for passage in passages(source):
                if passage.level == 1 and place == 0:
                    title = passage.heading or title
                elif passage.level:
                    parts.append(_Part(name=_unique(passage.heading, parts), body=[]))
                if passage.html.strip():
                    parts[-1].body.append(tag("div", passage.html, class_="prose"))
        elif cell.get("cell_type") == "code":
            number += 1
            parts[-1].body.append(tag("div", _cell(cell, source, number, shown), class_="cell"))
    parts = [part for part in parts if part.body]
    if len(parts) > 1 and parts[0].name == _WHOLE:
        parts[0] = _Part(name="What it looks at", body=parts[0].body)
    return title, question, parts


def _first_words(source: str) -> tuple[str, str]:
    """The question, and the rest of the first cell without what stands elsewhere on the page."""
    asked = next((line for line in source.splitlines() if line.startswith(_LABEL)), "").removeprefix(_LABEL).strip()
    kept = [passage for passage in source.split("\n\n") if not passage.strip().startswith(_ELSEWHERE)]
    return asked, "\n\n".join(kept)


def _unique(heading: str, parts: Sequence[_Part]) -> str:
    name = visible(heading, most=80) or "More"
    taken = {identity(part.name) for part in parts} | {"verify", "content", "charts", "plotly", "cell", ""}
    if identity(name) not in taken:
        return name
    return next(f"{name} ({n})" for n in range(2, 10_000) if identity(f"{name} ({n})") not in taken)


def _cell(cell: Mapping[str, Any], source: str, number: int, shown: OnPage) -> Iterator[Markup]:
    tags = cell.get("metadata", {}).get("tags") or ()
    if source.strip():
        named = "Parameters" if "parameters" in tags or "injected-parameters" in tags else _named(source)
        summary = tag("summary", f"In [{number}]  ", tag("code", named))
        yield tag("details", summary, tag("pre", lines(source)), class_="code")
    yield from outputs_of(cell, number, shown)


def _named(source: str) -> str:
    """The last line that says something: what a cell shows is its last expression."""
    written = [line for line in source.splitlines() if line.strip(" )]}\"',")]
    return visible(written[-1].strip(), most=100) if written else ""


def _answer(cell: Mapping[str, Any]) -> str:
    """What the last cell printed."""
    streams = [o for o in cell.get("outputs") or () if o.get("output_type") == "stream" and o.get("name") != "stderr"]
    return "".join("".join(o.get("text") or "") for o in streams).strip()


def _verify(ran: Ran, shown: OnPage) -> Markup:
    rows: list[tuple[Content, Content]] = [("notebook", ran.name), ("SHA-256", ran.digest)]
    rests: Content = paragraph("Its data: the notebook does not say; ws.verify() in its last cell would.")
    if shown.verified is not None:
        rests = tag("div", shown.verified_words, class_="wide-table", tabindex=0, role="region", aria_label="Its data")
    taken = [(code(name), code(visible(value, most=_LONGEST)), says) for name, value, says in ran.parameters]
    return section(
        "verify",
        "Verify this",
        tag(
            "div",
            paragraph("This page shows an executed notebook as it is; nothing in it was computed for the page."),
            table("What it was made from", ["what", "which"], rows),
            rests,
            table("What it took", ["parameter", "value", "which"], taken) if taken else None,
            tag("h3", "Run it again"),
            block(ran.again),
            class_="box",
        ),
    )
