"""The zips that AWS Lambda runs: of each function its modules and packages, compiled; the same files, the same bytes.

boto3 is there on Lambda. What a cold start imports goes in as bytecode, so that it compiles nothing; coattail's own
modules as source, too. So a zip is for one version of Python and one architecture; `zips.json` beside them says which.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import coattail
from coattail.aws.bundle import checked_libraries, fetch
from coattail.errors import CoattailError, UsageError
from coattail.jobs.emr_request import ARCHITECTURES

HERE = "here"
"""As an architecture: this machine's, with the packages and the Python of this environment; for emulated services."""
HANDLER = "coattail.aws.lambdas.{}.handler"

_PACKAGE = Path(coattail.__file__).parent
_RUNTIME = {"boto3", "botocore", "s3transfer", "jmespath", "urllib3", "dateutil", "six"}
"""Packages that Lambda's own Python has."""
_UNUSED = {"click", "rich", "pygments", "markdown_it", "mdurl", "h2", "hpack", "hyperframe", "_cffi_backend"}
"""What packages import where it is there, and no function needs: the command line of httpx, HTTP/2."""
_SOURCES = ("coattail", "anyio")
"""Whose source goes in beside the bytecode: coattail's for tracebacks, and anyio reads its own as it is imported."""
_LEFT_OUT = {"__pycache__", "tests", "test", "testing", ".agents"}
_KEPT = {".py", ".so", ".json", ".pem", ".yaml"}
_LEVEL = 6
"""Of deflate; 9 takes twice the time for a hundredth of the bytes."""
LOCK = "requirements-lambda.lock"
_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_LIKE = re.compile(r"3\.\d+")
_TELL = "import sys; print(*sys.version_info[:2], sep='.')"
_ROOT = "/var/task"
"""Where Lambda unpacks a zip: what a traceback calls its files."""


class ZipError(CoattailError):
    """A zip cannot be made."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A function: what it imports besides its module, and what it reads, once it is asked something."""

    also: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    """Below the package; what is read while it is imported is found."""
    first: dict[str, Any] | None = None
    """An event that it is given, to see what it imports only then; None: nothing."""


_HOT = ("coattail.service_url", "coattail.service_client", "coattail.stores.hot_dynamo")
_GATEWAY = {
    "version": "2.0", "routeKey": "$default", "rawPath": "/alerts", "rawQueryString": "", "headers": {"host": "here"},
    "requestContext": {"http": {"method": "GET", "path": "/alerts", "sourceIp": "127.0.0.1"}, "stage": "$default"},
    "isBase64Encoded": False,
}  # fmt: skip
"""An event of API Gateway."""
_HISTORIES = tuple(f"coattail.connectors.{path.stem}" for path in sorted((_PACKAGE / "connectors").glob("*_rest.py")))
PROGRAMS = {
    "api": Program(also=_HOT, reads=("api/examples.json", "conf/scorecards.json"), first=_GATEWAY),
    "loader": Program(also=(*_HISTORIES, "httpcore", "h11", "anyio._backends._asyncio", "certifi")),
    "gate": Program(),
    "catalog": Program(also=_HOT),
}
"""By name; the module is `coattail.aws.lambdas.NAME`."""


class MadeZip(msgspec.Struct, frozen=True, kw_only=True):
    """A zip, and what Lambda is to be told of it."""

    name: str
    file: str
    sha256: str
    handler: str
    runtime: str
    architecture: str
    packed_bytes: int
    unpacked_bytes: int
    files: int


class MadeZips(msgspec.Struct, frozen=True, kw_only=True):
    """All of them: what `zips.json` says."""

    zips: list[MadeZip]


_ASK = """
import importlib, json, os, sys
package, first, read = sys.argv[1], json.loads(sys.argv[2]), set()
already = set(sys.modules)  # what installed packages have every Python import at its start, like setuptools
def heard(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(package):
        read.add(arguments[0])
sys.addaudithook(heard)
for name in sys.argv[3:]:
    importlib.import_module(name)
if first is not None:
    sys.modules[sys.argv[3]].handler(first, None)
said = {getattr(module, "__file__", None) or "" for name, module in list(sys.modules.items()) if name not in already}
said |= {path for path in read if not path.endswith((".py", ".pyc"))}
print(*said, sep=chr(10))
"""

_COMPILE = """
import py_compile, sys
from pathlib import Path
root, folder, *sources = sys.argv[1:]
for name in sys.stdin.read().splitlines():
    path = Path(root) / name
    kept = name.split("/")[0] in sources
    to = path.with_suffix(".pyc")
    if kept:
        to = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(path, to, f"{folder}/{name}", True, invalidation_mode=mode)
    if not kept:
        path.unlink()
"""


def make_zips(
    folder: Path, *, names: Sequence[str] = tuple(PROGRAMS), architecture: str = HERE, python: str | None = None,
    said: Callable[[str], None] = lambda _: None,
) -> MadeZips:  # fmt: skip
    """Write the zips of these functions into a folder, and `zips.json`, which says what they are.

    architecture: arm64 or x86_64: packages are fetched, those of the lock for Lambda; here: those of this environment
    are taken, for emulated services on this machine. python: The version that they are for; it must be on this machine,
    to compile. None means this one's.

    Raises: ZipError, BundleError: If they cannot be made. UsageError: If there is no such function or architecture.
    """
    if unknown := [name for name in names if name not in PROGRAMS]:
        raise UsageError(f"there is no function {unknown[0]!r}", next_step=f"known: {', '.join(PROGRAMS)}")
    if architecture not in (HERE, *ARCHITECTURES):
        known = " or ".join((*ARCHITECTURES, HERE))
        raise UsageError(f"there is no architecture {architecture!r}", next_step=f"choose {known}")
    compiler = _interpreter(python or _VERSION)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".packages-", dir=folder) as fetched:
        packages = None if architecture == HERE else Path(fetched)
        if packages is not None:
            said(f"fetching the packages of {LOCK} for {architecture}, Python {compiler.version}")
            fetch(architecture, packages, lock=LOCK, python=compiler.version)
        zips = []
        for name in names:
            said(f"packing {name}")
            zips.append(_make(name, folder, compiler, architecture, packages))
    made = MadeZips(zips=zips)
    (folder / "zips.json").write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
    return made


