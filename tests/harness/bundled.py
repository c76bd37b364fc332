"""The bundle of jobs, made of the packages that are installed here: what a machine without a network can try."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from coattail.aws.bundle import LOCK, bundled, files_under, own_files
from tests.harness.locks import locked

_MACHINES = {"arm64": 183, "x86_64": 62, "riscv64": 243}


def installed_files() -> dict[str, Path]:
    """Name in a bundle -> file, of every package of the lock as it is installed here, and of coattail."""
    found: dict[str, Path] = {}
    for package in map(Requirement, locked(LOCK)):
        if package.marker is None or package.marker.evaluate():
            there = distribution(package.name)
            assert package.specifier.contains(there.version), f"{package} is locked, installed is {there.version}"
            found |= {str(file): Path(str(file.locate())) for file in there.files or [] if ".." not in file.parts}
    return {**found, **own_files()}


def unpacked(folder: Path, *, without: str = "") -> Path:
    """A folder as Spark unpacks the bundle, of links in place of files; and of what Python has compiled of them here,
    which takes a quarter of a minute.

    without: The top folder of a package that is left out.
    """
    made = set[Path]()
    for name, path in bundled(installed_files()).items():
        if without and name.startswith(f"{without}/"):
            continue
        link = folder / name
        if link.parent not in made:
            link.parent.mkdir(parents=True, exist_ok=True)
            made.add(link.parent)
            compiled = path.parent / "__pycache__"
            if compiled.is_dir() and link.parent != folder:
                (link.parent / "__pycache__").symlink_to(compiled)
        link.symlink_to(path)
    return folder


def made_up_packages(folder: Path, architecture: str = "arm64") -> dict[str, Path]:
    """Files of a small package with one library, as an installer leaves them in a folder, by name."""
    for name, content in {
        "quick/__init__.py": b"import quick.core",
        "quick/core.so": _library(architecture),
        "quick-1.dist-info/METADATA": b"Name: quick",
        "quick-1.dist-info/RECORD": b"bin/quick,sha256=of-this-machine,1",
        "quick-1.dist-info/INSTALLER": b"uv",
        "quick/__pycache__/__init__.cpython-311.pyc": b"compiled",
        "pandas/tests/test_it.py": b"",
        "bin/quick": b"#!/home/somebody/python",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return files_under(folder)


def _library(architecture: str) -> bytes:
    """The header of an ELF file of 64 bits, little endian."""
    machine = _MACHINES[architecture].to_bytes(2, "little")
    return b"\x7fELF\x02\x01\x01" + bytes(9) + (3).to_bytes(2, "little") + machine
