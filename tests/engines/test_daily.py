"""A day's work in one go: what it does, what it does not do twice, and what it says where it cannot go on."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from coattail.config import Settings, load_settings
from coattail.engines.local import LocalEngine
from coattail.errors import UsageError
from coattail.home import Home
from coattail.market.exchange import Served
from coattail.stores.cloudwatch import Measurements
from coattail.stores.figures import FACT
from coattail.stores.gate import GateEvent, verdict
from coattail.stores.opening import open_outlines
from coattail.workspace import daily as work
from coattail.workspace.daily import Daily, daily
from coattail.workspace.documents import plain
from coattail.workspace.opening import open_stores
from coattail.workspace.state import state
from tests.harness.backfilling import START, differences, hosts_of, past_day, settings_for, truth
from tests.harness.commands import Child
from tests.harness.documented import SCHEMAS, keys
from tests.harness.running import landed, new_home
from tests.harness.scenes import evenly, spoiled, steady

pytestmark = pytest.mark.slow

HOURS = 1.0
DAY = START.date()
PATIENCE = timedelta(seconds=0.5)
BTC = ("binance:BTC-USDT", "coinbase:BTC-USD")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with past_day(HOURS, rate=0.05) as day:
        yield day


def worked(home: Home, settings: Settings, folder: Path, *, day: date = DAY, threshold: float = 95.0) -> Daily:
    return daily(home, settings, day=day, symbols=BTC, threshold=threshold, out=folder, patience=PATIENCE)


def states(done: Daily) -> dict[str, str]:
    return {step.name: str(step.state) for step in done.document.steps}


def test_a_day_lands_whole_and_again_nothing_of_it_does(served: Served, tmp_path: Path) -> None:
    home, settings = new_home(tmp_path), settings_for(served)
    first = worked(home, settings, tmp_path)
    assert states(first) == dict.fromkeys(("load", "judge", "count", "report"), "done")
    end = START + timedelta(days=1)
    assert differences(home.path, *(truth(served, name, START, end) for name in ("binance", "coinbase"))) == []
    assert first.document.verdict is not None
    assert first.document.verdict.records_processed == first.document.verdict.records_passed > 1000
    assert (tmp_path / "report-2025-03-04.html").stat().st_size > 10_000

    again = worked(home, settings, tmp_path)
    assert (again.passed, again.document.history is not None) == (True, True)
    assert "0 trades fetched" in again.document.steps[0].said
    assert again.document.verdict == verdict(open_outlines(home, settings).of("raw_trades"), GateEvent())
    with open_stores(home, settings=lambda: settings) as stores:
        there = {table.name: (table.rows, table.files) for table in state(stores).tables}
        fact = stores.hot.fact(FACT)
    assert again.document.tables is not None
    assert {table.name: (table.rows, table.files) for table in again.document.tables.tables} == there
    assert fact is not None
    assert fact[0]["rows"] == again.document.tables.rows


def test_a_day_without_trades_is_not_done(served: Served, tmp_path: Path) -> None:
    empty = DAY - timedelta(days=2)
    done = daily(new_home(tmp_path), settings_for(served), day=empty, symbols=BTC[:1], out=tmp_path)
    assert list(states(done).values()) == ["failed", *["not reached"] * 3]
    assert done.document.steps[0].said == "binance has no trade of BTC-USDT on 2025-03-02"


def test_where_an_exchange_does_not_answer_it_says_so_and_what_to_do(served: Served, tmp_path: Path) -> None:
    home = landed(tmp_path, evenly(steady(), 1))
    dead = dict.fromkeys(hosts_of(served), "http://127.0.0.1:9")
    done = worked(home, load_settings(home, overrides=dead), tmp_path)
    step = done.document.steps[0]
    assert list(states(done).values()) == ["failed", *["not reached"] * 3]
    assert "127.0.0.1:9" in step.said
    assert step.next_step
    assert f"FAILED  {step.said}; {step.next_step}" in repr(done)


class Counted:
    """A place for metrics that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def add(self, measured: Measurements, at: datetime) -> None:
        self.said += [f"{name} {values.total:g}" for (name, exchange), values in measured.items() if exchange is None]

    def close(self) -> None:
        return


