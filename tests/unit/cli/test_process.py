"""The process of the command line: what it does without."""

from __future__ import annotations

import subprocess
import sys

import pytest

from coattail.home import Home


@pytest.mark.slow
def test_a_command_does_without_pandas_where_it_is_installed(day: Home) -> None:
    """pyarrow imports it wherever it is: a second of every `coattail sql`."""
    pytest.importorskip("pandas")
    words = ["coattail", "--home", str(day.path), "sql", "SELECT count(*) AS trades FROM raw_trades", "--json"]
    code = (
        f"import sys; sys.argv = {words!r}; from coattail.cli import process; assert process() == 0; "
        "assert 'pyarrow.dataset' in sys.modules; print('pandas' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "False\n")
