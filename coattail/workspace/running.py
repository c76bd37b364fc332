"""`run`: a producer and an engine as two processes that are kept alive together.

Each is the command that a person could have typed, with `--json`, and says every second how it is doing. One that ends
although nobody wanted it to is started again, after waits that grow; what it had not finished it goes on with. Both
stop with this process, however that ends: their standard input is a pipe of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coattail.errors import CoattailError

HELD = "COATTAIL_HELD"
"""Environment variable that tells a process to stop when its standard input ends."""

AGAIN_FIRST, AGAIN_MOST = 1.0, 60.0
"""Seconds before a process that ended is started again."""
SOUND_AFTER = 60.0
"""A process that ran for as many seconds before it ended is started again without a longer wait."""
STOP_WITHIN = 60.0
"""Seconds that a process has to stop in order: the batch in hand, and everything derived."""
LAND_WITHIN = 30.0
"""Seconds for which the engine goes on after the producer has stopped, to land what waits."""

OnEvent = Callable[[str, Mapping[str, Any]], None]
"""Called with the name of a process and one line that it printed; from threads."""


class RunFailed(CoattailError):
    """A process could not be started, or ends again and again."""


@dataclass
class Part:
    """One of the processes."""

    name: str
    arguments: Sequence[str]
    """After `coattail`."""
    restarts: int = 0
    said: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    """What it printed last on its standard error."""
    process: subprocess.Popen[bytes] | None = None
    threads: list[threading.Thread] = field(default_factory=list)
    """They read what it prints, until its end."""
    began: float = 0.0
    ever: bool = False
    """Whether it has ever said that it is at work."""
    wait: float = AGAIN_FIRST
    again: float | None = None
    """When it is started again (monotonic seconds), where it ended."""

    @property
    def pid(self) -> int | None:
        """Its process, while there is one."""
        return self.process.pid if self.process is not None else None


class Processes:
    """The processes of a home, producer first."""

    def __init__(self, parts: Sequence[Part], on_event: OnEvent, on_trouble: Callable[[str], None]) -> None:
        self.parts = list(parts)
        self._on_event, self._on_trouble = on_event, on_trouble
        self._waiting_bytes = 0

    def run(self, stop: threading.Event) -> None:
        """Keep them alive until `stop` is set; then the producer stops, what waits lands, and the engine stops.

        Raises: RunFailed: If one ends without ever having been at work: starting it again would not help.
        """
        try:
            for part in self.parts:
                self._start(part)
            while not stop.wait(0.1):
                for part in self.parts:
                    self._look_after(part)
            self._stop()
        finally:
            for part in self.parts:
                if part.process is not None and part.process.poll() is None:
                    part.process.kill()
                    part.process.wait()
            for part in self.parts:
                _close(part)

    def _start(self, part: Part) -> None:
        _close(part)
        part.process = subprocess.Popen(
            [sys.executable, "-m", "coattail", *part.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, HELD: "1"},
            start_new_session=True,  # Ctrl-C is for this process: it stops them one after the other
        )
        part.began, part.again, part.threads = time.monotonic(), None, []
        for read in (self._read, self._read_errors):
            thread = threading.Thread(target=read, args=(part, part.process), name=part.name, daemon=True)
            thread.start()
            part.threads.append(thread)

    def _read(self, part: Part, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as printed:
            for text in printed:
                try:
                    event = json.loads(text)
                except ValueError:
                    self._on_trouble(f"{part.name} said: {text.decode('utf-8', 'replace').strip()}")
                    continue
                part.ever = part.ever or event.get("event") == "state"
                self._waiting_bytes = event.get("waiting_bytes", self._waiting_bytes)
                self._on_event(part.name, event)

    def _read_errors(self, part: Part, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        with process.stderr as printed:
            for text in printed:
                part.said.append(text.decode("utf-8", "replace").rstrip())

    def _look_after(self, part: Part) -> None:
        assert part.process is not None
        if part.again is not None:
            if time.monotonic() >= part.again:
                part.restarts += 1
                self._start(part)
            return
        code = part.process.poll()
        if code is None:
            return
        for thread in part.threads:
            thread.join()  # so that all it said is here
        why = part.said[-1] if part.said else f"exit code {code}"
        if not part.ever or code == 0:
            raise RunFailed(f"{part.name} has ended: {_plain(why)}")
        if time.monotonic() - part.began > SOUND_AFTER:
            part.wait = AGAIN_FIRST
        self._on_trouble(f"{part.name} ended ({_plain(why)}) and is started again in {part.wait:.0f} s")
        part.again = time.monotonic() + part.wait
        part.wait = min(2 * part.wait, AGAIN_MOST)

    def _stop(self) -> None:
        *producers, engine = self.parts
        for part in producers:
            _end(part)
        deadline = time.monotonic() + LAND_WITHIN
        self._waiting_bytes = max(self._waiting_bytes, 1)  # until the engine has said how much there is now
        while self._waiting_bytes and time.monotonic() < deadline and engine.process and engine.process.poll() is None:
            time.sleep(0.1)
        _end(engine)


def _end(part: Part) -> None:
    """Ask it to stop, and wait until it has."""
    if part.process is None or part.process.poll() is not None:
        return
    part.process.terminate()
    try:
        part.process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        part.process.kill()
        part.process.wait()


def _close(part: Part) -> None:
    """Close the pipes of a process that has ended."""
    for thread in part.threads:
        thread.join()
    if part.process is not None and part.process.stdin is not None:
        part.process.stdin.close()


def _plain(said: str) -> str:
    """An error as it stands in a sentence."""
    return said.removeprefix("error: ")


def parts_of(shared: Sequence[str], produce: Sequence[str], land: Sequence[str]) -> list[Part]:
    """The two processes; `shared` are the options of both, then those of each."""
    return [
        Part("producer", ["produce", *shared, *produce, "--json"]),
        Part("engine", ["land", *shared, *land, "--json"]),
    ]
