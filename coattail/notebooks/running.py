"""A notebook run from its first cell to its last by papermill, with parameters, and kept as it ended."""

from __future__ import annotations

import os
import shlex
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coattail.errors import DISK_FULL, CoattailError, UsageError
from coattail.notebooks.parameters import chosen
from coattail.notebooks.shelf import Notebook
from coattail.place import LOCAL
from coattail.workspace.documents.notebooks import NotebookRunDocument
from coattail.workspace.progress import OnProgress, Step, unheard
from coattail.workspace.verified import AGAIN

KERNEL = "python3"
OWN = frozenset({"home"})
"""Parameters that are a folder of this machine: nothing that may be forwarded says them."""


class NoJupyter(CoattailError):
    """Papermill or the kernel is not installed."""


class NotebookFailed(CoattailError):
    """A cell raised; the executed copy is kept."""


def run(
    notebook: Notebook,
    given: Mapping[str, object],
    out: Path,
    *,
    home: Path | None = None,
    place: str = LOCAL,
    on_progress: OnProgress = unheard,
) -> NotebookRunDocument:
    """Run the notebook with these parameters, and keep the executed copy.

    The copy is written beside `out`, with the ending .part.ipynb, cell by cell; it takes its place at the end.

    given: Values by name; text is converted to the parameter's type. out: Where the executed copy goes; replaced.
    home, place: COATTAIL_HOME and COATTAIL_PLACE for the kernel; None as home leaves both as they are.
    Raises: UsageError: If a parameter is unknown or does not fit, or something else than a file is at `out`, before
    anything runs. NoJupyter: If papermill is not installed. NotebookFailed: If a cell raises; the copy is at `out`.
    StoreError: If the copy cannot be written; what was at `out` still is.
    """
    values = chosen(notebook.parameters, given)
    if os.path.lexists(out) and not out.is_file():
        raise UsageError(f"{out} is not a regular file", next_step="give --out a name like mine-executed.ipynb")
    papermill = _papermill()
    began = time.monotonic()
    told = {AGAIN: again(notebook.name, given)}
    if home is not None:
        told |= {"COATTAIL_HOME": str(home.absolute()), "COATTAIL_PLACE": place}
    with _kept(out) as part, _environment(told):
        executed = papermill(notebook, part, out, values, on_progress)
    cells = [cell for cell in executed["cells"] if cell["cell_type"] == "code"]
    answer, seconds = _printed(cells[-1]) if cells else "", round(time.monotonic() - began, 3)
    return NotebookRunDocument(
        notebook=notebook.name, out=out, parameters=values, cells=len(cells), seconds=seconds, answer=answer
    )


def again(name: str, given: Mapping[str, object], *more: str) -> str:
    """The command that runs a notebook once more, on whatever home it is typed."""
    chosen = {key: value for key, value in given.items() if key not in OWN}
    texts = {key: ",".join(map(str, v)) if isinstance(v, list) else str(v) for key, v in chosen.items()}
    words = [word for key, text in texts.items() for word in ("-p", f"{key}={text}")]
    return shlex.join(["coattail", "notebook", "run", name, *words, *more])


@contextmanager
def _kept(out: Path) -> Iterator[Path]:
    """Where the copy grows; at the end it is at `out`, also where a cell failed. One that finds no room is removed."""
    part = out.with_suffix(".part.ipynb")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
        except NotebookFailed:
            os.replace(part, out)
            raise
        os.replace(part, out)
    except OSError as error:
        if error.errno not in DISK_FULL and error.filename not in {str(part), str(out.parent)}:
            raise  # of the kernel, say
        from coattail.reports.files import unwritable

        part.unlink(missing_ok=True)
        raise unwritable(out, error) from error


@contextmanager
def _environment(told: Mapping[str, str]) -> Iterator[None]:
    """A kernel inherits the environment, and nothing else."""
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _printed(cell: Mapping[str, Any]) -> str:
    return "".join("".join(o["text"]) for o in cell.get("outputs", []) if o["output_type"] == "stream").strip()


def _papermill() -> Any:
    """The function that runs a notebook; papermill costs seconds to import."""
    try:
        import papermill as pm
        from nbclient.exceptions import DeadKernelError
        from papermill.engines import NBClientEngine, papermill_engines
        from papermill.exceptions import PapermillExecutionError
        from traitlets.config import Config
    except ImportError as error:
        step = "make lab, or pip install 'coattail[lab]'"
        raise NoJupyter(f"running notebooks needs {error.name}, which is not installed", next_step=step) from None

    def execute(notebook: Notebook, part: Path, out: Path, values: Mapping[str, Any], on_progress: OnProgress) -> Any:
        class Told(NBClientEngine):  # type: ignore[misc]
            """Says each cell as it begins."""

            @classmethod
            def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **asked: Any) -> Any:
                nb_man.nb.metadata.papermill["output_path"] = str(out)
                start, total = nb_man.cell_start, len(nb_man.nb.cells)

                def cell_start(cell: Any, cell_index: int | None = None, **more: Any) -> Any:
                    done = cell_index or 0
                    on_progress(Step(f"{notebook.name}: cell {done + 1} of {total}", done, total))
                    return start(cell, cell_index, **more)

                nb_man.cell_start = cell_start
                return super().execute_managed_notebook(nb_man, kernel_name, **asked)

        papermill_engines.register("coattail", Told)
        quiet = Config({"KernelManager": {"transport_encryption": "auto"}})
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="papermill|nbformat|jupyter_client|zmq")
            try:
                return pm.execute_notebook(
                    str(notebook.path), str(part), parameters=dict(values), engine_name="coattail", kernel_name=KERNEL,
                    language="python", progress_bar=False, config=quiet, cwd=str(Path.cwd()),
                    extra_arguments=["--log-level=50"],  # at its end a kernel may say that it was interrupted
                )  # fmt: skip
            except DeadKernelError:
                raise NotebookFailed(
                    f"the kernel of {notebook.name} died, by a signal or for want of memory",
                    next_step=f"the copy as far as it came is {out}",
                ) from None
            except PapermillExecutionError as error:
                said = f"{error.ename}: {error.evalue}".strip().splitlines()[0]
                raise NotebookFailed(
                    f"{notebook.name} stopped in cell {error.cell_index}: {said}",
                    next_step=f"the copy as far as it came is {out}",
                ) from None

    return execute
