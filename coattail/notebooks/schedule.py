"""What a scheduler takes to run a notebook by itself: a line for cron, two files for systemd, or EventBridge's JSON."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coattail.errors import UsageError
from coattail.notebooks.parameters import chosen
from coattail.notebooks.shelf import Notebook
from coattail.place import LOCAL

FORMS = ("cron", "systemd", "eventbridge")
_AT = re.compile(r"([01]\d|2[0-3])?:([0-5]\d)")


@dataclass(frozen=True)
class RunsAt:
    """Every day at hour:minute, or, without an hour, every hour at that minute."""

    hour: int | None
    minute: int

    @classmethod
    def read(cls, text: str) -> RunsAt:
        """The time that is meant by `02:15` or `:15`.

        Raises: UsageError: If it is neither.
        """
        found = _AT.fullmatch(text.strip())
        if found is None:
            raise UsageError(
                f"--at {text!r} is not a time", next_step="write it like 02:15 for every day, or :15 for every hour"
            )
        return cls(hour=None if found[1] is None else int(found[1]), minute=int(found[2]))

    @property
    def hours(self) -> str:
        """As cron writes it."""
        return "*" if self.hour is None else str(self.hour)


def scheduled(
    notebook: Notebook,
    given: Mapping[str, object],
    at: RunsAt,
    *,
    form: str,
    program: Sequence[str],
    folder: str,
    home: str,
    place: str = LOCAL,
) -> str:
    """The text for the scheduler; the parameters are checked now, because nobody looks when it runs.

    given: Values by name. form: One of `FORMS`. program: The words that call coattail there. folder: Where it runs;
    the copies go to `reports/` there. home: The home, absolute. place: Where its stores are.
    Raises: UsageError: If a parameter is unknown or does not fit, or the form is none.
    """
    values = chosen(notebook.parameters, given)
    words = [word for name, value in given.items() for word in ("-p", f"{name}={value}")]
    copy = f"reports/{notebook.name}-{{date}}.ipynb"
    there = [] if place == LOCAL else ["--place", place]
    line = [*program, "--home", home, *there, "notebook", "run", notebook.name, *words, "--out", copy, "--html"]
    match form:
        case "cron":
            command = f"cd {shlex.quote(folder)} && {shlex.join(line)}".replace("%", r"\%")
            return f"# for `crontab -e`; times are those of that machine's zone\n{at.minute} {at.hours} * * * {command}"
        case "systemd":
            return _systemd(notebook, at, line, folder)
        case "eventbridge":
            return _eventbridge(notebook, at, values)
    raise UsageError(f"there is no form {form!r}", next_step=f"choose one of: {', '.join(FORMS)}")


def _systemd(notebook: Notebook, at: RunsAt, line: Sequence[str], folder: str) -> str:
    """A timer and its service; both in words that systemd does not expand."""
    hour = "*" if at.hour is None else f"{at.hour:02}"
    command = " ".join(_unit_word(word) for word in line)
    name = f"coattail-{notebook.name.replace('_', '-')}"
    return "\n".join(
        [
            f"# ~/.config/systemd/user/{name}.service",
            "[Unit]",
            f"Description=coattail notebook {notebook.name}",
            "[Service]",
            "Type=oneshot",
            f"WorkingDirectory={folder.replace('%', '%%')}",
            f"ExecStart={command}",
            "",
            f"# ~/.config/systemd/user/{name}.timer; then: systemctl --user enable --now {name}.timer",
            "[Timer]",
            f"OnCalendar=*-*-* {hour}:{at.minute:02}:00 UTC",
            "Persistent=true",
            "[Install]",
            "WantedBy=timers.target",
        ]
    )


def _unit_word(word: str) -> str:
    """A word of ExecStart: quoted, with nothing left for systemd to expand."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return plain if re.fullmatch(r"[\w@+=:,./{}-]+", word) else f'"{plain}"'


def _eventbridge(notebook: Notebook, at: RunsAt, values: Mapping[str, object]) -> str:
    """The target's schedule and input for EventBridge Scheduler, which counts in UTC."""
    return json.dumps(
        {
            "ScheduleExpression": f"cron({at.minute} {at.hours} * * ? *)",
            "ScheduleExpressionTimezone": "UTC",
            "Input": {"notebook": notebook.name, "parameters": values},
        },
        indent=2,
    )
