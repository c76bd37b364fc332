"""The next command to type, written so that it works where it is read."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path

CHOSEN: ContextVar[Sequence[str]] = ContextVar("chosen", default=())
"""Global options of this run, besides the home, that lines to type next need, too."""


def program() -> str:
    """How coattail is called here: its name if the shell finds this very installation, else the path of the script."""
    script = Path(sys.executable).with_name("coattail")
    found = shutil.which("coattail")
    if found and (not script.exists() or os.path.samefile(found, script)):
        return "coattail"
    return " ".join(shlex.quote(word) for word in _called(_short))


def program_anywhere() -> list[str]:
    """The words that call coattail from any folder, by a scheduler that knows no path."""
    return _called(lambda path: str(path.absolute()))


def _called(written: Callable[[Path], str]) -> list[str]:
    script = Path(sys.executable).with_name("coattail")
    return [written(script)] if script.exists() else [written(Path(sys.executable)), "-m", "coattail"]


def line(home: Path, *words: str) -> str:
    """A command line for this home and this run's place; `--home` is left out where it would be found without it."""
    from coattail.home import resolve_home
    from coattail.workspace.text import quoted

    usual = resolve_home(None, os.environ.get("COATTAIL_HOME"), Path.cwd())
    chosen = [] if _same(usual, home) else ["--home", _short(home)]
    return " ".join([program(), *map(quoted, (*chosen, *CHOSEN.get(), *words))])


def _same(a: Path, b: Path) -> bool:
    return os.path.realpath(a) == os.path.realpath(b)


def _short(path: Path) -> str:
    """The path from the current folder if it lies below it, else the whole path."""
    whole = os.path.abspath(path)
    relative = os.path.relpath(whole)
    return whole if relative.startswith("..") else relative
