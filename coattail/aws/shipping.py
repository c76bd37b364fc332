"""A bundle, made and put where jobs find it, with their entry points."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import msgspec

from coattail.aws.bundle import entry_points, make_bundle
from coattail.jobs.artifacts import Artifacts
from coattail.workspace.progress import OnProgress, Step, unheard
from coattail.workspace.text import size


class BundleDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle, as JSON has it. Printing it says what it is, and how jobs come to run from it."""

    name: str
    architecture: str
    packed_bytes: int
    unpacked_bytes: int
    packages: int
    libraries: int
    path: Path | None
    """On this machine; None where it was only sent."""
    location: str | None
    """In the bucket; None where it was not to be sent."""
    sent: bool
    """False where it was there already."""
    jobs_url: str
    """What jobs.url must say."""

    def __str__(self) -> str:
        packed, unpacked = size(self.packed_bytes), size(self.unpacked_bytes)
        held = f"{self.packages} packages; {self.libraries} libraries, all for {self.architecture}"
        where = f"in {self.path and self.path.parent}; `coattail aws bundle --upload` sends it"
        if self.location is not None:
            where = f"{'sent to' if self.sent else 'it was there already:'} {self.location}"
        return "\n".join((
            f"{self.name}: {packed}, {unpacked} unpacked, {held}", where, f"jobs.url needs {self.jobs_url}",
        ))  # fmt: skip


def ship(
    architecture: str, *, out: Path | None = None, to: Artifacts | None = None, on_progress: OnProgress = unheard
) -> BundleDocument:
    """Make a bundle, keep it in the folder `out`, and put it and the entry points there, if `to` is not None.

    Raises: BundleError: If it cannot be made. ArtifactError: If it cannot be sent.
    """
    with ExitStack() as stack:
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="coattail-bundle-")))
        made = make_bundle(architecture, folder, lambda doing: on_progress(Step(doing)))
        sent = to is not None and send(made.name, made.path, to, on_progress)
    return BundleDocument(
        name=made.name, architecture=architecture, packed_bytes=made.packed_bytes, unpacked_bytes=made.unpacked_bytes,
        packages=made.packages, libraries=made.libraries, path=None if out is None else made.path.absolute(),
        location=None if to is None else to.location(made.name), sent=sent,
        jobs_url=f"&bundle={made.name}&architecture={architecture}",
    )  # fmt: skip


def send(name: str, path: Path, to: Artifacts, on_progress: OnProgress = unheard) -> bool:
    """Put a bundle and the entry points there; returns whether it had to be sent, as its name says its content. Entry
    points are sent each time; they are small.

    Raises: ArtifactError: If it cannot be sent.
    """
    gone, size_bytes = 0, path.stat().st_size

    def heard(more: int) -> None:
        nonlocal gone
        gone += more
        on_progress(Step(f"sending {name}", gone, size_bytes))

    missing = not to.holds(name)
    if missing:
        to.put(name, path, heard)
    for entry, script in entry_points().items():
        to.put(entry, script)
    return missing
