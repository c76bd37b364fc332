import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coattail.errors import HomeError
from coattail.home import Home, resolve_home
from tests.harness.places import warehouse

HOLD_THE_LOCK = """
import sys
from coattail.home import Home
with Home.open(sys.argv[1]).engine_lock("coattail simulate --rate 100"):
    print("held", flush=True)
    sys.stdin.read()
"""


def failure(path: Path, **how: bool) -> str:
    with pytest.raises(HomeError) as caught:
        Home.open(path, **how)
    return str(caught.value)


@contextmanager
def engine_in_another_process(home: Home) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(home.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stdout.readline() == "held\n"
        try:
            yield child
        finally:
            child.kill()


def test_a_made_home_has_its_layout_and_a_record_of_itself(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "deep" / "home", create=True)
    record = json.loads((home.path / "home.json").read_text())
    assert record["format_version"] == 1
    assert record["path"] == str(tmp_path / "deep" / "home")
    assert set(record) == {"format_version", "created", "path", "home_id"}
    for folder in (warehouse(home), home.stream, home.dlq, home.log_file.parent):
        assert folder.is_dir()


def test_opening_again_finds_the_same_home(tmp_path: Path) -> None:
    first = Home.open(tmp_path / "home", create=True)
    assert Home.open(tmp_path / "home", create=True, write=True) == first
    assert Home.open(tmp_path / "home").record.home_id == first.record.home_id


def test_a_missing_home_says_how_to_make_one(tmp_path: Path) -> None:
    message = failure(tmp_path / "none")
    assert f"no home at {tmp_path / 'none'}" in message
    assert "coattail init" in message
    assert "coattail demo" in message
    assert not (tmp_path / "none").exists()


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file, not a folder" in failure(tmp_path / "file", create=True)
    assert "is in the way" in failure(tmp_path / "file" / "home", create=True)


def test_a_folder_with_other_things_is_not_made_a_home(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    assert "holds other things already (thesis.tex)" in failure(tmp_path, create=True)
    assert not (tmp_path / "home.json").exists()


@pytest.mark.parametrize("name", ["my home #1", "100%", "why?"])
def test_a_path_that_means_something_else_as_an_address_is_refused_at_once(name: str, tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="in its path"):
        Home.open(tmp_path / name, create=True)
    assert Home.open(tmp_path / "my home (1)", create=True).path.is_dir()


def test_a_folder_with_only_a_configuration_becomes_a_home(tmp_path: Path) -> None:
    (tmp_path / "coattail.yaml").write_text("tier: small\n")
    assert Home.open(tmp_path, create=True).config_file.read_text() == "tier: small\n"


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home", create=True)
    (home.path / "home.json").write_text('{"format_version": 2, "something": "new"}')
    message = failure(home.path)
    assert "has format 2" in message
    assert "upgrade coattail" in message


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format_version": 1}'])
def test_a_damaged_record_is_named(tmp_path: Path, text: str) -> None:
    home = Home.open(tmp_path / "home", create=True)
    (home.path / "home.json").write_text(text)
    assert f"{home.path / 'home.json'} is damaged" in failure(home.path)


def test_a_moved_home_gives_the_command_that_mends_it(tmp_path: Path) -> None:
    old, new = tmp_path / "old place" / "home", tmp_path / "new"
    Home.open(old, create=True)
    old.rename(new)
    message = failure(new)
    assert f"was moved from {old}" in message
    command = message.split("run: ")[1]
    assert command == f"ln -s {new} '{old}'"
    subprocess.run(command, shell=True, check=True)
    assert Home.open(new).path == old
    assert Home.open(old).path == old


def test_the_mending_command_makes_a_parent_that_is_gone(tmp_path: Path) -> None:
    old, new = tmp_path / "a" / "b" / "home", tmp_path / "new"
    Home.open(old, create=True)
    old.rename(new)
    old.parent.rmdir()
    subprocess.run(failure(new).split("run: ")[1], shell=True, check=True)
    assert Home.open(new).path == old


def test_a_copied_home_names_the_original(tmp_path: Path) -> None:
    original = Home.open(tmp_path / "original", create=True)
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "home.json").write_bytes((original.path / "home.json").read_bytes())
    message = failure(copy)
    assert f"{copy} is a copy of the home {original.path}" in message
    assert f"use --home {original.path}" in message


def test_a_home_opens_through_a_symlink(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home", create=True)
    (tmp_path / "link").symlink_to(home.path)
    assert Home.open(tmp_path / "link").path == home.path


@pytest.mark.slow
def test_a_read_only_home_opens_for_reading_and_refuses_to_be_written(
    shared_folder: Path, as_nobody: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    home = Home.open(shared_folder / "home", create=True)
    with home.engine_lock("coattail land"):
        pass
    for path in [home.path, *home.path.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    opened = f"from coattail.home import Home\nhome = Home.open({str(home.path)!r}, write=%s)\n"
    reading = as_nobody(opened % False + "print(home.running_engine())")
    assert (reading.stdout, reading.stderr) == ("None\n", "")
    writing = as_nobody(opened % True)
    assert f"HomeError: the home {home.path} is read-only" in writing.stderr
    for path in [home.path, *home.path.rglob("*")]:
        path.chmod(0o755)


def test_a_home_in_a_closed_folder_names_it(
    shared_folder: Path, as_nobody: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    shared_folder.chmod(0o555)
    path = shared_folder / "home"
    done = as_nobody(f"from coattail.home import Home\nHome.open({str(path)!r}, create=True)")
    assert f"HomeError: no permission for {path}" in done.stderr


def test_a_second_engine_is_refused_and_the_first_is_named(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home", create=True)
    with engine_in_another_process(home) as first:
        engine = home.running_engine()
        assert engine
        assert (engine.pid, engine.command) == (first.pid, "coattail simulate --rate 100")
        with pytest.raises(HomeError) as caught, home.engine_lock("coattail land"):
            pytest.fail("two engines on one home")
        assert f"`coattail simulate --rate 100` (process {first.pid}, since {engine.started:%Y-%m-%d}" in str(
            caught.value
        )


def test_a_killed_engine_leaves_no_lock_behind(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home", create=True)
    with engine_in_another_process(home):
        pass
    assert home.running_engine() is None
    with home.engine_lock("coattail land"):
        engine = home.running_engine()
        assert engine
        assert (engine.pid, engine.command) == (os.getpid(), "coattail land")


def test_an_engine_that_ends_frees_the_home_also_after_an_error(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home", create=True)
    assert home.running_engine() is None
    with pytest.raises(RuntimeError), home.engine_lock("coattail land"):
        raise RuntimeError
    assert home.running_engine() is None


def test_the_home_is_the_option_then_the_variable_then_the_nearest_then_here(tmp_path: Path) -> None:
    here = tmp_path / "a" / "b"
    here.mkdir(parents=True)
    assert resolve_home(None, None, here) == here / ".coattail"
    (tmp_path / ".coattail").mkdir()
    assert resolve_home(None, None, here) == tmp_path / ".coattail"
    (here / ".coattail").mkdir()
    assert resolve_home(None, "", here) == here / ".coattail"
    assert resolve_home(None, "elsewhere", here) == here / "elsewhere"
    assert resolve_home("/x", "elsewhere", here) == Path("/x")


def test_a_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells expand it in `--home ~/x`, but not in `--home=~/x` or in a unit file's COATTAIL_HOME=~/x."""
    monkeypatch.setenv("HOME", str(tmp_path))
    here = tmp_path / "here"
    assert resolve_home("~/x", None, here) == tmp_path / "x"
    assert resolve_home(None, "~/y", here) == tmp_path / "y"
    assert resolve_home("a~b", None, here) == here / "a~b"
    with pytest.raises(HomeError, match="~nobody-of-this-name is the home directory of nobody here"):
        resolve_home("~nobody-of-this-name/x", None, here)


def test_whether_an_engine_lives_is_seen_without_touching_its_lock(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home", create=True)
    assert not home.engine_alive()
    with home.engine_lock("land"):
        assert home.engine_alive()
        kept = (home.path / "engine.lock").read_text()
    assert not home.engine_alive(), "it ended in order"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (home.path / "engine.lock").write_text(kept.replace(str(os.getpid()), str(ended.pid)))
    assert not home.engine_alive(), "it was killed"
    with open(home.path / "engine.lock") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not home.engine_alive()
