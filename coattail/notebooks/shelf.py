"""The notebooks that come with the package, and any other, as a file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from coattail.errors import UsageError
from coattail.notebooks.parameters import Parameter, parameters_of
from coattail.workspace.documents.notebooks import NotebookDocument, ParameterDocument

_PLACES = (Path(__file__).parent / "shelf", Path(__file__).parents[2] / "notebooks")
"""In an installed package, and in a clone."""


@dataclass(frozen=True)
class Notebook:
    """A notebook that can be run."""

    path: Path

    @property
    def name(self) -> str:
        """`01_first_look`."""
        return self.path.stem

    @cached_property
    def content(self) -> Mapping[str, Any]:
        """Its JSON.

        Raises: UsageError: If it cannot be read.
        """
        try:
            found: Any = msgspec.json.decode(self.path.read_bytes())
        except FileNotFoundError:
            raise UsageError(f"there is no notebook {self.path}", next_step="`coattail notebook list`") from None
        except (OSError, msgspec.DecodeError) as error:
            raise UsageError(f"{self.path} cannot be read as a notebook: {error}") from None
        if not isinstance(found, dict) or not isinstance(found.get("cells"), list) or found.get("nbformat") != 4:
            raise UsageError(f"{self.path} is not a notebook of format 4", next_step="save it with JupyterLab")
        return found

    @property
    def parameters(self) -> list[Parameter]:
        """What it takes."""
        return parameters_of(self.content, self.name)

    @property
    def question(self) -> str:
        """What it answers: the line `**Question.** …` of its first cell; empty if there is none."""
        head = "".join(self.content["cells"][0]["source"]) if self.content["cells"] else ""
        return next((line[13:].strip() for line in head.splitlines() if line.startswith("**Question.**")), "")

    def document(self) -> NotebookDocument:
        """The JSON form."""
        takes = [
            ParameterDocument(name=one.name, type=one.kind, default=one.default, says=one.says)
            for one in self.parameters
        ]
        return NotebookDocument(name=self.name, path=self.path, question=self.question, parameters=takes)


def shipped() -> list[Notebook]:
    """The notebooks that come with the package, by name."""
    return [Notebook(path) for path in sorted(next((p for p in _PLACES if p.is_dir()), _PLACES[0]).glob("*.ipynb"))]


def find(name: str) -> Notebook:
    """The notebook meant: `01_first_look`, `01`, `first_look`, or the path of a file.

    Raises: UsageError: If there is none; the nearest is said.
    """
    if name.endswith(".ipynb"):
        return Notebook(Path(name))
    here = shipped()
    for notebook in here:
        if name in (notebook.name, *notebook.name.split("_", 1)):
            return notebook
    names = [notebook.name for notebook in here]
    near = difflib.get_close_matches(name, [*names, *(n.split("_", 1)[1] for n in names if "_" in n)], n=1, cutoff=0.5)
    step = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}; or give the path of a file"
    raise UsageError(f"there is no notebook {name!r}", next_step=step)
