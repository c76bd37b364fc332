"""A notification on the desktop, by whatever program this system has for it."""

from __future__ import annotations

import html
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from coattail.markup import visible
from coattail.notify.message import Message
from coattail.notify.sink import AlertSink, Receipt
from coattail.values import format_duration

_APPLESCRIPT = ("on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run")


def _notify_send(message: Message) -> list[str]:
    urgency = "critical" if message.alert.severity == "critical" else "normal"
    return ["--app-name=coattail", f"--urgency={urgency}", "--", message.title, html.escape(message.text, quote=False)]


def _terminal_notifier(message: Message) -> list[str]:
    shown = [text if text[:1] not in '-[({<"' else f"\\{text}" for text in (message.title, message.text)]
    return ["-title", shown[0], "-message", shown[1], "-group", message.key]


def _osascript(message: Message) -> list[str]:
    script = [word for line in _APPLESCRIPT for word in ("-e", line)]
    return [*script, message.title, message.text]


PROGRAMS: dict[str, Callable[[Message], list[str]]] = {
    "notify-send": _notify_send,
    "terminal-notifier": _terminal_notifier,
    "osascript": _osascript,
}
"""Program -> its arguments for a message; the first one that is here is used."""


@dataclass(frozen=True, kw_only=True)
class DesktopSink(AlertSink):
    """Shows a notification to whoever sits at this machine."""

    kind: ClassVar[str] = "desktop"

    program: str = field(init=False, default="")

    def __post_init__(self) -> None:
        super().__post_init__()
        found = next((name for name in PROGRAMS if shutil.which(name)), None)
        if found is None:
            raise self.mistake(
                "kind", f"is desktop, and none of {', '.join(PROGRAMS)} is here",
                "install one (Linux: libnotify-bin; macOS: terminal-notifier), or remove the sink",
            )  # fmt: skip
        object.__setattr__(self, "program", found)

    @property
    def goes_to(self) -> str:
        return self.program

    def deliver(self, message: Message) -> Receipt:
        command = [self.program, *PROGRAMS[self.program](message)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=self.timeout.total_seconds())
        except subprocess.TimeoutExpired:
            return Receipt(outcome="failed", detail=f"{self.program} not done within {format_duration(self.timeout)}")
        except OSError as error:
            return Receipt(outcome="failed", detail=f"{self.program} cannot be run ({error.strerror})")
        if done.returncode == 0:
            return Receipt(outcome="delivered", detail=f"shown by {self.program}")
        words = visible(" ".join(done.stderr.decode(errors="replace").split()), most=200)
        return Receipt(outcome="failed", detail=f"{self.program}: exit code {done.returncode}: {words}")
