import json
import logging
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coattail.home import Home

Run = Callable[..., Any]


def test_init_makes_a_home_here(coattail: Run, tmp_path: Path) -> None:
    done = coattail("init")
    assert done == (0, f"made the home {tmp_path / '.coattail'}\n", "")
    assert (tmp_path / ".coattail" / "home.json").exists()


def test_init_leaves_a_home_as_it_is(coattail: Run, tmp_path: Path) -> None:
    coattail("init")
    before = (tmp_path / ".coattail" / "home.json").read_bytes()
    assert coattail("init", "--tier", "small").out.endswith("nothing was changed\n")
    assert (tmp_path / ".coattail" / "home.json").read_bytes() == before


def test_init_remembers_the_tier_and_the_preset(coattail: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert coattail("init", "--home", home, "--tier", "small", "--preset", "classic").code == 0
    settings = json.loads(coattail("config", "show", "--home", home, "--json").out)["settings"]
    sources = {row["key"]: row["source"] for row in settings}
    assert sources["tier"] == sources["preset"] == str(home / "coattail.yaml")


def test_init_with_an_unknown_tier_makes_nothing(coattail: Run, tmp_path: Path) -> None:
    done = coattail("init", "--tier", "huge")
    assert (done.code, done.err) == (2, "error: unknown tier 'huge' (--tier); choose one of: large, medium, small\n")
    assert not (tmp_path / ".coattail").exists()


def test_the_variable_and_the_option_choose_the_home(
    coattail: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COATTAIL_HOME", str(tmp_path / "variable"))
    assert str(tmp_path / "variable") in coattail("init").out
    assert str(tmp_path / "option") in coattail("init", "--home", tmp_path / "option").out


@pytest.mark.slow
def test_init_where_nothing_can_be_written_is_one_sentence(
    shared_folder: Path, as_nobody: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    shared_folder.chmod(0o555)
    done = as_nobody(f"from coattail.cli import main\nmain(['init', '--home', {str(shared_folder / 'home')!r}])")
    assert done.stderr.startswith("error: no permission for ")
    assert done.stderr.count("\n") == 1


def test_the_log_goes_to_the_home_and_not_to_the_console(
    coattail: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def engine(home: Home) -> None:
        logging.getLogger("coattail.engines").info("a lane was idle")
        logging.getLogger("other").info("chatter")

    coattail("init")
    monkeypatch.setattr(Home, "running_engine", engine)
    handlers = list(logging.getLogger().handlers)
    assert coattail("doctor").err == ""
    log = (tmp_path / ".coattail" / "logs" / "coattail.log").read_text()
    assert re.fullmatch(r"\S+Z INFO \d+ coattail.engines: a lane was idle\n", log)
    assert logging.getLogger().handlers == handlers
