"""Files on their way into git: none too large, none with a key, and notebooks without outputs.

    python -m tools.staged FILE…

`.pre-commit-config.yaml` calls it for what is to be committed, and a test for everything in git.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

LARGEST_KB = 500
"""Beyond it a file makes every clone slower for good; recordings and data are fetched or made."""
KEPT = "keep_output"
"""The tag of a cell whose output is kept, as nbstripout understands it."""

_KEYS = {
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "an access key of AWS": re.compile(rb"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    "a token of GitHub": re.compile(rb"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
}


def wrong(path: Path) -> Iterator[str]:
    """What is wrong with a file."""
    content = path.read_bytes()
    if len(content) > LARGEST_KB * 1000:
        yield f"{path}: {len(content) / 1000:,.0f} kB, and at most {LARGEST_KB} are kept"
    yield from (f"{path}: it holds {name}" for name, pattern in _KEYS.items() if pattern.search(content))
    if path.suffix == ".ipynb":
        for number, cell in enumerate(json.loads(content)["cells"], 1):
            if cell.get("outputs") and KEPT not in cell["metadata"].get("tags", []):
                yield f"{path}: cell {number} has an output; clear it, or give the cell the tag {KEPT}"


def main(files: list[str]) -> int:
    """Print what is wrong with files; 0 if nothing is."""
    found = [line for name in files for line in wrong(Path(name))]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
