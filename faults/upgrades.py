"""R14: detectors come, go and change; a home of an older version goes on; one of a newer version is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest import mock

import msgspec

from coattail.alerts import Alert
from coattail.engines.ledger import AlertLedger
from coattail.home import Home
from coattail.streams.local import LocalStream
from faults.crashes import CHECKPOINT_DAMAGES, left_behind
from faults.engines import EVERY_SEGMENT, drained, engine, fed
from faults.experiment import BOTH, LOCAL, Control, Experiment, LeftOut, Outcome, Task
from tests.harness.oracle import expected
from tests.harness.processes import ROOT, environment
from tests.harness.running import differences, feed, found, new_home
from tests.harness.scenes import at, evenly, market, with_gap_refilled

BEFORE = "d187829"
"""The last commit before the Spark engine: its homes have to go on."""

TWO, THREE = ["volume-anomaly", "whale-detector"], ["volume-anomaly", "whale-detector", "spread-calculator"]
STEPS: tuple[tuple[str, dict[str, object]], ...] = (
    ("two detectors", {"modules": TWO}),
    ("one more", {"modules": THREE}),
    ("one less", {"modules": ["volume-anomaly", "spread-calculator"]}),
    ("all again", {"modules": THREE}),
    ("another threshold", {"modules": THREE, "detectors.volume-anomaly.z_threshold": 4.0}),
)


def run(task: Task) -> Outcome:
    """Every upgrade that applies to this engine."""
    wrong = _detectors(task)
    task.say(f"{len(STEPS)} sets of detectors, {len(wrong)} faults")
    done = [f"{len(STEPS)} sets of detectors"]
    if task.size["older"]:
        try:
            wrong += _older_home(task)
            done.append(f"a home of {BEFORE}")
        except LeftOut as reason:
            done.append(f"no older home ({reason})")
        task.say(f"{done[-1]}, {len(wrong)} faults")
    refusals = _refusals(task) if task.engine == "local" else []
    wrong += [line for line in refusals if line]
    if task.engine == "local":
        done.append(f"{len(refusals)} refusals")
    else:
        for name in ("without its metadata", "of another version"):
            wrong += _old_checkpoint(task, name)
            done.append(f"a checkpoint {name}")
    figures = {"alerts fired anew": 0 if not wrong else "?"}
    if refusals:
        figures["refused with a sentence and exit code 1"] = f"{sum(not line for line in refusals)} of {len(refusals)}"
    return Outcome(", ".join(done), figures, wrong, [_forgetful(task.folder / "forgetful")])


def _detectors(task: Task) -> list[str]:
    """One home, one set of detectors after the other; each starts once with nothing new, and once with more trades."""
    records = list(market())
    home = new_home(task.folder)
    stream = LocalStream(home.stream)
    fired: Counter[str] = Counter()
    revisions: set[tuple[str, int]] = set()
    wrong: list[str] = []
    for (name, overrides), piece in zip(STEPS, evenly(records, len(STEPS)), strict=True):
        quiet: list[Alert] = []
        drained(task.engine, home, {**EVERY_SEGMENT, **overrides}, on_alerts=quiet.extend)
        if quiet:
            wrong.append(f"{name}: {len(quiet)} alerts fired though nothing was new")
        loud: list[Alert] = []
        feed(stream, [piece])
        drained(task.engine, home, {**EVERY_SEGMENT, **overrides}, on_alerts=loud.extend)
        for alert in loud:
            fired[alert.alert_id] += alert.revision == 1
            if (alert.alert_id, alert.revision) in revisions:
                wrong.append(f"{name}: revision {alert.revision} of {alert.alert_id} fired twice")
            revisions.add((alert.alert_id, alert.revision))
    again = [identity for identity, times in fired.items() if times > 1]
    if again:
        wrong.append(f"{len(again)} alerts fired anew")
    wanted, actual = expected(records), found(home)
    if (actual.trades, actual.bars) != (wanted.trades, wanted.bars):
        wrong.append("other trades or bars")
    invented = actual.alerts.keys() - wanted.alerts.keys()
    if invented:
        wrong.append(f"{len(invented)} alerts that no set of detectors gives")
    whales = {i for i, a in wanted.alerts.items() if a["module_id"] == "MOD-002" and i in fired}
    if not whales <= actual.alerts.keys():
        wrong.append("alerts of a detector that was taken out are gone")
    return wrong


# -- older and newer homes ---------------------------------------------------------------------------------------

_LAND_HALF = """
import sys
from pathlib import Path
import msgspec
from coattail.records import Malformed, Trade
from coattail.streams.local import LocalStream
from tests.engines.running import EVERY_SEGMENT, drained, feed, new_home
pieces = [[msgspec.convert(r, Trade) for r in piece] for piece in msgspec.json.decode(Path(sys.argv[2]).read_bytes())]
home = new_home(Path(sys.argv[1]))
feed(LocalStream(home.stream), pieces[:2])
drained(home, EVERY_SEGMENT)
feed(LocalStream(home.stream), pieces[2:3])
"""


def _older_home(task: Task) -> list[str]:
    """The older version lands half, and leaves a segment that it has not read; this one goes on.

    `_LAND_HALF` runs in a checkout of the older version, with its own tests' ways of feeding a home.
    """
    code = task.folder / "older"
    code.mkdir()
    archive = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        raise LeftOut(f"git has no {BEFORE} here")
    subprocess.run(["tar", "-x", "-C", str(code)], input=archive.stdout, check=True)
    records = list(market())
    pieces = evenly(records, 5)
    data = task.folder / "pieces.json"
    data.write_bytes(msgspec.json.encode(pieces))
    done = subprocess.run(
        [sys.executable, "-c", _LAND_HALF, str(task.folder / "by-older"), str(data)],
        cwd=code, env={**os.environ, "PYTHONPATH": str(code)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode:
        return [f"{BEFORE} itself failed: {done.stderr.strip().splitlines()[-1]}"]
    home = Home.open(task.folder / "by-older" / "home")
    feed(LocalStream(home.stream), pieces[3:])
    drained(task.engine, home)
    return [f"home of {BEFORE}: {line}" for line in differences(expected(records), found(home))]


def _refusals(task: Task) -> list[str]:
    """What was wrong with each refusal; an empty string is a clear one."""
    home = fed(task.folder / "refused", evenly(list(market()), 5)[:1])
    record = json.loads((home.path / "home.json").read_text())
    newer = json.dumps({**record, "format_version": 99})
    said = [_refused(home, "home.json", newer, "upgrade coattail")]
    (home.path / "home.json").write_text(json.dumps(record))
    for text, word in (
        ("detectors: {whale: {z: 1}}\n", "unknown detector 'whale'"),
        ("detectors: {whale-detector: {large: 1}}\n", "large"),
        ("engine: {trigger: soon}\n", "engine.trigger"),
    )[: task.size["refusals"] - 1]:
        said.append(_refused(home, "coattail.yaml", text, word))
    return said


def _refused(home: Home, file: str, text: str, word: str) -> str:
    (home.path / file).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "coattail", "land", "--drain", "--home", str(home.path)],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    clear = done.returncode == 1 and word in done.stderr and done.stderr.count("\n") == 1
    return "" if clear else f"{file} {text[:40]!r}: exit code {done.returncode}, {done.stderr[-200:]!r}"


def _old_checkpoint(task: Task, name: str) -> list[str]:
    records = list(market())
    folder = task.folder / name.replace(" ", "-")
    home = fed(folder, evenly(records, 4))
    if not left_behind(task.engine, home, folder / "aside"):
        return [f"checkpoint {name}: there was none"]
    CHECKPOINT_DAMAGES[name](home.checkpoint)
    drained(task.engine, home)
    return [f"checkpoint {name}: {line}" for line in differences(expected(records), found(home))]


def _forgetful(folder: Path) -> Control:
    """An engine that does not look up what it has fired before, as one with its state in a lost checkpoint."""
    pieces = evenly(with_gap_refilled(market(), "binance", at(71), at(73.5)), 20)
    pieces = [[r for piece in pieces[:-1] for r in piece], pieces[-1]]  # what was missed comes last
    home = fed(folder, pieces[:1])
    before: list[Alert] = []
    again: list[Alert] = []
    drained("local", home, on_alerts=before.extend)
    with mock.patch.object(AlertLedger, "_load", side_effect=lambda day, now: {}):
        feed(LocalStream(home.stream), pieces[1:])
        with engine("local", home, on_alerts=again.extend) as running:
            running.drain()
    anew = {a.alert_id for a in again if a.revision == 1} & {a.alert_id for a in before}
    return Control("what was fired is not looked up", f"{len(anew)} alerts fired anew", bool(anew))


R14 = Experiment(
    id="R14",
    does="between two runs detectors are added, removed, put back and retuned; a home of the version before goes on; "
    "homes and settings that cannot be read are refused",
    run=run,
    engines=BOTH,
    seed=14,
    long={"older": 1, "refusals": 4},
    short={"older": 0, "refusals": 1},
    short_engines=LOCAL,
)