def own_architecture() -> str:
    """This machine's, as Lambda calls it."""
    return {"aarch64": "arm64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())


class _Interpreter(NamedTuple):
    """A Python that compiles."""

    program: str
    version: str
    """Like 3.13."""


def _interpreter(version: str) -> _Interpreter:
    if version == _VERSION:
        return _Interpreter(sys.executable, version)
    if _LIKE.fullmatch(version) is None:
        raise UsageError(f"{version!r} is no version of Python", next_step="write it like 3.13")
    program = shutil.which(f"python{version}")
    if program is not None:
        told = subprocess.run([program, "-S", "-c", _TELL], capture_output=True, text=True, check=False)
        if told.stdout.strip() == version:
            return _Interpreter(program, version)
    raise ZipError(
        f"there is no Python {version} here to compile for Lambda's",
        next_step=f"install python{version}, or leave out --python for {_VERSION}",
    )


def contents(name: str, packages: Path | None = None) -> tuple[dict[str, Path], list[str]]:
    """Name in the zip -> file, of the function of this name, and which of these a cold start imports.

    packages: Where to take packages from; None means this environment.
    """
    program, module = PROGRAMS[name], HANDLER.format(name).removesuffix(".handler")
    words = [sys.executable, "-c", _ASK, f"{_PACKAGE}/", json.dumps(program.first), module, *program.also]
    nowhere = {key: value for key, value in os.environ.items() if not key.startswith("COATTAIL_")}
    asked = subprocess.run(words, capture_output=True, text=True, check=False, env=nowhere)
    if asked.returncode:
        raise ZipError(
            f"the function {name} cannot be imported here ({asked.stderr.strip().splitlines()[-1]})",
            next_step="install the extra: pip install 'coattail[aws]'",
        )
    found = {f"coattail/{read}": _PACKAGE / read for read in program.reads}
    imported: dict[Path, set[Path]] = {}
    for path in map(Path, filter(None, asked.stdout.splitlines())):
        if path.is_relative_to(_PACKAGE):
            found[path.relative_to(_PACKAGE.parent).as_posix()] = path
        elif "site-packages" in path.parts:
            site = Path(*path.parts[: path.parts.index("site-packages") + 1])
            imported.setdefault(site, set()).add(path.relative_to(site))
    for site, paths in imported.items():
        libraries = {_stem(path) for path in paths if path.suffix == ".so"}
        for top in {path.parts[0] for path in paths}:
            if top.removesuffix(".py") in _RUNTIME | _UNUSED:
                continue
            if not (files := dict(_whole(packages or site, top, libraries))):
                raise ZipError(f"{name} imports {top}, which {LOCK} does not have", next_step="add it: make lock")
            found.update(files)
    theirs = {path.as_posix() for paths in imported.values() for path in paths}
    cold = [one for one in sorted(found) if one.endswith(".py") and (one in theirs or one.startswith("coattail/"))]
    return dict(sorted(found.items())), cold


def _whole(site: Path, top: str, libraries: set[Path]) -> Iterator[tuple[str, Path]]:
    """The files of a package, or of a module that is one file; of its libraries only these, because they are large."""
    for file in (site / top).rglob("*") if (site / top).is_dir() else (site / top,):
        inner = file.relative_to(site)
        wanted = file.suffix in _KEPT and (file.suffix != ".so" or _stem(inner) in libraries)
        if wanted and file.is_file() and not _LEFT_OUT & set(inner.parts):
            yield inner.as_posix(), file


def _stem(library: Path) -> Path:
    """A library without what its name says of Python and machine: `backend_c.cpython-311-x86_64-linux-gnu.so`."""
    return library.with_name(library.name.partition(".")[0])


def _make(name: str, folder: Path, compiler: _Interpreter, architecture: str, packages: Path | None) -> MadeZip:
    file = folder / f"{name}.zip"
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as staging:
        root = Path(staging)
        files, cold = contents(name, packages)
        if packages is not None:
            checked_libraries({inner: path for inner, path in files.items() if path.suffix == ".so"}, architecture)
        for inner, path in files.items():
            to = root / inner
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
        same = {**os.environ, "PYTHONHASHSEED": "0"}
        words = [compiler.program, "-S", "-c", _COMPILE, str(root), _ROOT, *_SOURCES]
        subprocess.run(words, check=True, env=same, input="\n".join(cold), text=True)
        packed = _packed(root, file)
        sizes = [path.stat().st_size for path in root.rglob("*") if path.is_file()]
    return MadeZip(
        name=name, file=file.name, sha256=hashlib.sha256(packed).hexdigest(), handler=HANDLER.format(name),
        runtime=f"python{compiler.version}", architecture=architecture if packages else own_architecture(),
        packed_bytes=len(packed), unpacked_bytes=sum(sizes), files=len(sizes),
    )  # fmt: skip


def _packed(root: Path, file: Path) -> bytes:
    """Write the zip of a folder, without times and owners; returns its bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as made:
        for path in sorted(each for each in root.rglob("*") if each.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(root).as_posix())
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            made.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, _LEVEL)
    return file.read_bytes()
