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
command = next(word for word in sys.argv[1:] if not word.startswith("-"))
script = here / f"lines-{{command}}"
for line in (script if script.exists() else here / "lines").read_text().splitlines():
    print(line, flush=True)
    time.sleep({pause})
(here / "interrupted" if asked else here / "ended").write_text(str(len(asked)))
print("not JSON", file=sys.stderr, flush=True)
sys.exit({code})
"""


def scripted(
    folder: Path, lines: Sequence[str], *, code: int = 0, pause: float = 0.0, **commands: Sequence[str]
) -> Terraform:
    """A Terraform that says these lines, or for some commands others: `plan=[…]`.

    pause: Seconds after each. It writes `ended`, or `interrupted` after SIGINT, with how often that came, in the
    folder, and adds its words to `words`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, said in {"lines": lines, **{f"lines-{name}": said for name, said in commands.items()}}.items():
        (folder / name).write_text("\n".join(said))
    program = folder / "terraform"
    text = _SCRIPT.format(python=sys.executable, folder=str(folder), pause=pause, code=code)
    program.write_text(text)
    program.chmod(0o755)
    return Terraform(folder, str(program), {"PYTHONUTF8": "1"})
