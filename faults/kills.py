"""R1: `kill -9` at random instants, again and again, and at the end every trade, bar, alert and count is there once."""

from __future__ import annotations

from faults.engines import PATIENCE_S
from faults.experiment import BOTH, Control, Experiment, Outcome, Task
from tests.harness import killing, killing_spark


def run(task: Task) -> Outcome:
    """Kill engines of this kind, and see what is left."""
    loop = killing_spark.killed_again_and_again if task.engine == "spark" else killing.killed_again_and_again
    task.folder.mkdir(exist_ok=True)
    wrong: list[str] = []
    recoveries: list[float] = []
    kills, rounds = task.size["kills"], task.size["rounds"]
    if task.engine == "spark":
        kills, rounds = task.size["spark_kills"], 1
    for number in range(rounds):
        folder = task.folder / f"round{number}"
        folder.mkdir()
        done = loop(folder, kills=kills, seed=task.seed + number)
        wrong += done.differences
        recoveries += done.recovery_s
        task.say(f"{(number + 1) * kills} of {rounds * kills} kills, {len(wrong)} differences")
    slowest = max(recoveries)
    if slowest > PATIENCE_S[task.engine]:
        wrong.append(f"a restart took {slowest:.1f} s")
    figures = {"lost": 0, "doubled": 0, "alerts changed": 0} if not wrong else {"differences": len(wrong)}
    figures["slowest restart"] = f"{slowest:.1f} s"  # type: ignore[assignment]
    return Outcome(f"{rounds * kills} kills", dict(figures), wrong, _controls(task))


def _controls(task: Task) -> list[Control]:
    """The same kills where progress is noted in a file beside the tables; the local engine shows it for both."""
    if task.engine == "spark":
        return []
    folder = task.folder / "beside"
    folder.mkdir()
    said = killing.killed_again_and_again(folder, kills=8, seed=task.seed, beside=True).differences
    lost = [line for line in said if line.startswith("trades") and " 0 lost" not in line]
    return [Control("a checkpoint file beside the tables", lost[0].split(";")[0] if lost else "nothing", bool(lost))]


R1 = Experiment(
    id="R1",
    does="the process (with Spark: driver, JVM and workers) is killed at random instants and started again",
    run=run,
    engines=BOTH,
    seed=20_250_304,
    long={"kills": 20, "rounds": 3, "spark_kills": 12},
    short=None,
    shortly="tests/engines/test_kill.py, tests/engines/test_spark_kill.py",
)
