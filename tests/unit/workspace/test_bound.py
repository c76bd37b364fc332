"""A workspace: the page's code, and what it promises of itself."""

from __future__ import annotations

import copy
import gc
import pickle
import re
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import coattail
from coattail import Workspace
from coattail.errors import HomeError, UsageError
from coattail.home import Home
from coattail.market import Market, write

PAGE = Path(__file__).parents[3] / "docs" / "WORKSPACE.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
DAY = datetime(2025, 3, 4, tzinfo=UTC)


@pytest.fixture
def ws(day: Home) -> Workspace:
    return Workspace(day.path)


@pytest.mark.slow
def test_the_code_of_the_page_runs(
    day: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COATTAIL_HOME", str(day.path))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in BLOCKS:
        exec(block, names)
    shown = capsys.readouterr().out
    assert f"Workspace('{day.path}')" in shown
    assert "REPRODUCED: computed again" in shown
    assert "settings asked for: volume-anomaly.minimum_windows" in shown
    assert '"next_cursor"' in shown
    assert names["bars"].height > 0
    assert names["then"].height > 0
    assert names["then"].columns == ["symbol", "price", "quantity"]
    assert names["again"].written
    assert (tmp_path / "day.html").exists()
    assert pl.read_parquet(tmp_path / "bars.parquet").height > 0
    assert [value for value, _ in names["tried"].sweep.points] == [30, 45, 60]
    assert "dry run: nothing was changed" in shown
    assert len(BLOCKS) >= 6


def test_it_finds_the_home_as_the_command_line_does(day: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COATTAIL_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HomeError, match="there is no home at"):
        Workspace()
    monkeypatch.setenv("COATTAIL_HOME", str(day.path))
    assert Workspace().home.path == day.path


def test_it_says_which_home_and_how_much_is_in_it(ws: Workspace, home: Home) -> None:
    trades = ws.status().trades.landed
    assert re.fullmatch(
        rf"Workspace\('{ws.home.path}'\): {trades:,} trades to 2025-03-04 13:\d\d:\d\dZ, \d+ tables of \S+ MB, "
        "no engine runs",
        repr(ws),
    )
    assert f"{trades:,} trades" in ws._repr_html_()
    assert repr(Workspace(home.path)).endswith("nothing has landed yet")


def test_times_are_text_datetimes_or_timedeltas(ws: Workspace) -> None:
    since = DAY + timedelta(hours=13)
    found = ws.alerts(since=since, limit=None)
    assert len(found) == len(ws.alerts(since="2025-03-04T13:00", limit=None)) > 0
    assert len(ws.alerts(since=datetime.now(UTC) - since, limit=None)) in (len(found), len(found) - 1)
    assert min(found.rows["detected_at"]) >= since
    assert len(ws.alerts(since="2h")) == 0
    assert "the newest alert is of 2025-03-04" in repr(ws.alerts(since="2h"))
    with pytest.raises(UsageError, match="since 'yesterday' is not a time"):
        ws.alerts(since="yesterday")


def test_frames_are_polars_with_the_tables_columns(ws: Workspace) -> None:
    counts = ws.sql("SELECT symbol, count(*) AS trades FROM raw_trades GROUP BY 1 ORDER BY 1")
    assert isinstance(counts, pl.DataFrame)
    assert counts.equals(ws.coverage().rows.sort("symbol").select("symbol", "trades"))
    raw = ws.table("raw_trades")
    assert raw.height == ws.status().trades.landed
    assert "raw_event_payload" not in raw.columns
    assert ws.sql("SELECT * FROM bars", limit=3).height == 3
    assert ws.rejected().height == ws.gaps().height == 0


def test_a_table_is_read_as_of_a_snapshot(ws: Workspace) -> None:
    past = ws.snapshots()
    first = ws.table("raw_trades", as_of=past["snapshot_id"][-1], columns=["trade_id"])
    assert first.height == past["rows"][-1]
    with pytest.raises(UsageError, match="there is no table 'nothing'; known: raw_trades"):
        ws.table("nothing")
    with pytest.raises(UsageError, match="raw_trades has no snapshot 7"):
        ws.table("raw_trades", as_of=7)


def test_what_cannot_be_meant_is_a_usage_error(ws: Workspace) -> None:
    for ask, words in (
        (lambda: ws.table("bars", columns=["nothing"]), "are not columns of bars"),
        (lambda: ws.table("bars", columns=[5]), "columns 5 is not text; write it in quotes: '5'"),
        (lambda: ws.table("bars", columns=5), "columns 5 is not text"),
        (lambda: ws.sql("SELECT 1", limit=-1), "limit -1"),
        (lambda: ws.rejected(limit=0), "limit 0"),
        (lambda: ws.what_if(sweep=("volume-anomaly.window", [])), "no value of volume-anomaly.window"),
        (lambda: ws.report(day="someday"), "day 'someday' is not a time"),
        (lambda: ws.explain(5), "identity 5 is not text; write it in quotes: '5'"),
        (lambda: ws.coverage(symbol=5), "symbol 5 is not text"),
        (lambda: ws.gaps(exchange=["binance"]), r"exchange \['binance'\] is not text"),
        (lambda: ws.sql(5), "query 5 is not text"),
        (lambda: ws.sql("SELECT 1", limit="3"), "limit '3' is not a whole number; write it like 50, without quotes"),
        (lambda: ws.rejected(limit="3"), "limit '3' is not a whole number"),
        (lambda: ws.report(5), "out 5 is not a path; write it in quotes, or give a pathlib.Path"),
        (lambda: ws.report(symbols=5), "symbols 5 is not text"),
        (lambda: ws.reprocess("x"), "changes 'x' does not give values by name; write it like"),
        (lambda: ws.reprocess(into=5), "into 5 is not text"),
        (lambda: ws.what_if(sweep="x"), "sweep 'x' is not a parameter with values; write it like"),
        (lambda: ws.what_if(truth=5), "truth 5 is not a path"),
        (lambda: ws.export("bars", 5), "out 5 is not a path"),
        (lambda: ws.replay(5), "path 5 is not a path"),
        (lambda: Workspace(5), "home 5 is not a path"),
        (lambda: Workspace(ws.home.path, settings={5: 5}), r"settings \{5: 5\} does not give values by name"),
    ):
        with pytest.raises(UsageError, match=words):
            ask()


def test_one_name_may_stand_for_a_list_of_one(ws: Workspace, tmp_path: Path) -> None:
    assert ws.table("bars", columns="symbol").columns == ["symbol"]
    assert ws.report(tmp_path / "day.html", symbols="BTC-USDT", light=True).facts.symbols == ("BTC-USDT",)


def test_frames_without_rows_have_their_columns(home: Home) -> None:
    ws = Workspace(home.path)
    assert ws.rejected().columns[:2] == ["key", "stream"]
    assert ws.snapshots().columns[:2] == ["snapshot_id", "commit"]


def test_an_alert_that_is_followed_prints_as_a_line(ws: Workspace) -> None:
    first = next(ws.follow(current=1))
    assert [repr(first)] == repr(ws.alerts(limit=1)).splitlines()[:1]


def test_a_report_takes_its_day_as_text(ws: Workspace, tmp_path: Path) -> None:
    assert ws.report(tmp_path / "day.html", day="2025-03-04", light=True).facts.span.since == DAY


def test_a_copy_opens_its_own_stores(ws: Workspace) -> None:
    page = ws.alerts(limit=2)
    for other in (pickle.loads(pickle.dumps(ws)), copy.deepcopy(ws)):
        with other:
            assert [alert.alert_id for alert in other.alerts(limit=2)] == [page[0].alert_id, page[1].alert_id]


def test_settings_given_here_override_those_of_the_home(day: Home) -> None:
    ws = Workspace(day.path, settings={"engine.keep_snapshots": 7})
    assert ws.settings.engine.keep_snapshots == 7
    assert ws.snapshots()["stays"][0].startswith("for about 7 more")


def test_only_looking_changes_nothing_in_the_home(day: Home, ws: Workspace) -> None:
    def files() -> dict[Path, int]:
        found = (p for p in day.path.rglob("*") if p.is_file() and not p.name.startswith("hot.db-"))
        return {path: path.stat().st_mtime_ns for path in found}

    before = files()
    with ws:
        ws.alerts(limit=None)
        ws.sql("SELECT * FROM alerts")
        ws.status()
        ws.what_if({"volume-anomaly.z_threshold": 3})
    assert files() == before


@pytest.mark.slow
def test_it_lands_recordings_and_knows_them_afterwards(home: Home, tmp_path: Path) -> None:
    write(Market(seed=3, duration=timedelta(minutes=90), rate=0.05), tmp_path / "market")
    with Workspace(home.path) as ws:
        assert repr(ws).endswith("nothing has landed yet")
        done = ws.replay(tmp_path / "market", symbols=["BTC-USDT", "BTC-USD"])
        assert done.outcome is not None
        assert done.outcome.landed == ws.status().trades.landed == ws.table("raw_trades", columns=["symbol"]).height > 0
        assert set(ws.coverage().rows["symbol"]) == {"BTC-USDT", "BTC-USD"}
        said, landed = repr(done).splitlines(), done.outcome.landed
        assert said[0].startswith(f"{landed:,} trades of 2025-03-04 ")
        assert said[1] == f"received {landed:,} = landed {landed:,} + rejected 0 + duplicates 0"
        assert said[-1] == f'query:    coattail --home {home.path} sql "SELECT * FROM raw_trades LIMIT 5"'
        scored = ws.scorecard(tmp_path / "market" / "truth.parquet", curves=True)
        assert {"whale    classic", "whale    default"} <= {line[:16] for line in repr(scored).splitlines()}
        assert "found at equal false alarms" in repr(scored)
        found = scored.found
        assert set(found["presets"]) == {"classic", "default"}
        depegs = found["presets"]["default"]["spread-calculator"]["depeg"]
        assert depegs["per_market_day"]["value"] is None, "no stablecoin is traded for dollars here"
        assert "depeg" not in found["curves"]


def test_the_name_is_loaded_when_it_is_asked_for() -> None:
    code = "import sys, coattail; print('coattail.config' in sys.modules, coattail.Workspace.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "Workspace"]
    with pytest.raises(AttributeError, match="no attribute 'Desk'"):
        coattail.Desk  # noqa: B018


def test_a_workspace_that_nobody_holds_any_more_leaves_no_connection_open(day: Home) -> None:
    """Python 3.13 warns of each that was left open."""
    ws = Workspace(day.path)
    connection, pool = ws.stores.hot._connection, ws.stores.lake.catalog.engine.pool
    assert connection.execute("SELECT count(*) FROM alerts").fetchone()[0] > 0
    assert ws.stores.lake.newest("raw_trades") is not None
    assert pool.checkedin() == 1
    del ws
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
    assert pool.checkedin() == 0
