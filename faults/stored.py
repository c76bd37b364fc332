"""R5, R7, R9, R10: experiments that live beside the tests of what they are about, called here in their long form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from faults.experiment import LOCAL, Control, Experiment, Outcome, Task
from faults.seeds import own_bars


def _figures(found: dict[str, Any], *names: str) -> dict[str, object]:
    return {
        name.replace("_", " "): f"{found[name]:,}" if isinstance(found[name], int) else found[name] for name in names
    }


def shown_by(plainer: str, came_of_it: str, test: Callable[[], object]) -> Control:
    """The control that a test holds: the test asserts that the plainer design fails."""
    try:
        test()
    except AssertionError:
        return Control(plainer, "nothing", failed=False)
    return Control(plainer, came_of_it, failed=True)


def run_r5(task: Task) -> Outcome:
    """A day, streamed, recomputed, and recomputed as of old snapshots."""
    from tests.engines.test_reprocess import run_r5

    found = run_r5(task.seed, task.size["trades"])
    wrong = [f"{found['different']} alerts differ"] if found["different"] else []
    return Outcome(
        f"{found['trades']:,} trades", _figures(found, "alerts", "snapshots", "different"), wrong, [own_bars(task.seed)]
    )


R5 = Experiment(
    id="R5",
    does="a day is streamed out of order with repeats, recomputed, and recomputed as of old snapshots",
    run=run_r5,
    engines=LOCAL,
    seed=5,
    long={"trades": 200_000},
    short=None,
    shortly="tests/engines/test_reprocess.py",
)


def run_r7(task: Task) -> Outcome:
    """Kinesis that refuses, fails and is away."""
    from tests.engines.test_kinesis import run_r7

    found = run_r7(task.seed, task.size["trades"], task.folder)
    names = ("lost", "doubled", "invented", "rejected")
    wrong = [f"{found[name]} {name}" for name in names if found[name]]
    held = found["queued_bytes"] + found["largest_call_bytes"]
    if held > 64 << 20:
        wrong.append(f"{held:,} bytes queued")
    if found["waited_seconds"] < 60:
        wrong.append("no back-pressure was felt in an outage of 60 s")
    shown = _figures(found, *names[:2], "duplicates", "throttled", "failed", "waited_seconds", "queued_bytes")
    trusting = found["duplicates"]
    control = Control("dedup by sequence number", f"{trusting:,} trades of lost answers count twice", trusting > 0)
    return Outcome(f"{found['sent']:,} trades", shown, wrong, [control])


R7 = Experiment(
    id="R7",
    does="Kinesis refuses 30 % of the records, loses answers after it accepted, fails with 5xx, is away for 60 s",
    run=run_r7,
    engines=LOCAL,
    seed=17,
    long={"trades": 100_000},
    short=None,
    shortly="tests/engines/test_kinesis.py",
)


def run_r9(task: Task) -> Outcome:
    """Commits, maintenance and a second writer at once."""
    from tests.engines import test_maintenance as tests

    found = tests.run_r9(task.seed, task.size["commits"], task.folder)
    figures = {
        "stale commits refused": found["second_writer"]["refused"],
        "accepted": found["second_writer"]["accepted"],
        "attempts at one commit at most": found["engine"]["most_attempts"],
    }
    (task.folder / "control").mkdir()
    control = shown_by(
        "PyIceberg's own retries",
        "a stale append goes through and every row is there twice",
        lambda: tests.test_r9_control_with_pyicebergs_own_retries_a_stale_second_writer_doubles_rows(
            task.folder / "control"
        ),
    )
    return _of_problems(f"{task.size['commits']} commits", figures, found["problems"], [control])


R9 = Experiment(
    id="R9",
    does="an engine commits while another process compacts and expires and a second writer tries to commit",
    run=run_r9,
    engines=LOCAL,
    seed=9,
    long={"commits": 100},
    short=None,
    shortly="tests/engines/test_maintenance.py",
)


def run_r10(task: Task) -> Outcome:
    """Maintenance between a crash and the restart."""
    from tests.engines import test_maintenance as tests

    problems: list[str] = []
    rounds = [(seed, steps) for seed in range(task.seed, task.seed + task.size["seeds"]) for steps in ORDERS]
    for number, (seed, steps) in enumerate(rounds):
        folder = task.folder / f"{number}"
        folder.mkdir()
        problems += [f"{', '.join(steps)}: {line}" for line in tests.run_r10(seed, folder, steps)["problems"]]
        task.say(f"{number + 1} of {len(rounds)} rounds, {len(problems)} problems")
    (task.folder / "control").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        marker = shown_by(
            "a marker on the newest snapshot only",
            "compaction hides it and bars count twice",
            lambda: tests.test_r10_control_a_marker_on_the_newest_snapshot_only_is_lost_by_compaction(
                task.folder / "control", patch
            ),
        )
    return _of_problems(f"{3 * len(rounds)} crashes", {}, problems, [marker])


ORDERS = (
    ("compact", "expire", "orphans"),
    ("compact", "roll back", "expire", "orphans"),
    ("compact", "compact"),
)
"""What is done between a crash and the restart, in this order."""

R10 = Experiment(
    id="R10",
    does="tables are compacted, expired and rolled back between a crash and the restart",
    run=run_r10,
    engines=LOCAL,
    seed=10,
    long={"seeds": 4},
    short=None,
    shortly="tests/engines/test_maintenance.py",
)


def _of_problems(size: str, figures: dict[str, object], problems: list[Any], controls: list[Control]) -> Outcome:
    return Outcome(size, {"problems": len(problems), **figures}, [str(line) for line in problems], controls)
