"""An executed notebook as one HTML file, in the frame of a report."""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from coattail.errors import UsageError
from coattail.notebooks.parameters import parameters_of
from coattail.notebooks.running import OWN, NotebookFailed, again, run
from coattail.notebooks.shelf import Notebook
from coattail.place import LOCAL
from coattail.workspace.documents.notebooks import NotebookPageDocument, NotebookRunDocument
from coattail.workspace.progress import OnProgress, unheard

_EXECUTED = "-executed"


def render(path: Path, out: Path | None = None, *, light: bool = False, force: bool = False) -> NotebookPageDocument:
    """Write the page of an executed notebook.

    out: The file; None means beside it, with the ending .html. light: Without JavaScript, charts as drawings. force:
    Replace a file that is not a report, too.
    Raises: UsageError: If there is no such notebook, it was never executed, or another file is in the way. NoRenderer:
    If the extra `report` is not installed. StoreError: If the page cannot be written.
    """
    from coattail.reports.files import refuse_foreign, write_page
    from coattail.reports.index import refresh
    from coattail.reports.notebook import Ran, page_of_notebook

    began = time.monotonic()
    content = Notebook(path).content
    page = path.with_suffix(".html") if out is None else out
    refuse_foreign(page, force=force)
    if not any(cell.get("execution_count") for cell in content["cells"]):
        step = f"coattail notebook run {shlex.quote(str(path))} --html"
        raise UsageError(f"{path} was never executed: it has no outputs", next_step=step)
    name = path.stem.removesuffix(_EXECUTED)
    given = _given(content)
    ran = Ran(
        name=name, content=content, parameters=_taken(content, name, given), again=again(name, given, "--html"),
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
    )  # fmt: skip
    made = page_of_notebook(ran, live=not light)
    size = write_page(made.html, page, force=force)
    refresh(page)
    return NotebookPageDocument(
        out=page, bytes=size, light=light, notebook=name, headline=made.headline, cells=made.cells, charts=made.charts,
        failed_in=None if made.failed is None else made.failed[0], seconds=round(time.monotonic() - began, 3),
    )  # fmt: skip


def run_and_render(
    notebook: Notebook,
    given: Mapping[str, object],
    out: Path,
    *,
    html: bool,
    home: Path | None = None,
    place: str = LOCAL,
    on_progress: OnProgress = unheard,
) -> NotebookRunDocument:
    """Run a notebook as `running.run` does, and where `html` is wanted write the page of its copy, failed or not.

    Raises: As `running.run`; UsageError: If another file is in the way of the page, before anything runs.
    """
    from coattail.reports.files import refuse_foreign

    page = out.with_suffix(".html")
    if not html:
        return run(notebook, given, out, home=home, place=place, on_progress=on_progress)
    refuse_foreign(page, force=False)
    try:
        ran = run(notebook, given, out, home=home, place=place, on_progress=on_progress)
    except NotebookFailed as error:
        render(out, page)
        raise NotebookFailed(error.message, next_step=f"{error.next_step}; its page is {page}") from None
    render(out, page)
    return msgspec.structs.replace(ran, html=page)


def _given(content: Mapping[str, Any]) -> dict[str, Any]:
    """What papermill was given."""
    found = content.get("metadata", {}).get("papermill", {}).get("parameters") or {}
    return {name: value for name, value in found.items() if name not in OWN}


def _taken(content: Mapping[str, Any], name: str, given: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(name, value, meaning) of each parameter; those of a notebook that documents none as they were given."""
    try:
        known = parameters_of(content, name)
    except UsageError:  # a notebook of any other kind is shown too
        return [(key, repr(value), "") for key, value in given.items()]
    return [(one.name, repr(given.get(one.name, one.default)), one.says) for one in known if one.name not in OWN]
