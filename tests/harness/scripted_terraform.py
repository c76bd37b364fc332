"""A program in place of Terraform: it says recorded lines, one after the other, and ends as it is told."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from coattail.aws.terraform import Terraform

_SCRIPT = """#!{python}
import signal, sys, time
from pathlib import Path
here = Path({folder!r})
asked = []
signal.signal(signal.SIGINT, lambda *_: asked.append(1))
(here / "words").open("a").write(" ".join(sys.argv[1:]) + "\\n")
for line in (here / "lines").read_text().splitlines():
    print(line, flush=True)
    time.sleep({pause})
(here / "interrupted" if asked else here / "ended").touch()
print("not JSON", flush=True)
sys.exit({code})
"""


def scripted(folder: Path, lines: Sequence[str], *, code: int = 0, pause: float = 0.0) -> Terraform:
    """A Terraform that says these lines.

    pause: Seconds after each. It touches `ended`, or `interrupted` after SIGINT, in the folder, and adds its words to
    `words`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lines").write_text("\n".join(lines))
    program = folder / "terraform"
    text = _SCRIPT.format(python=sys.executable, folder=str(folder), pause=pause, code=code)
    program.write_text(text)
    program.chmod(0o755)
    return Terraform(folder, str(program), {"PYTHONUTF8": "1"})
