"""What an environment runs is packed once, until what it is packed from changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coattail.aws import bundle, zips
from coattail.aws.bundle import JobBundle
from coattail.aws.operate import packing
from coattail.aws.operate.environment import Environment
from coattail.aws.zips import MadeZip, MadeZips

DEV = Environment(environment="dev", account_id="123456789012", region="us-west-2")


def made_up(folder: Path, name: str, **more: Any) -> JobBundle:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).touch()
    return JobBundle(path=folder / name, name=name, architecture="arm64", packed_bytes=0, unpacked_bytes=0, packages=0,
                     libraries=0)  # fmt: skip


def test_a_bundle_is_packed_again_only_for_other_sources_and_the_one_before_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(["deps-1.tar.gz", "deps-2.tar.gz"])
    make: Callable[..., JobBundle] = lambda _, folder, said: made_up(folder, next(names))  # noqa: E731
    monkeypatch.setattr(bundle, "make_bundle", make)
    assert packing.pack_bundle(tmp_path, DEV) == (tmp_path / "build" / "deps-1.tar.gz", True)
    assert packing.pack_bundle(tmp_path, DEV) == (tmp_path / "build" / "deps-1.tar.gz", False)
    monkeypatch.setattr(packing, "sources_of", lambda *_: "others")
    assert packing.pack_bundle(tmp_path, DEV) == (tmp_path / "build" / "deps-2.tar.gz", True)
    assert [path.name for path in (tmp_path / "build").glob("deps-*")] == ["deps-2.tar.gz"]
    (tmp_path / "build" / "deps-2.tar.gz").unlink()
    with pytest.raises(StopIteration):  # it would be packed
        packing.pack_bundle(tmp_path, DEV)


def test_functions_are_packed_for_the_architecture_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def make(folder: Path, *, architecture: str, python: str | None, said: object) -> MadeZips:
        asked.append(architecture)
        folder.mkdir(parents=True, exist_ok=True)
        one = MadeZip(
            name="api", file="api.zip", sha256="", handler="", runtime="python3.13", architecture=architecture,
            packed_bytes=2_000_000, unpacked_bytes=0, files=1,
        )  # fmt: skip
        return MadeZips(zips=[one])

    monkeypatch.setattr(zips, "make_zips", make)
    assert packing.pack_zips(tmp_path, DEV) == ("1 functions, 2.0 MB, python3.13 arm64", True)
    assert packing.pack_zips(tmp_path, DEV) == ("1 functions, 2.0 MB, python3.13 arm64", False)
    emulated = Environment(environment="dev", account_id="0" * 12, region="us-east-1", endpoint="http://127.0.0.1:1")
    packing.pack_zips(tmp_path, emulated)
    assert asked == ["arm64", "here"]


def test_what_is_packed_depends_on_coattail_and_on_the_lock() -> None:
    assert packing.sources_of(zips.LOCK, "arm64") != packing.sources_of(bundle.LOCK, "arm64")
    assert packing.sources_of(zips.LOCK, "arm64") != packing.sources_of(zips.LOCK, "x86_64")
