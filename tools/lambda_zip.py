"""What a zip for AWS Lambda must hold to answer for the API: `python -m tools.lambda_zip api.zip`.

The modules of coattail that the handler imports, what these read, and the packages that they import, whole but for
what nobody runs. boto3 is there on Lambda.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import coattail

PACKAGE = Path(coattail.__file__).parent
READ = ("api/examples.json", "conf/scorecards.json")
"""What modules read beside them."""
_LEFT_OUT = {"__pycache__", "tests", "test", "testing", ".agents"}
_KEPT = {".py", ".so", ".typed", ".json", ".txt"}
_ASK = (
    "import sys; import coattail.api.lambda_handler; import coattail.stores.hot_dynamo, coattail.service_url; "
    "print(*{getattr(m, '__file__', None) or '' for m in list(sys.modules.values())}, sep='\\n')"
)


def contents() -> dict[str, Path]:
    """Name in the zip -> the file."""
    asked = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=True)
    files = {Path(line) for line in asked.stdout.splitlines() if line}
    found = {f"coattail/{name}": PACKAGE / name for name in READ}
    for file in files:
        if file.is_relative_to(PACKAGE):
            found[str(file.relative_to(PACKAGE.parent))] = file
        elif "site-packages" in file.parts:
            site = Path(*file.parts[: file.parts.index("site-packages") + 1])
            found.update(_whole(site, file.relative_to(site).parts[0]))
    return dict(sorted(found.items()))


def _whole(site: Path, name: str) -> Iterator[tuple[str, Path]]:
    """The files of a package, or of a module that is one file."""
    top = site / name
    for file in top.rglob("*") if top.is_dir() else (top,):
        inner = file.relative_to(site)
        if file.is_file() and file.suffix in _KEPT and not _LEFT_OUT & set(inner.parts):
            yield str(inner), file


def write(path: Path) -> int:
    """Write the zip; returns its bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, file in contents().items():
            made.writestr(zipfile.ZipInfo(name), file.read_bytes(), zipfile.ZIP_DEFLATED)
    return path.stat().st_size


if __name__ == "__main__":
    print(f"{sys.argv[1]}: {write(Path(sys.argv[1])) / 1e6:.1f} MB")
