"""The bundle that jobs on EMR Serverless run from: every package and coattail itself, in one archive without Docker.

Spark unpacks it as `deps` beside each of its Pythons, and PYTHONPATH names it. It is named by its content, and the
same packages give the same bytes wherever it is made, so that a job says by one name exactly what it runs.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from coattail.errors import CoattailError, UsageError
from coattail.jobs.emr_request import ARCHITECTURES, bundle_name

PYTHON = "3.11"
"""That of the service's images. Source: EMR Serverless, release versions (emr-spark-8)."""

LOCK, JOBS = "requirements-emr.lock", "jobs"
_PACKAGE = Path(__file__).parents[1]
_PLACES = (Path(__file__).parent / "shipped", _PACKAGE.parent)
"""In an installed wheel, and in the repository."""

_PLATFORM = "manylinux_2_28"
"""The C library that wheels may ask for: the service's images have a newer one (Amazon Linux 2023: 2.34)."""
_MACHINES = {"arm64": ("aarch64", 183), "x86_64": ("x86_64", 62)}
"""By architecture: what wheels call it, and its number in the header of a library (ELF, e_machine)."""

_LEFT_OUT = re.compile(
    r"bin/.*|\.lock|(pandas|pyarrow)/tests/.*|pyarrow/include/.*|(.*/)?__pycache__/.*|.*\.py[co]"
    r"|[^/]+\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json|uv_cache\.json)"
    r"|coattail/(notebooks/shelf|aws/shipped)/.*"
)
"""What no job needs, or what an installation writes otherwise on each machine."""

_LEVEL = 6
"""Of gzip. Measured: 153 MB in 21 s; 1 makes 169 MB in 8 s, 9 152 MB in 56 s. Every worker of every job fetches it."""


class BundleError(CoattailError):
    """A bundle cannot be made."""


@dataclass(frozen=True)
class JobBundle:
    """An archive on this machine; it may be sent as `name`."""

    path: Path
    name: str
    """`deps-<16 digits of the SHA-256 of what it holds>-<architecture>.tar.gz`."""
    architecture: str
    packed_bytes: int
    unpacked_bytes: int
    packages: int
    libraries: int
    """Each of them of the architecture."""


def shipped(name: str) -> Path:
    """A file or folder of the repository that goes with the package: the lock, the entry points.

    Raises: BundleError: If it is not there.
    """
    for place in _PLACES:
        if (place / name).exists():
            return place / name
    raise BundleError(f"{name} is not beside coattail in {_PACKAGE.parent}", next_step="install coattail again")


def entry_points() -> dict[str, Path]:
    """Name below the artifacts (`jobs/stream.py`) -> the file that EMR Serverless starts."""
    return {f"{JOBS}/{path.name}": path for path in sorted(shipped(JOBS).glob("*.py"))}


