"""A lake on Glue and in a bucket, with the newest alerts on DynamoDB: the same recordings give the same result."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from coattail import Workspace
from coattail.errors import ConfigError, HomeError, StoreError
from coattail.sql import Sql
from coattail.stores.certain_glue import CertainGlueCatalog
from coattail.stores.lake import Lake
from coattail.stores.opening import lake_properties, open_hot, open_lake
from coattail.stores.outline import Outlines
from coattail.streams.local import LocalStream
from coattail.tables import COVERAGE, RAW_TRADES, SESSIONS
from coattail.workspace.health import check
from tests.harness.aws_place import REGION, hot_there, lake_there
from tests.harness.emulator import INSTALLED
from tests.harness.faulty_front import Faults, faulty
from tests.harness.running import EVERY_SEGMENT, drained, feed, landed, new_home, settings_of
from tests.harness.scenes import evenly, market

pytestmark = pytest.mark.skipif(not INSTALLED, reason="the emulator of AWS is not installed: coattail[dev,aws]")
QUERIES = (
    "SELECT exchange, symbol, count(*), sum(trade_id), max(quote_volume) FROM raw_trades GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT alert_id, alert_type, severity, status, message, details FROM alerts ORDER BY 1",
    "SELECT exchange, symbol, bar_start, trades, notional FROM bars_merged ORDER BY 1, 2, 3",
    "SELECT symbol, first_id, last_id, state FROM coverage ORDER BY 1, 2",
    'SELECT sum(record_count) FROM "raw_trades$files"',
)
ROW = {"exchange": "binance", "symbol": "S-USDT", "session": "s", "first_id": 1, "last_id": 2}
PLAIN = {"py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO"}


def test_what_lands_there_in_two_runs_is_what_lands_here_at_once(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {**EVERY_SEGMENT, "lake": lake_there("lands", service), "hot.url": hot_there("lands", service)}
    settings, pieces = settings_of(there), evenly(market(), 4)
    home = landed(tmp_path, pieces[:2], there)
    feed(LocalStream(home.stream), pieces[1:])  # one comes twice
    drained(home, there)
    here = landed(tmp_path / "here", [market()])
    with (
        closing(open_lake(home, settings)) as lake,
        closing(open_hot(home, settings)) as hot,
        closing(open_lake(here, settings_of({}))) as own,
        closing(open_hot(here, settings_of({}))) as file,
    ):
        for query in QUERIES:
            rows = [pl.DataFrame(Sql(*place).query(query)).rows() for place in ((lake, hot), (own, file))]
            assert rows[0] == rows[1] != []
    stores = {"lake": there["lake"], "hot": {"url": there["hot.url"]}, "preset": "classic"}
    (home.path / "aws.yaml").write_text(yaml.safe_dump(stores))
    monkeypatch.setenv("COATTAIL_HOME", str(home.path))
    with Workspace("aws") as ws, Workspace(here.path) as local:
        assert ws.alerts().rows["alert_id"].to_list() == local.alerts().rows["alert_id"].to_list() != []
        assert ws.status().trades.landed == local.status().trades.landed
        assert ws.sql("SELECT count(*) AS n FROM raw_trades")["n"][0] == local.status().trades.landed
    assert not (home.path / "hot.db").exists()
    assert list((home.path / "warehouse").rglob("*")) == []
    outlines = Outlines(lake_properties(home, settings))
    assert outlines.of(RAW_TRADES.name).newest is not None
    findings = {f.name: (f.state, f.detail) for f in check(home.path, settings=lambda: settings)}
    said = f"Glue in {REGION} at {service} (local emulation): {len(outlines.all())} tables"
    assert findings["catalog"] == ("ok", said)
    assert findings["tables"][0] == findings["hot store"][0] == "ok"


@pytest.mark.parametrize("compared", [True, False], ids=["compare and set", "set"])
def test_of_six_who_commit_at_once_every_acknowledged_row_is_there(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compared: bool
) -> None:
    """All have read the table and written their files before the first of them changes it; a catalog that only sets,
    and compares nothing, acknowledges all and keeps one.
    """
    home, gate, told = new_home(tmp_path), threading.Barrier(6), Counter[str]()
    settings = settings_of({"lake": lake_there(f"race{compared:d}", service)})
    with closing(open_lake(home, settings, writable=True)) as lake:
        lake.create(SESSIONS)
    update = CertainGlueCatalog._update_glue_table

    def together(self: CertainGlueCatalog, **given: Any) -> None:
        gate.wait()
        if compared:
            update(self, **given)
        else:
            names = {"DatabaseName": given["database_name"], "TableInput": given["table_input"]}
            self.glue.update_table(**names, SkipArchive=True)

    monkeypatch.setattr(CertainGlueCatalog, "_update_glue_table", together)

    def commit(number: int) -> None:
        symbol = f"S{number}-USDT"
        with closing(open_lake(home, settings, writable=True)) as mine:
            files = mine.write(SESSIONS, SESSIONS.conform(pl.DataFrame([{**ROW, "symbol": symbol}])))
            try:
                mine.commit(SESSIONS, files, {"through": "1"})
            except StoreError as error:
                assert "somebody else has committed" in str(error)  # noqa: PT017 - either may happen
                told["refused"] += 1
            else:
                told[symbol] += 1

    threads = [threading.Thread(target=commit, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(open_lake(home, settings)) as lake:
        stored = set(lake.scan(SESSIONS)["symbol"])
    refused = told.pop("refused", 0)
    assert (len(told), refused) == ((1, 5) if compared else (6, 0))
    assert (stored == set(told)) is compared
    assert len(stored) == 1


@pytest.mark.parametrize(("files", "most"), [({}, 4), (PLAIN, 12)], ids=["ours", "plain"])
def test_a_commit_asks_for_little(service: str, tmp_path: Path, files: dict[str, str], most: int) -> None:
    """Four files, each put at once; PyIceberg's own access to files needs three requests for each."""
    faults = Faults(1, share=0.0)
    with faulty(service, faults) as front:
        at = lake_there(f"asks{most}", service, at=front)
        settings = settings_of({"lake": {**at, **files}})
        rows = COVERAGE.conform(pl.DataFrame({
            "exchange": ["binance"], "symbol": ["BTC-USDT"], "first_id": [1], "last_id": [2], "state": ["live"],
        }))  # fmt: skip
        with closing(open_lake(new_home(tmp_path), settings, writable=True)) as lake:
            for _ in range(3):
                faults.asked.clear()
                lake.commit(COVERAGE, lake.write(COVERAGE, rows), {"through": "1"})
        written = faults.asked["PUT"] + faults.asked["POST"]
        glue = sum(count for name, count in faults.asked.items() if name.startswith("AWSGlue"))
    assert written == most
    assert glue <= 3
    assert faults.asked["GET"] + faults.asked["HEAD"] <= 9


