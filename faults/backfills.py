"""R25: a day is fetched from the exchanges by processes that are killed; then holes are torn and filled."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx

from coattail.market.exchange import Served
from coattail.workspace.backfill import backfill
from coattail.workspace.loading import Wish
from faults.experiment import LOCAL, Control, Experiment, Outcome, Task
from tests.harness.backfilling import (
    START,
    SYMBOLS,
    differences,
    killed_backfill,
    past_day,
    settings_for,
    truth,
    with_holes,
)
from tests.harness.running import new_home

_HOLES = [(5, 5), (100, 1350), (1400, 1402), (2000, 2999), (3001, 3001)]
"""Places of trades that nobody heard, in the order of their ids."""


def run(task: Task) -> Outcome:
    """Fetch, kill, fetch again; then fill the holes of another home."""
    task.folder.mkdir(exist_ok=True)
    hours, end = task.size["hours"], START + timedelta(hours=task.size["hours"])
    with past_day(hours, rate=task.size["percent"] / 100, seed=task.seed) as day:
        wanted = [truth(day, name, START, end) for name in SYMBOLS]
        home = new_home(task.folder)
        went = killed_backfill(day, home, hours, kills=task.size["kills"])
        wrong = differences(home.path, *wanted)
        if went.done.code:
            wrong.append(f"the last process ended with {went.done.code}: {went.done.err[-200:]}")
        task.say(f"{went.kills} kills, {len(wrong)} differences")
        (task.folder / "holes").mkdir()
        holed = new_home(task.folder / "holes")
        for name, rows in zip(SYMBOLS, wanted, strict=True):
            with_holes(holed, rows, _HOLES, f"live-{name}")
        torn = differences(holed.path, *wanted)
        filled = backfill(holed, settings_for(day), Wish(gaps=True))
        wrong += differences(holed.path, *wanted)
        if not torn or not filled.document.complete:
            wrong.append(f"holes {torn} were filled with: {filled!r}")
        control = _by_time(day, wanted[0]["trade_id"].to_list())
    number = sum(rows.height for rows in wanted)
    figures = {"lost": 0, "doubled": 0, "left in holes": 0} if not wrong else {"differences": len(wrong)}
    size = f"{number:,} trades, {went.kills} kills, {len(_HOLES) * len(SYMBOLS)} holes"
    return Outcome(size, dict(figures), wrong, [control])


def _by_time(day: Served, ids: list[int]) -> Control:
    """Pages of aggregates by time, each from the millisecond after the last trade of the page before."""
    code, since, have = SYMBOLS["binance"][0], int(START.timestamp() * 1000), set[int]()
    url = f"{day.venues['binance'].rest_url}/api/v3/aggTrades"
    with httpx.Client(trust_env=False) as client:
        while True:
            page = json.loads(client.get(url, params={"symbol": code, "startTime": since, "limit": 100}).content)
            if not page or len(have) > len(ids):
                break
            for row in page:
                have.update(range(row["f"], row["l"] + 1))
            since = page[-1]["T"] + 1
            if page[-1]["l"] > ids[min(len(ids), 20_000) - 1]:
                break
    lost = sum(1 for n in ids if n <= max(have) and n not in have)
    return Control("pages asked for by time", f"{lost} of {len(have) + lost:,} trades lost at their edges", lost > 0)


R25 = Experiment(
    id="R25",
    does="a process that fetches a past day from two exchanges is killed again and again; then holes are filled",
    run=run,
    engines=LOCAL,
    seed=11,
    long={"hours": 24, "percent": 25, "kills": 5},
    short=None,
    shortly="tests/engines/test_backfill.py",
)
