"""What an environment runs, packed on this machine: zips of the functions, and the bundle of the jobs."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import msgspec

from coattail.aws import bundle, zips
from coattail.aws.operate.environment import Environment
from coattail.workspace.progress import OnProgress, Step, unheard

_LAMBDA_PYTHON = "3.13"
"""The newest that Terraform's provider knows. Taken where it is on this machine, else the Python that runs this."""
_STAMP = "packed.json"


class _Stamp(msgspec.Struct, frozen=True):
    """What is packed in a folder, and from what."""

    sources: str
    name: str


def pack_zips(folder: Path, environment: Environment, on_progress: OnProgress = unheard) -> tuple[str, bool]:
    """The zips of the functions, in `build/lambdas` of an environment's folder.

    Returns what they are, and whether they had to be packed. Raises: ZipError, BundleError: If they cannot be.
    """
    into = folder / "build" / "lambdas"
    architecture = zips.HERE if environment.emulated else environment.architecture
    python = _LAMBDA_PYTHON if not environment.emulated and shutil.which(f"python{_LAMBDA_PYTHON}") else None
    sources = sources_of(zips.LOCK, architecture, python or "")
    if (before := _stamped(into)) is not None and before.sources == sources:
        return before.name, False
    made = zips.make_zips(
        into, architecture=architecture, python=python, said=lambda doing: on_progress(Step(doing))
    )  # fmt: skip
    size = sum(each.packed_bytes for each in made.zips) / 1e6
    name = f"{len(made.zips)} functions, {size:.1f} MB, {made.zips[0].runtime} {made.zips[0].architecture}"
    _stamp(into, _Stamp(sources, name))
    return name, True


def pack_bundle(folder: Path, environment: Environment, on_progress: OnProgress = unheard) -> tuple[Path, bool]:
    """The bundle of the jobs, in `build/` of an environment's folder; one of before is removed.

    Returns it, and whether it had to be packed. Raises: BundleError: If it cannot be.
    """
    into = folder / "build"
    sources = sources_of(bundle.LOCK, environment.architecture, bundle.PYTHON)
    if (before := _stamped(into)) is not None and before.sources == sources and (into / before.name).exists():
        return into / before.name, False
    made = bundle.make_bundle(environment.architecture, into, lambda doing: on_progress(Step(doing)))
    for other in into.glob("deps-*.tar.gz"):
        if other != made.path:
            other.unlink()
    _stamp(into, _Stamp(sources, made.name))
    return made.path, True


def sources_of(lock: str, *more: str) -> str:
    """A digest of all that is packed: coattail's own files, the lock of the packages, and whatever else is said."""
    taken = hashlib.sha256("\0".join(more).encode())
    own = bundle.bundled(bundle.own_files())
    for name, path in {**own, lock: bundle.shipped(lock)}.items():
        taken.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return taken.hexdigest()


def _stamped(folder: Path) -> _Stamp | None:
    file = folder / _STAMP
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Stamp)
    except FileNotFoundError:
        return None


def _stamp(folder: Path, stamp: _Stamp) -> None:
    (folder / _STAMP).write_bytes(msgspec.json.encode(stamp))
