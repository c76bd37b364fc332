"""What `coattail export` writes, prints and refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coattail.alerts import Alert
from coattail.home import Home
from coattail.stores.catalog import embedded
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.lake import Lake
from coattail.tables import ORDERS

Run = Callable[..., Any]
START = datetime(2025, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with two commits of large_trades, and one alert in the hot store."""
    made = Home.open(tmp_path / "home", create=True)
    lake = Lake(embedded(made.path))
    for day in range(2):
        row = {"exchange": "e", "symbol": "S", "trade_id": day, "last_trade_id": day,
               "timestamp": START + timedelta(days=day)}  # fmt: skip
        lake.commit(ORDERS, lake.write(ORDERS, ORDERS.conform(pl.DataFrame([row]))), {"through": str(day)})
    lake.close()
    hot = SqliteHotStore(made.hot_db)
    alert = Alert(
        alert_id="a", revision=1, alert_type="volume_spike", module_id="MOD-001", symbol="=S", exchange=None,
        severity="high", detected_at=START, status="provisional", message="m", details="{}", preset="classic",
    )  # fmt: skip
    hot.put_alerts([alert], now=datetime.now(UTC))
    hot.close()
    return made


def on_the_page(command: str) -> dict[str, Any]:
    """The document that docs/CLI.md shows for a command."""
    text = (Path(__file__).parents[3] / "docs" / "CLI.md").read_text(encoding="utf-8")
    block = text.partition(f"## coattail {command}\n")[2].partition("```json\n")[2].partition("```")[0]
    return dict(json.loads(block))


def test_json_has_the_keys_of_the_page(coattail: Run, home: Home, tmp_path: Path) -> None:
    done = coattail(
        "export", "large_trades", "--home", home.path, "--out", "t.parquet", "--since", "2025-03-05", "--json"
    )
    document = json.loads(done.out)
    assert done.code == 0
    assert document.keys() == on_the_page("export").keys()
    assert (document["rows"], document["files"]) == (1, [str(tmp_path / "t.parquet")])
    assert document["since"] == "2025-03-05T00:00:00Z"
    assert pl.read_parquet("t.parquet")["trade_id"].to_list() == [1]


def test_the_view_alerts_has_what_only_the_hot_store_holds(coattail: Run, home: Home) -> None:
    done = coattail("export", "alerts", "--home", home.path, "--out", "a.csv", "--columns", "symbol,status")
    assert (done.code, Path("a.csv").read_text()) == (0, "symbol,status\n'=S,provisional\n")
    assert "1 rows" in done.out
    assert "alerts as it is now" in done.out


def test_days_are_whole_even_if_the_range_is_not(coattail: Run, home: Home, tmp_path: Path) -> None:
    asked = ("--since", "2025-03-04T23:00:00", "--until", "2025-03-05T01:00:00")
    done = coattail("export", "large_trades", "--home", home.path, "--out", "days/", *asked)
    assert "from 2025-03-04 00:00:00Z to 2025-03-06 00:00:00Z" in done.out
    files = sorted(path.relative_to(tmp_path).as_posix() for path in Path("days").resolve().rglob("*.*"))
    assert files == [f"days/dt=2025-03-0{day}/large_trades.parquet" for day in (4, 5)]
    again = coattail("export", "large_trades", "--home", home.path, "--out", "days/", "--force")
    assert (again.code, "2 rows" in again.out) == (0, True)


def test_as_of_names_a_snapshot_of_a_table_and_never_of_a_view(coattail: Run, home: Home) -> None:
    lake = Lake(embedded(home.path))
    first = lake.iceberg("large_trades").snapshots()[0].snapshot_id
    lake.close()
    done = coattail("export", "large_trades", "--home", home.path, "--out", "t.csv", "--as-of", first)
    assert (done.code, f"at snapshot {first}" in done.out, "1 rows" in done.out) == (0, True, True)
    refused = coattail("export", "alerts", "--home", home.path, "--out", "a.csv", "--as-of", first)
    assert (refused.code, "export anomaly_alerts" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("large_trade", "--out", "t.csv"), "tables here: large_trades; views: "),
        (("large_trades", "--out", "home/t.csv"), "lies inside the home"),
        (("large_trades", "--out", "t.csv", "--columns", ","), "--columns names none"),
        (("large_trades", "--out", "missing/t.csv"), "No such file or directory"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_remedy(
    arguments: tuple[str, ...], said: str, coattail: Run, home: Home
) -> None:
    done = coattail("export", *arguments, "--home", home.path)
    assert done.code in (1, 2)
    assert said in done.err
    assert not Path("t.csv").exists()
