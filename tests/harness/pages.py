"""Pages of markdown, and what the command line says of the commands that they name."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache
from typing import Any

import typer
from markdown.extensions.toc import slugify

from coattail.cli import COMMANDS
from coattail.cli.app import app


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    """What a link into a page may end with: headings as GitHub writes them, as far as the site writes them so too."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?)#*$", prose(text), re.MULTILINE):
        words = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading).strip()
        there = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        if there == slugify(words, "-"):
            found.add(there)
    return found


def simple_commands(line: str) -> Iterator[list[str]]:
    """The words of each simple command in a line of shell: pipes and lists are taken apart, comments left out."""
    words = shlex.shlex(re.sub(r"\b\d(?=>)", "", line), posix=True, punctuation_chars="|&;<>()")
    words.whitespace_split, words.commenters = True, "#"
    command: list[str] = []
    for word in [*words, ";"]:
        if set(word) <= set("|&;<>()"):
            if command:
                yield command
            command = []
        elif command or not re.match(r"\w+=", word):  # variables before it are its environment
            command.append(word)


@cache
def application() -> Any:
    for name in COMMANDS:
        importlib.import_module(f"coattail.cli.{name}")
    return typer.main.get_command(app)


def refused(words: list[str]) -> str | None:
    """What the command line says of a command instead of beginning it; None if it would begin."""
    command, name, context = application(), "coattail", None
    try:
        while hasattr(command, "commands"):
            context = command.make_context(name, words, parent=context)
            name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
        command.make_context(name, words, parent=context)
    except typer.Exit:  # --help, --version
        return None
    except typer.TyperException as error:
        return error.format_message()
    return None


def unknown_words(words: list[str]) -> list[str]:
    """Of a command that text mentions, perhaps not whole: names of commands and options that do not exist."""
    command = application()
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        if words[0] not in command.commands:
            return [words[0]]
        command, words = command.commands[words[0]], words[1:]
    known = {
        name
        for each in (command, application())
        for option in each.params
        for name in (*option.opts, *option.secondary_opts)
    }
    asked = [word.partition("=")[0] for word in words if re.match(r"-{1,2}[a-z]", word)]
    return [word for word in asked if word not in {*known, "--help"}]
