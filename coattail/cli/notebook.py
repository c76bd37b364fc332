"""`coattail notebook`: which notebooks there are, and running one with parameters."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from coattail.cli.app import JsonOption, Session, command, group
from coattail.cli.options import pair

NotebookArgument = Annotated[str, typer.Argument(metavar="NAME", help="Like 01, first_look, or a file MINE.ipynb.")]
ParameterOption = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", metavar="K=V", help="Set a parameter; may be repeated.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="F.ipynb", help="The executed copy; {date} is today. [default: NAME-executed.ipynb]"),
]
HtmlOption = Annotated[bool, typer.Option("--html", help="Write the page of it beside the copy, too.")]

AtOption = Annotated[
    str, typer.Option("--at", metavar="HH:MM", help="Run every day at this time; like :15, every hour.")
]
FormOption = Annotated[str, typer.Option("--form", metavar="NAME", help="Print it for cron, systemd or eventbridge.")]
FolderOption = Annotated[
    Path, typer.Option("--folder", metavar="FOLDER", help="Put copies of the notebooks here; those there stay.")
]
PortOption = Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="Serve here; 0 for any.")]
BrowserOption = Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in a browser.")]

_notebook = group("notebook", "Run notebooks with parameters, as a scheduler does.")


@command("list", examples=["coattail notebook list"], under=_notebook)
def list_notebooks(session: Session, *, as_json: JsonOption = False) -> None:
    """List the notebooks: what each answers, and takes.

    JSON: {"notebooks": [{"name", "path", "question", "parameters": [{"name", "type", "default", "says"}]}]}.
    """
    from coattail.cli.output import print_json
    from coattail.notebooks.shelf import shipped
    from coattail.workspace.documents.notebooks import NotebooksDocument

    there = shipped()
    if as_json:
        print_json(NotebooksDocument(notebooks=[notebook.document() for notebook in there]))
        return
    for notebook in there:
        print(f"{notebook.name}\n  {notebook.question}")
        for one in notebook.parameters:
            print(f"  -p {one.name}={one.default!r} ({one.kind}){f': {one.says}' if one.says else ''}")


@command(
    "run",
    examples=[
        "coattail notebook run first_look --home .coattail-demo",
        "coattail notebook run 01 -p symbol=ETH-USDT -p hours=1 --out eth.ipynb",
        "coattail notebook run 01 --html",
    ],
    under=_notebook,
)
def run_notebook(
    session: Session, name: NotebookArgument, *, parameter: ParameterOption = None, out: OutOption = None,
    html: HtmlOption = False, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Run a notebook from its first cell to its last.

    A parameter that it does not have, or of another type, is refused before anything runs. Where a cell fails, the
    copy is kept as far as it came, with its page, and the exit code is 1. Needs `make lab` or the extra `lab`.

    JSON: {"notebook", "out", "parameters", "cells", "seconds", "answer", "html"}.
    """
    from coattail.cli.output import print_json, progress
    from coattail.notebooks.shelf import find

    notebook = find(name)
    given = dict(pair(text, "--parameter", "-p hours=2") for text in parameter or ())
    copy = Path(str(out or f"{notebook.name}-executed.ipynb").replace("{date}", f"{datetime.now(UTC):%Y-%m-%d}"))
    home = session.home()

    from coattail.notebooks.rendering import run_and_render
    from coattail.workspace.text import printable

    with progress(silent=as_json) as heard:
        ran = run_and_render(
            notebook, given, copy, html=html, home=home.path, place=session.place_name(), on_progress=heard
        )
    if as_json:
        print_json(ran)
        return
    print(f"{printable(ran.answer)}\n{ran.out}: {ran.cells} cells in {ran.seconds:.1f} s")
    if ran.html is not None:
        print(ran.html)


@command(
    "schedule",
    examples=[
        "coattail notebook schedule daily_report --at 02:15",
        "coattail notebook schedule 03 -p worst=5 --at :30 --form systemd",
    ],
    under=_notebook,
)
def schedule(
    session: Session, name: NotebookArgument, *, parameter: ParameterOption = None, at: AtOption = "02:15",
    form: FormOption = "cron",
) -> None:  # fmt: skip
    """Print what makes a scheduler run a notebook.

    A line for cron, a service and a timer for systemd, or schedule and input for EventBridge. Nothing is installed.
    Parameters are checked now. Each run leaves its copy and its page in reports/ of the current folder, with the date.
    """
    from coattail.cli.hints import program_anywhere
    from coattail.notebooks.schedule import RunsAt, scheduled
    from coattail.notebooks.shelf import find

    notebook, home = find(name), session.home()
    given = dict(pair(text, "--parameter", "-p hours=2") for text in parameter or ())
    print(
        scheduled(
            notebook, given, RunsAt.read(at), form=form, program=program_anywhere(), folder=str(Path.cwd()),
            home=str(home.path.absolute()), place=session.place_name(),
        )
    )  # fmt: skip


@command("lab", examples=["coattail notebook lab", "coattail notebook lab --port 0 --no-browser"], under=_notebook)
def lab(
    session: Session, *, folder: FolderOption = Path("coattail-notebooks"), port: PortOption = 8888,
    browser: BrowserOption = True,
) -> None:  # fmt: skip
    """Open JupyterLab with the notebooks, on 127.0.0.1.

    Without a home, that of `make demo` is used. The notebooks are copied first, so that yours may be changed; Lab asks
    for no news and sends nothing anywhere. Ends with Ctrl-C.
    """
    from coattail.cli.demo import FOLDER
    from coattail.home import Home
    from coattail.notebooks.lab import command as lab_command
    from coattail.notebooks.lab import prepare, serve

    path = session.home_path()
    demo = Path(FOLDER)
    home = Home.open(demo if not path.exists() and demo.exists() else path)
    settings = home.path / "lab"
    first = prepare(folder, settings)
    serve(lab_command(folder, settings, first, port=port, browser=browser), home.path, session.place_name())
