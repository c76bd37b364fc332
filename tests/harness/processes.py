"""Modules of this repository run as processes of their own, whatever folder pytest was started in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def environment(**more: str) -> dict[str, str]:
    """This process's environment, in which this repository is imported first."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), **more}


def started(module: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """`python -m module arguments…` in the repository's root; its output is read as text."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, **options,
    )  # fmt: skip
