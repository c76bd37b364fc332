"""Asking a person before money is spent or something is lost."""

from __future__ import annotations

import sys

from coattail.aws.operate.refusals import Declined
from coattail.errors import UsageError


def ask(question: str, *, yes: bool) -> None:
    """Go on only if a person agrees, or has agreed by --yes.

    question: With what it costs or loses, without a question mark. Raises: UsageError: If nobody is there to be asked.
    Declined: If the answer is not yes.
    """
    if yes:
        return
    if not is_attended():
        raise UsageError(f"{question}: nobody is here to agree", next_step="add --yes to say so beforehand")
    if _answer(f"{question}? [y/N] ").lower() not in ("y", "yes"):
        raise Declined("nothing was changed", next_step="run it again when you want it")


def ask_for(word: str, question: str, *, given: str | None) -> None:
    """Go on only if a person types this word, or has given it by an option.

    Raises: UsageError: If nobody is there to be asked, or what was given is another word. Declined.
    """
    if given is not None:
        if given != word:
            raise UsageError(f"--name {given} is not {word}", next_step=f"nothing was changed; give --name {word}")
        return
    if not is_attended():
        raise UsageError(f"{question}: nobody is here to agree", next_step=f"add --name {word} to say so beforehand")
    if _answer(f"{question}. Type {word} to go on: ").strip() != word:
        raise Declined("nothing was changed", next_step="run it again when you want it")


def is_attended() -> bool:
    """Whether a person can read a question and answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _answer(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()