def test_too_many_rejected_records_fail_the_gate_and_each_run_is_counted(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Counted()
    monkeypatch.setattr(work, "open_metrics", lambda settings: metrics)
    home, settings = landed(tmp_path, evenly(spoiled(steady()), 2)), settings_for(served)
    assert worked(home, settings, tmp_path).passed, "what had come in before is not judged"
    done = worked(home, settings, tmp_path, threshold=99.999)
    assert metrics.said == ["WorkflowSuccess 1", "WorkflowFailure 1"]
    assert states(done)["judge"] == "failed"
    assert "were rejected" in done.document.steps[1].said
    assert done.document.steps[1].next_step == "see which, and why: coattail dlq list"


def test_an_engine_that_runs_on_the_home_is_waited_for(served: Served, tmp_path: Path) -> None:
    home, stop = new_home(tmp_path), threading.Event()
    with LocalEngine(home, load_settings(home, overrides={"engine.trigger": "50ms"})) as engine:
        thread = threading.Thread(target=engine.run, args=(stop,))
        thread.start()
        try:
            done = worked(home, settings_for(served), tmp_path)
        finally:
            stop.set()
            thread.join()
    assert done.passed
    assert f"(process {os.getpid()}) lands them" in done.document.steps[0].said
    end = START + timedelta(days=1)
    trades = sum(truth(served, name, START, end).height for name in ("binance", "coinbase"))
    assert done.document.verdict is not None
    assert done.document.verdict.records_passed == trades


def test_in_a_cell_of_a_notebook_a_loop_runs_already(served: Served, tmp_path: Path) -> None:
    async def cell() -> Daily:
        return worked(new_home(tmp_path), settings_for(served), tmp_path)

    assert asyncio.run(cell()).passed


def test_a_wish_that_makes_no_sense_is_refused(served: Served, tmp_path: Path) -> None:
    home, settings = new_home(tmp_path), settings_for(served)
    with pytest.raises(UsageError, match="threshold 101"):
        worked(home, settings, tmp_path, threshold=101)
    with pytest.raises(UsageError, match="has not come yet"):
        worked(home, settings, tmp_path, day=datetime.now().date() + timedelta(days=2))
    today = datetime.now(UTC).date()
    with pytest.raises(UsageError, match=rf"{today} ends at midnight UTC.* coattail backfill --since {today}"):
        worked(home, settings, tmp_path, day=today)
    with pytest.raises(UsageError, match="there is no exchange 'binanse'; did you mean binance"):
        daily(home, settings, day=DAY, exchanges=("binanse",))
    with pytest.raises(UsageError, match="there is no BTC-XXX"):
        daily(home, settings, day=DAY, symbols=("binance:BTC-XXX",))


def test_the_command_ends_with_1_where_the_day_is_not_done(served: Served, tmp_path: Path) -> None:
    hosts = [word for key, host in hosts_of(served).items() for word in ("--setting", f"{key}={json.dumps(host)}")]
    asked = ["daily", "--day", "2025-03-04", "--symbol", "btc-usdt", "--exchange", "binance", *hosts,
             "--home", tmp_path / "home"]  # fmt: skip
    done = Child(*asked, "--json", folder=tmp_path).end()
    said = json.loads(done.out)
    assert (done.code, said["passed"], said["day"]) == (0, True, "2025-03-04")
    assert Path(said["report"]["out"]).name == "report-2025-03-04.html"
    documented = SCHEMAS["daily"]
    for name in ("history", "report"):
        documented[name] = said[name]
    assert set(keys(said)) == set(keys(documented))
    failed = Child(*asked, "--day", "2025-03-01", folder=tmp_path).end()
    assert failed.code == 1
    assert "load    FAILED  binance has no trade of BTC-USDT on 2025-03-01" in failed.out
    assert plain(said["steps"][3]["state"]) == "done"
