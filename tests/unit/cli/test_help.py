"""What `--help` says of every command: in full, readable, and with examples that work in a home as it comes."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from coattail.cli import COMMANDS
from coattail.cli.app import Session, app
from coattail.cli.changes import settings_asked, sweep_of
from coattail.home import Home

for _name in COMMANDS:
    importlib.import_module(f"coattail.cli.{_name}")
ROOT: Any = typer.main.get_command(app)


def leaves(command: Any = ROOT, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, by its words."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from leaves(inner, *path, name)
    else:
        yield path, command


EXAMPLES = [
    (path, command, example.strip())
    for path, command in leaves()
    for example in command.epilog.partition("Example:\n")[2].splitlines()
]


@pytest.mark.parametrize("group", [(), ("config",), ("dlq",), ("report",), ("jobs",), ("aws",), ("notify",)])
def test_no_summary_of_a_command_is_cut_off(group: tuple[str, ...]) -> None:
    command = ROOT
    for name in group:
        command = command.commands[name]
    context = command.make_context("coattail", ["--help"], resilient_parsing=True, terminal_width=80)
    assert "..." not in context.get_help().partition("Commands:")[2]


def test_what_an_option_takes_is_named_for_people() -> None:
    named = {
        (path, option.opts[0]): option.metavar
        for path, command in leaves()
        for option in command.params
        if option.param_type_name == "option" and not option.is_flag
    }
    assert len(named) > 100
    assert [where for where, metavar in named.items() if not metavar] == []


@pytest.mark.parametrize(("path", "command", "example"), EXAMPLES, ids=[example for *_, example in EXAMPLES])
def test_an_example_is_understood(path: tuple[str, ...], command: Any, example: str, tmp_path: Path) -> None:
    words = shlex.split(example)[1:]
    assert tuple(words[: len(path)]) == path
    session = Session()
    context = command.make_context(example, words[len(path) :], obj=session)
    Home.open(tmp_path / "home", create=True)
    session.home_option, session.preset = tmp_path / "home", context.params.get("preset")
    both = settings_asked(session, re.findall(r"--set (\S+)", example))
    if given := context.params.get("sweep"):
        key, values = sweep_of(given)
        for value in values:
            both.at(key, value)
