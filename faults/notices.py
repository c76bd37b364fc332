"""R26: whoever sends alerts is killed at random instants, and the receiver fails; each alert is received."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from coattail.config import load_settings
from coattail.home import Home
from coattail.notify import beside, sinks_of
from coattail.notify.ledger import SENT, DeliveryLedger
from coattail.stores.hot_sqlite import SqliteHotStore
from faults.experiment import LOCAL, Control, Experiment, Outcome, Task
from tests.harness.alerts import make_alert
from tests.harness.processes import started
from tests.harness.running import new_home
from tests.harness.scripted_server import Asked, Reply, ScriptedServer

BURST = 8
"""Alerts that are written while a notifier lives."""
LONGEST_S = 1.2
"""Seconds after it is ready within which a notifier is killed."""
PATIENCE_S = 120
OURS, NOTES_FIRST = "ours", "notes first"


@dataclass
class Receipts:
    """What the receiver was sent, and how it answered."""

    asked: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    """Those that it answered with 200."""


class FailingReceiver(ScriptedServer):
    """Fails one time in ten, by a seed: 500, 429, a reset; or it accepts and cuts its answer off."""

    def __init__(self, seed: int) -> None:
        super().__init__(())
        self._rng = random.Random(seed)
        self.receipts = Receipts()

    def take(self, asked: Asked) -> Reply:
        """Note a request; the reply to it."""
        with self._lock:
            reply = Reply()
            if self._rng.random() < 0.1:
                reply = self._rng.choice(
                    [Reply(500), Reply(429, {"Retry-After": "1"}), Reply(how="reset"), Reply(body="cut", how="cut")]
                )
            self.receipts.asked[asked.key] += 1
            self.receipts.accepted[asked.key] += reply.status == 200 and reply.how != "reset"
            return reply


class NotesFirst(DeliveryLedger):
    """A plainer design: what is about to be sent is noted as sent, so that nothing is sent twice."""

    def attempt(self, sink: str, key: str, *, next_at: datetime, now: datetime) -> None:
        """Note the end of an attempt that is about to be made."""
        self.end(sink, key, SENT, None, now=now)

    def postpone(self, sink: str, key: str, detail: str, *, next_at: datetime) -> None:
        """Nothing is left to be tried again."""


def send(path: str, design: str) -> None:
    """A notifier of one of the designs, until it is killed."""
    if design == NOTES_FIRST:
        beside.DeliveryLedger = NotesFirst  # type: ignore[misc, attr-defined]
    home = Home.open(path, write=True)
    settings = load_settings(home)
    sinks = sinks_of(settings)
    with home.notify_lock("faults"):
        print("ready", flush=True)
        beside.deliver(home, settings, sinks, threading.Event())


def killed(task: Task, folder: Path, design: str) -> tuple[Receipts, int]:
    """The receipts of alerts that were written while notifiers of a design were killed, and how many were written."""
    rng = random.Random(task.seed)
    folder.mkdir()
    home = new_home(folder)
    receiver = FailingReceiver(task.seed)
    sink = {"kind": "webhook", "url": receiver.url, "max_per_minute": 100_000, "attempts": 100, "timeout": "5s"}
    home.config_file.write_text(json.dumps({"notify": {"sinks": {"phone": sink}}}))
    written = 0
    try:
        with closing(SqliteHotStore(home.hot_db)) as hot, closing(DeliveryLedger(home.notify_db)) as ledger:
            ledger.since("phone", datetime.now(UTC))
            for kill in range(task.size["kills"]):
                process = _ready(home, design)
                end = time.monotonic() + rng.uniform(0, LONGEST_S)
                for _ in range(BURST):
                    hot.put_alerts([make_alert(f"{written:032}")], now=datetime.now(UTC))
                    written += 1
                    time.sleep(max(0.0, (end - time.monotonic()) * rng.random()))
                time.sleep(max(0.0, end - time.monotonic()))
                _kill(process)
                if (kill + 1) % 10 == 0:
                    task.say(f"{kill + 1} of {task.size['kills']} kills of {design}")
            process = _ready(home, design)
            _until(lambda: not ledger.counts("phone", datetime.now(UTC)).get("waiting"), receiver, written)
            _kill(process)
    finally:
        receiver.close()
    return receiver.receipts, written


def _ready(home: Home, design: str) -> subprocess.Popen[str]:
    process = started("faults.notices", home.path, design)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def _until(nothing_waits: Callable[[], bool], receiver: FailingReceiver, written: int) -> None:
    """Wait until all were received, or nothing waits and nothing has come for three looks at the hot store."""
    end, quiet, before = time.monotonic() + PATIENCE_S, time.monotonic(), 0
    while time.monotonic() < end and sum(map(bool, receiver.receipts.accepted.values())) < written:
        if (now := receiver.receipts.asked.total()) != before or not nothing_waits():
            quiet, before = time.monotonic(), now
        if time.monotonic() - quiet > 4:
            return
        time.sleep(0.05)


def run(task: Task) -> Outcome:
    """Ours, and the plainer design, under the same kills and the same failures."""
    receipts, written = killed(task, task.folder / "ours", OURS)
    lost = written - sum(map(bool, receipts.accepted.values()))
    twice = receipts.accepted.total() - sum(map(bool, receipts.accepted.values()))
    outcome = Outcome(f"{task.size['kills']} kills, {written} alerts")
    outcome.figures |= {"requests": receipts.asked.total(), "lost": lost, "accepted twice": twice}
    if lost:
        outcome.wrong.append(f"{lost} alerts were never received")
    if twice > task.size["kills"]:
        outcome.wrong.append(f"{twice} were accepted twice, with {task.size['kills']} kills")
    if len(receipts.asked) != written:
        outcome.wrong.append(f"{len(receipts.asked)} keys for {written} alerts")
    theirs, written = killed(task, task.folder / "theirs", NOTES_FIRST)
    missing = written - sum(map(bool, theirs.accepted.values()))
    outcome.controls.append(
        Control("noted as sent before it is sent", f"{missing} of {written} never received", missing > 0)
    )
    return outcome


R26 = Experiment(
    id="R26",
    does="whoever sends alerts to a webhook is killed at random instants, while the webhook fails one time in ten",
    run=run,
    engines=LOCAL,
    seed=26,
    long={"kills": 40},
    short=None,
    shortly="tests/unit/notify/test_beside.py, tests/unit/notify/test_courier.py",
)


if __name__ == "__main__":
    send(*sys.argv[1:])
