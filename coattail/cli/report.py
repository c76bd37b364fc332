"""`coattail report`: what happened, or what a notebook found, as a page for people."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command, group
from coattail.cli.options import SinceOption, UntilOption
from coattail.errors import UsageError

DateOption = Annotated[str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="Report this day, UTC.")]
OutOption = Annotated[Path | None, typer.Option("--out", metavar="F.html", help="[default: report-DATE.html]")]
LightOption = Annotated[bool, typer.Option("--light", help="Write a small page without JavaScript.")]
FolderArgument = Annotated[Path, typer.Argument(metavar="[FOLDER]", help="[default: the current folder]")]
FileArgument = Annotated[Path, typer.Argument(metavar="F.ipynb", help="The executed notebook.")]
PageOption = Annotated[Path | None, typer.Option("--out", metavar="F.html", help="[default: beside the notebook]")]
SymbolOption = Annotated[
    list[str] | None, typer.Option("--symbol", metavar="S", help="Show only this symbol; may be repeated.")
]
ShareOption = Annotated[
    bool, typer.Option("--share", help="Write a card, pages and claims beside it; needs Pillow (coattail[report]).")
]
BaseUrlOption = Annotated[
    str | None,
    typer.Option("--base-url", metavar="URL", help="Say that page and card will be in this folder of the web."),
]
ReportArgument = Annotated[str | None, typer.Argument(metavar="[NAME]", help="The report's file, .html or not.")]
CheckOption = Annotated[
    Path | None, typer.Option("--check", metavar="F.txt", help="Check this edited text instead of drafting one.")
]
RedraftOption = Annotated[bool, typer.Option("--force", help="Replace a text that is there, edited or not.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace a file that is not a report, too.")]

_report = group("report", "Write a page for people: what happened, and how to check it.")


@command(
    "day",
    examples=[
        "coattail report day",
        "coattail report day --date 2025-03-04 --out day.html",
        "coattail report day --since 2025-03-04T12:00Z --until 2025-03-04T14:00Z --symbol BTC-USDT --light",
        "coattail report day --share --base-url https://example.org/reports",
    ],
    under=_report,
)
def day(
    session: Session, *, date: DateOption = None, since: SinceOption = None, until: UntilOption = None,
    symbol: SymbolOption = None, out: OutOption = None, light: LightOption = False, share: ShareOption = False,
    base_url: BaseUrlOption = None, force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write one HTML file about a day: alerts, prices, quality.

    Without a time it is the day (UTC) of the newest trade; --since and --until choose up to 31 days. The file needs no
    network and holds all it shows. A report that is there already is replaced; any other file only with --force.

    With --share a card (PNG), five pages (PDF) and the claims behind them lie beside it. With --base-url the page also
    names its card, by the address it will have, to whoever shows a link to it.

    JSON: {"out", "beside", "bytes", "light", "since", "until", "symbols", "snapshot_id", "commit", "headline", …}.
    """
    from coattail.cli.output import print_json
    from coattail.workspace.times import maybe_when

    now = datetime.datetime.now(datetime.UTC)
    stores = session.stores()

    from coattail.workspace.report import report

    made = report(
        stores, out, day=None if date is None else _date(date), since=maybe_when(since, "--since", now=now),
        until=maybe_when(until, "--until", now=now), symbols=symbol or (), light=light, share=share,
        base_url=base_url, force=force,
    )  # fmt: skip
    if as_json:
        print_json(made.document)
        return
    print(made)


@command(
    "post",
    examples=["coattail report post report-2025-03-04", "coattail report post --check report-2025-03-04-post.txt"],
    under=_report,
)
def post(
    session: Session, name: ReportArgument = None, *, check: CheckOption = None, force: RedraftOption = False,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Draft a post about a report, or check an edited one.

    Each number in it has a query (in NAME-claims.json), which is asked again. A number that no query gives, or gives
    differently now, a number in words and a promise fail, each with its line: exit code 1. The draft is NAME-post.txt,
    with hashtags, the card's alt text and the disclaimer. A text of another name is checked with NAME before --check.

    JSON: {"out", "claims", "characters", "text"}; with --check {"file", "claims", "problems"}.
    """
    import coattail.workspace.share as room
    from coattail.cli.output import print_json

    if name is None and check is None:
        raise UsageError("no report was named", next_step="give its file, or --check and a text")
    stores = session.stores()
    if check is None:
        made = room.post(stores, str(name), force=force)
        print_json(made.document) if as_json else print(made)
        return
    found = room.check(stores, check, name)
    print_json(found.document) if as_json else print(found)
    if found.problems:
        raise typer.Exit(1)


@command(
    "notebook",
    examples=[
        "coattail report notebook 01_first_look-executed.ipynb",
        "coattail report notebook mine.ipynb --out mine.html --light",
    ],
    under=_report,
)
def notebook(
    session: Session, file: FileArgument, *, out: PageOption = None, light: LightOption = False,
    force: ForceOption = False, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write one HTML file from a notebook that was executed.

    Its answer stands first, then its cells with the code folded, then what it rests on. Nothing of an output is live:
    no script, link or picture from elsewhere. A cell that failed is said at the top. Needs the extra `report`.

    JSON: {"out", "bytes", "light", "notebook", "headline", "cells", "charts", "failed_in", "seconds"}.
    """
    from coattail.cli.output import print_json
    from coattail.notebooks.rendering import render
    from coattail.workspace.text import printable, size

    made = render(file, out, light=light, force=force)
    if as_json:
        print_json(made)
        return
    print(f"{printable(made.headline)}\n{made.out}: {size(made.bytes)}, in {made.seconds:.1f} s")


@command("index", examples=["coattail report index", "coattail report index reports"], under=_report)
def index(
    session: Session, folder: FolderArgument = Path(), *, force: ForceOption = False, as_json: JsonOption = False
) -> None:
    """Write index.html of a folder: its reports, with pictures.

    Market reports come first, the newest time first, then pages of notebooks. Where such a page is, every report that
    is written into the folder later writes it anew.

    JSON: {"out", "bytes", "reports": [{"file", "kind", "headline", "when"}]}.
    """
    from coattail.cli.output import print_json
    from coattail.reports.index import NAME, write_index
    from coattail.workspace.documents.reports import IndexDocument, RenderedDocument
    from coattail.workspace.text import size

    pages, written = write_index(folder, force=force)
    if as_json:
        reports = [RenderedDocument(file=p.file, kind=p.kind, headline=p.headline, when=p.when) for p in pages]
        print_json(IndexDocument(out=folder / NAME, bytes=written, reports=reports))
        return
    print(f"{folder / NAME}: {len(pages):,} reports, {size(written)}")


def _date(text: str) -> datetime.date:
    try:
        found = datetime.date.fromisoformat(text.strip())
        _ = found + datetime.timedelta(days=1)  # its end is in the calendar too
    except (ValueError, OverflowError):
        raise UsageError(f"--date {text!r} is not a date", next_step="write it like 2025-03-04") from None
    return found
