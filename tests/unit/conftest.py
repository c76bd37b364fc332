import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

BECOME_NOBODY = """
import contextlib, io, os
import coattail.cli.logs
import coattail.home
from coattail.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["doctor"])  # imports what root may read and the other user perhaps not
os.setuid(65534)
"""


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that every user may enter; those of pytest are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture
def as_nobody() -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Run Python code in a child that root's permissions do not help: root writes even into a 0555 folder."""

    def run(code: str) -> subprocess.CompletedProcess[str]:
        drop = BECOME_NOBODY if os.geteuid() == 0 else ""
        return subprocess.run(
            [sys.executable, "-c", drop + code], capture_output=True, text=True, timeout=60, check=False
        )

    return run
