"""Terraform run as a process that outlives this one if it must, and what it says, line by line (`-json`).

Source of the lines: developer.hashicorp.com/terraform/internals/machine-readable-ui.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from coattail.aws.operate.refusals import Diagnostic, refusal
from coattail.aws.terraform import Terraform
from coattail.workspace.progress import OnProgress, Step, unheard

_LOOK_SECONDS = 0.1
_DOING = {"create": "creating", "update": "changing", "delete": "removing", "replace": "replacing", "read": "reading"}


@dataclass
class TerraformRun:
    """What a run of Terraform has said so far."""

    log: Path
    """Where all of it is."""
    planned: dict[str, str] = field(default_factory=dict)
    """Address -> create, update, delete or replace."""
    drifted: dict[str, str] = field(default_factory=dict)
    """Address -> what somebody else has done to it: update or delete."""
    done: list[str] = field(default_factory=list)
    """Addresses that are as they should be now."""
    counts: dict[str, Any] = field(default_factory=dict)
    """add, change, remove: of the last summary."""
    wrong: list[Diagnostic] = field(default_factory=list)
    """Its errors."""

    @property
    def steps(self) -> int:
        """How many changes there are in all."""
        return sum(self.counts.get(name, 0) for name in ("add", "change", "remove"))


def run(
    terraform: Terraform, *arguments: str, log: Path, on_progress: OnProgress = unheard,
    interrupted: Callable[[], object] = lambda: None,
) -> TerraformRun:  # fmt: skip
    """Run a command of Terraform with `-json`, and follow what it says.

    It writes into the file `log`, in a session of its own: Ctrl-C reaches this process only, which asks Terraform to
    stop in order and waits for it, however often it is pressed; if this process is killed, Terraform goes on to its end
    and keeps its state.
    interrupted: Called when Ctrl-C has been pressed, and Terraform is stopping.
    Raises: CoattailError: If it fails, in a sentence with the next step. KeyboardInterrupt: If it was interrupted.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    said, pressed = TerraformRun(log), False
    with log.open("ab") as out:
        process = subprocess.Popen(
            terraform.words(arguments[0], "-json", *arguments[1:]), env=terraform.environment,
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    lines = _followed(log, process)
    while True:
        try:
            for line in lines:
                heard(line, said, on_progress)
            break
        except KeyboardInterrupt:
            if not pressed:  # at a second one Terraform would leave at once, and forget what it has just made
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGINT)
            pressed = True
            interrupted()
            lines = _followed(log, process, at=len(log.read_bytes()))
    if pressed:
        raise KeyboardInterrupt
    if process.returncode:
        raise refusal(said.wrong, log, folder=terraform.folder)
    return said


def _followed(log: Path, process: subprocess.Popen[bytes], at: int = 0) -> Iterator[str]:
    """Whole lines as they come, until the process has ended and all is read."""
    with log.open("rb") as file:
        file.seek(at)
        rest = b""
        while True:
            ended = process.poll() is not None
            rest += file.read()
            *whole, rest = rest.split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)
            if ended:
                if rest:
                    yield rest.decode(errors="replace")
                return
            time.sleep(_LOOK_SECONDS)


def heard(line: str, said: TerraformRun, on_progress: OnProgress = unheard) -> None:
    """Take in one line; one that is not JSON is left to the log."""
    try:
        word = json.loads(line)
    except ValueError:
        return
    match word.get("type"):
        case "planned_change":
            said.planned[word["change"]["resource"]["addr"]] = word["change"]["action"]
        case "resource_drift":
            said.drifted[word["change"]["resource"]["addr"]] = word["change"]["action"]
        case "change_summary":
            said.counts = word["changes"]
        case "apply_start" | "apply_progress":
            hook = word["hook"]
            doing = f"{_DOING.get(hook['action'], hook['action'])} {plainly(hook['resource']['addr'])}"
            seconds = hook.get("elapsed_seconds")
            on_progress(Step(doing + (f" ({seconds} s)" if seconds else ""), len(said.done), said.steps or None))
        case "apply_complete":
            addr = word["hook"]["resource"]["addr"]
            said.done.append(addr)
            on_progress(Step(plainly(addr), len(said.done), said.steps or None))
        case "refresh_start":
            on_progress(Step(f"looking at {plainly(word['hook']['resource']['addr'])}"))
        case "diagnostic" if word["diagnostic"]["severity"] == "error":
            about = word["diagnostic"]
            said.wrong.append(Diagnostic(about["summary"], about.get("detail", ""), about.get("address", "")))


def plainly(address: str) -> str:
    """An address without the word that all of them begin with: `kinesis.aws_kinesis_stream.trades`."""
    return address.removeprefix("module.")


def log_name(folder: Path, command: str) -> Path:
    """A new file for what a command says."""
    return folder / "logs" / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{command}.jsonl"