def make_bundle(architecture: str, folder: Path, said: Callable[[str], None] = lambda _: None) -> JobBundle:
    """Fetch the packages of the lock for this architecture, whatever this machine is, and pack them with coattail.

    folder: Where it goes. said: Called with what is being done.
    Raises: BundleError: If a package cannot be had, or a library is of another architecture.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".deps-", dir=folder) as fetched:
        said(f"fetching the packages of {LOCK} for {architecture}, Python {PYTHON}")
        fetch(architecture, Path(fetched))
        return pack({**files_under(Path(fetched)), **own_files()}, architecture, folder, said)


def fetch(architecture: str, into: Path, *, lock: str = LOCK, python: str = PYTHON) -> None:
    """Install the packages of a lock into a folder, by uv or else by pip; only what has a hash, and nothing is built.

    python: The version that they are for. Raises: BundleError: If there is neither, or it fails.
    """
    wheels, _ = _machine(architecture)
    exactly = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", str(into.absolute())]
    exactly += ["--python-version", python, "-r", str(shipped(lock))]
    if uv := _uv():
        command = [*uv, "pip", "install", "--quiet", "--python-platform", f"{wheels}-{_PLATFORM}"]
    elif find_spec("pip") is not None:
        tags = [_PLATFORM, "manylinux_2_27", "manylinux_2_26", "manylinux_2_24", "manylinux_2_17", "manylinux2014"]
        named = [part for tag in tags for part in ("--platform", f"{tag}_{wheels}")]
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", *named]
    else:
        raise BundleError("there is neither uv nor pip to fetch packages", next_step="pip install uv")
    # elsewhere than in a project, whose settings of uv would be taken for those of the bundle
    done = subprocess.run([*command, *exactly], capture_output=True, text=True, check=False, cwd=into.absolute().anchor)
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()] or ["it said nothing"]
        raise BundleError(
            f"the packages of {lock} cannot be had ({lines[-1].strip()[:300]})",
            next_step="check the network, and the index that uv or pip is configured with; then run it again",
        )


def _uv() -> list[str] | None:
    if find_spec("uv") is not None:
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv")
    return [found] if found else None


def files_under(folder: Path) -> dict[str, Path]:
    """Name in the archive -> file, of all below a folder."""
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def own_files() -> dict[str, Path]:
    """Likewise of coattail; as files, because some of them are read by path."""
    return {f"coattail/{name}": path for name, path in files_under(_PACKAGE).items()}


def bundled(files: Mapping[str, Path]) -> dict[str, Path]:
    """Those of the files that a bundle holds, by name."""
    return {name: files[name] for name in sorted(files) if not _LEFT_OUT.fullmatch(name)}


def pack(
    files: Mapping[str, Path],
    architecture: str,
    folder: Path,
    said: Callable[[str], None] = lambda _: None,
    *,
    level: int = _LEVEL,
) -> JobBundle:
    """The archive of these files (name in it -> file), sorted, without times and owners, under the name of its content.

    level: Of gzip, 0 to 9.

    Raises: BundleError: If a library among them is of another architecture; nothing is left then.
    """
    taken = bundled(files)
    libraries = checked_libraries(taken, architecture)
    said(f"packing {len(taken):,} files")
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".deps-", delete=False) as out:
        try:
            with gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=level, mtime=0) as packed:
                digesting = _Digesting(packed)
                with tarfile.open(fileobj=digesting, mode="w|", format=tarfile.GNU_FORMAT) as archive:
                    for name, path in taken.items():
                        _add(archive, name, path)
            path = folder / bundle_name(digesting.digest.hexdigest(), architecture)
            os.chmod(out.name, 0o644)
            os.replace(out.name, path)
        except BaseException:
            os.unlink(out.name)
            raise
    return JobBundle(
        path=path, name=path.name, architecture=architecture, packed_bytes=path.stat().st_size,
        unpacked_bytes=sum(each.stat().st_size for each in taken.values()),
        packages=sum(name.endswith(".dist-info/METADATA") for name in taken), libraries=libraries,
    )  # fmt: skip


class _Digesting(io.RawIOBase):
    """Hands on what is written, and digests it before it is compressed: not every zlib gives the same bytes."""

    def __init__(self, to: gzip.GzipFile) -> None:
        self.digest = hashlib.sha256()
        self._to = to

    def write(self, content: Any) -> int:
        self.digest.update(content)
        return self._to.write(content)


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    about = tarfile.TarInfo(name)
    about.size = path.stat().st_size
    about.mode = 0o644
    with path.open("rb") as content:
        archive.addfile(about, content)


def checked_libraries(files: Mapping[str, Path], architecture: str) -> int:
    """How many libraries there are, all of this architecture."""
    _, wanted = _machine(architecture)
    machines = {name: machine for name, path in files.items() if (machine := machine_of(path)) is not None}
    if wrong := [name for name, machine in machines.items() if machine != wanted]:
        raise BundleError(
            f"{len(wrong)} of {len(machines)} libraries are not for {architecture}: {', '.join(wrong[:3])}",
            next_step="make the bundle again, and let it fetch its packages itself",
        )
    if not machines:
        raise BundleError("no library is among the packages", next_step="make the bundle again")
    return len(machines)


def machine_of(path: Path) -> int | None:
    """For which machine a library is made (e_machine of its ELF header); None for a file that is none."""
    with path.open("rb") as file:
        header = file.read(20)
    if len(header) < 20 or header[:4] != b"\x7fELF":
        return None
    return int.from_bytes(header[18:20], "little" if header[5] == 1 else "big")


def _machine(architecture: str) -> tuple[str, int]:
    if architecture not in _MACHINES:
        raise UsageError(f"there is no architecture {architecture!r}", next_step=f"choose {' or '.join(ARCHITECTURES)}")
    return _MACHINES[architecture]