def test_a_commit_whose_answer_is_lost_is_there_once_and_plain_pyiceberg_breaks_the_table(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults, home = Faults(1, share=0.0), new_home(tmp_path)
    with faulty(service, faults) as front:
        settings = settings_of({"lake": lake_there("answers", service, at=front)})

        def commit(symbol: str) -> None:
            with closing(open_lake(home, settings, writable=True)) as lake:
                rows = lake.write(SESSIONS, SESSIONS.conform(pl.DataFrame([{**ROW, "symbol": symbol}])))
                faults.losing["AWSGlue.UpdateTable"] = 1
                lake.commit(SESSIONS, rows, {"through": "1"})

        commit("A-USDT")
        commit("B-USDT")
        with closing(open_lake(home, settings)) as lake:
            assert sorted(lake.scan(SESSIONS)["symbol"]) == ["A-USDT", "B-USDT"]
            monkeypatch.setattr(CertainGlueCatalog, "_has_seen", lambda *_: False)
            with pytest.raises(StoreError, match="somebody else has committed"):
                commit("C-USDT")
            with pytest.raises(FileNotFoundError):
                lake.scan(SESSIONS)


@pytest.mark.parametrize("files", [{}, PLAIN], ids=["ours", "plain"])
def test_a_bucket_that_is_asked_too_often_is_asked_again(service: str, tmp_path: Path, files: dict[str, str]) -> None:
    """Three refusals of a file, then it is taken; PyArrow alone gives up before."""
    faults, puts = Faults(1, share=0.0), iter(range(3))

    def slow_down(action: str, body: bytes) -> tuple[int, str, str] | None:
        if action != "PUT" or next(puts, None) is None:
            return None
        return 503, "SlowDown", "Please reduce your request rate."

    with faulty(service, faults) as front:
        settings = settings_of({"lake": {**lake_there(f"slow{len(files)}", service, at=front), **files}})
        with closing(open_lake(new_home(tmp_path), settings, writable=True)) as lake:
            lake.create(SESSIONS)
            faults.refuse = slow_down
            if files:
                with pytest.raises(StoreError, match=r"bucket of the lake .* nothing landed is lost"):
                    lake.write(SESSIONS, SESSIONS.conform(pl.DataFrame([ROW])))
            else:
                lake.commit(SESSIONS, lake.write(SESSIONS, SESSIONS.conform(pl.DataFrame([ROW]))), {"through": "1"})
                assert lake.scan(SESSIONS)["symbol"].to_list() == ["S-USDT"]


def test_two_lakes_of_one_account_are_never_mixed(service: str, tmp_path: Path) -> None:
    first, second = (settings_of({"lake": lake_there(name, service, account=777)}) for name in ("first", "second"))
    home = new_home(tmp_path)
    with closing(open_lake(home, first, writable=True)) as lake:
        lake.create(SESSIONS)
    with closing(open_lake(home, second, writable=True)) as lake, pytest.raises(StoreError, match="another lake"):
        lake.create(SESSIONS)


def test_a_table_of_glue_that_is_none_of_iceberg_is_named(service: str, tmp_path: Path) -> None:
    settings = settings_of({"lake": lake_there("hive", service)})
    with closing(open_lake(new_home(tmp_path), settings, writable=True)) as lake:
        assert isinstance(lake.catalog, CertainGlueCatalog)
        theirs = {"Name": SESSIONS.name, "StorageDescriptor": {"Location": "s3://hive/theirs"}, "Parameters": {}}
        lake.catalog.glue.create_table(DatabaseName="coattail", TableInput=theirs)
        with pytest.raises(StoreError, match="sessions in the catalog is no table of Iceberg"):
            lake.create(SESSIONS)


@pytest.mark.parametrize(
    ("lake", "error", "said"),
    [
        ({"warehouse": "/somewhere"}, ConfigError, "is no bucket; write warehouse: s3://BUCKET/FOLDER"),
        ({"warehouse": "s3://nobody-has-made-it/w"}, StoreError, "the bucket of the lake is not there"),
        ({"glue.endpoint": "http://127.0.0.1:9"}, StoreError, "the Glue Data Catalog does not answer"),
    ],
)
def test_what_cannot_be_reached_is_named(
    service: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lake: dict[str, Any],
    error: type[Exception],
    said: str,
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    base = {"type": "glue", "warehouse": "s3://x/w", "glue.region": REGION, "s3.region": REGION}
    given = {**base, "glue.endpoint": service, "s3.endpoint": service, **lake}
    home = new_home(tmp_path)
    feed_nothing = settings_of({"lake": given})
    with pytest.raises(error, match=said), closing(Lake(lake_properties(home, feed_nothing))) as opened:
        opened.commit(SESSIONS, opened.write(SESSIONS, SESSIONS.empty()), {"through": "1"})


def test_a_home_that_does_not_say_where_its_stores_on_aws_are_is_told_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COATTAIL_HOME", str(new_home(tmp_path).path))
    with pytest.raises(HomeError, match=r"aws.yaml is not there.*docs/AWS\.md"):
        Workspace("aws")
