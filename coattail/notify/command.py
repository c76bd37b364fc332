"""A command to run for each alert: its JSON on standard input, its fields in environment variables."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import msgspec

from coattail.markup import visible
from coattail.notify.message import Message
from coattail.notify.secrets import Hidden, revealed, without
from coattail.notify.sink import AlertSink, Receipt
from coattail.values import Positive, format_duration

_SAID_BYTES = 300
"""Of what a failing command says on its standard error: enough for its last line or two."""


@dataclass(frozen=True, kw_only=True)
class CommandSink(AlertSink):
    """Runs a program; exit code 0 means delivered, any other that it is tried again."""

    kind: ClassVar[str] = "command"

    command: Any = field(repr=False)
    """The program and its arguments, as a list; with `shell`, one text. An argument may be env:NAME or file:PATH."""
    shell: bool = False
    """Whether `command` is a line for /bin/sh. Never put fields of an alert into it: they are in the environment."""
    timeout: Positive[timedelta] = timedelta(seconds=30)
    """How long it may run; then it is killed, with whatever it has started."""
    secrets: list[Hidden] = field(init=False, repr=False, default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        command = self.command
        if self.shell:
            if not isinstance(command, str) or not command.strip():
                raise self.mistake("command", "is not one line of text", "with shell: true, write it as one text")
            return
        if not isinstance(command, list | tuple) or not command or not all(isinstance(word, str) for word in command):
            raise self.mistake(
                "command", "is not a list of texts", "write [program, argument, …], or one text with shell: true"
            )
        words = tuple(revealed(command, self.at("command"), self.secrets))
        if shutil.which(os.path.expanduser(words[0])) is None:
            raise self.mistake("command", f"names {words[0]}, which is not here", "install it, or write its whole path")
        object.__setattr__(self, "command", (os.path.expanduser(words[0]), *words[1:]))

    @property
    def goes_to(self) -> str:
        return "/bin/sh" if self.shell else os.path.basename(self.command[0])

    def deliver(self, message: Message) -> Receipt:
        fields = {f"COATTAIL_{name.upper()}": value.replace("\0", "") for name, value in message.fields().items()}
        with tempfile.TemporaryFile() as said:
            try:
                running = subprocess.Popen(
                    self.command, shell=self.shell, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said,
                    env={**os.environ, **fields}, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                return Receipt(outcome="failed", detail=f"{self.goes_to} cannot be run ({error.strerror})")
            with running:
                try:
                    running.communicate(msgspec.json.encode(message.document()), self.timeout.total_seconds())
                except subprocess.TimeoutExpired:
                    _kill(running)
                    return Receipt(outcome="failed", detail=f"not done within {format_duration(self.timeout)}")
            if running.returncode == 0:
                return Receipt(outcome="delivered", detail="exit code 0")
            said.seek(max(0, said.seek(0, os.SEEK_END) - _SAID_BYTES))
            text = without(self.secrets, said.read().decode(errors="replace"))
            words = visible(" ".join(text.split()))
            return Receipt(outcome="failed", detail=f"exit code {running.returncode}{f': {words}' if words else ''}")


def _kill(running: subprocess.Popen[bytes]) -> None:
    """Kill a program and what it has started: it leads a group of processes of its own."""
    with suppress(ProcessLookupError):  # it has just ended
        os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
