"""Athena's SQL, answered by DuckDB."""

import json
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coattail.alerts import RETRACTED, Alert
from coattail.errors import UsageError
from coattail.landing.bars import merge_bars
from coattail.sql import SNAPSHOTS, Sql, _interruptible
from coattail.sql.views import VIEWS
from coattail.stores.catalog import embedded
from coattail.stores.current import current_alerts
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.lake import Lake
from coattail.tables import ALERTS, BARS, COVERAGE, RAW_TRADES, Column, Table

UTC_NOW = datetime(2025, 3, 4, 15, tzinfo=UTC)


def rows(sql: Sql, text: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in sql.query(text).to_pylist()]


def value(sql: Sql, text: str) -> Any:
    ((found,),) = rows(sql, f"SELECT {text}")
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("5/2", 2),
        ("-5/2", -2),
        ("5/2.0", 2.5),
        ("CAST(7 AS bigint) / 2", 3),
        ("CAST(1 AS varchar) || 'b'", "1b"),
        ("date_trunc('hour', TIMESTAMP '2025-03-04 12:34:56 UTC')", datetime(2025, 3, 4, 12, tzinfo=UTC)),
        ("from_unixtime(86400)", datetime(1970, 1, 2, tzinfo=UTC)),
        ("date_diff('minute', TIMESTAMP '2025-01-01 00:00:59', TIMESTAMP '2025-01-01 00:01:01')", 0),
        ("date_add('day', 1, DATE '2025-03-04')", datetime(2025, 3, 5)),
        ("DATE '2025-03-04' - INTERVAL '1' DAY", datetime(2025, 3, 3)),
        ("date(TIMESTAMP '2025-03-04 12:34:56 UTC')", date(2025, 3, 4)),
        ("date_format(TIMESTAMP '2025-03-04 12:34:56', '%Y-%m-%d %H:%i')", "2025-03-04 12:34"),
        ("json_extract_scalar('{\"z\": 2.5}', '$.z')", "2.5"),
        ("CAST('1.10000001' AS decimal(38,8)) + CAST('2' AS decimal(38,8))", Decimal("3.10000001")),
        ("TRY(1/0)", None),
        ("element_at(ARRAY[4, 5], 2)", 5),
        ("reduce(ARRAY[4, 5], 0, (s, x) -> s + x, s -> s)", 9),
        ("zip(ARRAY[1, 2], ARRAY['a', 'b'])[2][2]", "b"),
    ],
)
def test_expressions_mean_what_they_mean_in_athena(sql: Sql, expression: str, expected: object) -> None:
    assert value(sql, expression) == expected


def test_aggregates_of_athena_are_known(sql: Sql) -> None:
    query = """
        SELECT approx_distinct(symbol), count_if(side = 'buy') + count_if(side = 'sell') - count(*),
               max_by(symbol, price), sum(trade_id - trade_id), approx_percentile(price, 0.5) > 0
        FROM raw_trades"""
    answer = sql.query(query)
    assert [str(t) for t in answer.schema.types] == ["int64", "int64", "string", "int64", "bool"]
    ((distinct, rest, symbol, zero, positive),) = [tuple(r.values()) for r in answer.to_pylist()]
    assert (distinct, rest, symbol[:3], zero, positive) == (7, 0, "BTC", 0, True)
    assert answer.column_names == ["_col0", "_col1", "_col2", "_col3", "_col4"]


def test_whole_numbers_of_a_table_divide_as_whole_numbers(sql: Sql) -> None:
    assert rows(sql, "SELECT trades / 2 FROM bars_merged WHERE trades = 3 LIMIT 1") == [(1,)]


def test_the_database_may_be_named(sql: Sql) -> None:
    assert rows(sql, "SELECT coattail.bars.symbol FROM coattail.bars LIMIT 1")
    with pytest.raises(UsageError, match=r"no database 'other' \(line 1, column 21\); known: coattail"):
        sql.query("SELECT * FROM other.bars")


@pytest.mark.parametrize(
    "text",
    [
        "WITH bars AS (SELECT * FROM bars WHERE trades > 1) SELECT count(*) FROM bars",
        "WITH x AS (SELECT 1 AS a), y AS (SELECT a + 1 AS b FROM x) SELECT b FROM y",
        "SELECT b FROM bars CROSS JOIN UNNEST(histogram_buckets) AS t(b) LIMIT 1",
        "SELECT * FROM UNNEST(sequence(1, 1)) AS t(x)",
        'SELECT "BARS".symbol FROM "BARS" LIMIT 1',
        "SELECT count(*) FROM alerts a JOIN coattail.alerts b ON a.alert_id = b.alert_id",
        "SELECT 1 UNION SELECT 1",
        "VALUES 1",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT max(i) FROM n",
        "SELECT count(*) FROM (SELECT symbol FROM bars_1m WHERE symbol IN (SELECT symbol FROM whale_orders))",
    ],
)
def test_queries_may_be_put_together_in_any_way(sql: Sql, text: str) -> None:
    assert len(rows(sql, text)) == 1


def test_names_that_repeat_are_numbered(sql: Sql) -> None:
    answer = sql.query("SELECT a.symbol, b.symbol FROM bars a JOIN bars b ON a.symbol = b.symbol LIMIT 1")
    assert answer.column_names == ["symbol", "symbol_1"]


def test_an_answer_says_which_snapshots_it_was_read_at(sql: Sql, filled: Any) -> None:
    lake = Lake(embedded(filled.home.path), writable=False)
    newest = lake.newest("raw_trades")
    lake.close()
    metadata = sql.query("SELECT count(*) FROM raw_trades").schema.metadata
    assert newest is not None
    assert json.loads(metadata[SNAPSHOTS]) == {"raw_trades": newest.snapshot_id}


# -- time travel ---------------------------------------------------------------------------------------------


def test_a_table_can_be_read_as_of_a_time_a_version_and_a_name(sql: Sql, filled: Any) -> None:
    moment = f"TIMESTAMP '{filled.between:%Y-%m-%d %H:%M:%S.%f} UTC'"
    then = sql.query(f"SELECT DISTINCT raw_trades.exchange FROM raw_trades FOR TIMESTAMP AS OF {moment}")
    assert then["exchange"].to_pylist() == ["binance"]
    first = value(sql, 'snapshot_id FROM "raw_trades$snapshots" ORDER BY committed_at LIMIT 1')
    by_id = f"SELECT count(*) FROM raw_trades FOR VERSION AS OF {first} AS old"
    now = "SELECT count(*) FROM raw_trades"
    before = f"SELECT count(*) FROM raw_trades FOR TIMESTAMP AS OF {moment}"
    assert rows(sql, by_id) == rows(sql, before) != rows(sql, now)
    assert rows(sql, "SELECT count(*) FROM raw_trades FOR VERSION AS OF 'main'") == rows(sql, now)
    assert rows(sql, "SELECT count(*) FROM raw_trades FOR TIMESTAMP AS OF current_timestamp") == rows(sql, now)


@pytest.mark.parametrize(
    ("travel", "said"),
    [
        ("raw_trades FOR VERSION AS OF 123", r"raw_trades has no snapshot 123, or it has expired; kept: \d+ \(2"),
        ("raw_trades FOR VERSION AS OF 'x'", "no snapshot x, .* names: main"),
        (
            "raw_trades FOR TIMESTAMP AS OF TIMESTAMP '2001-01-01 00:00:00'",
            r"from 2001-01-01 00:00:00Z or before; kept",
        ),
        ("raw_trades FOR TIMESTAMP AS OF 'soon'", "'soon' is not a time"),
        ("raw_trades FOR TIMESTAMP AS OF price", "price is not a time"),
        ("bars_1m FOR VERSION AS OF 1", "bars_1m is a view, and only tables keep their past; use bars"),
        ("nothing FOR VERSION AS OF 1", "no table 'nothing'"),
    ],
)
def test_a_past_that_is_not_kept_is_refused_with_what_is(sql: Sql, travel: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        sql.query(f"SELECT * FROM {travel}")


@pytest.mark.parametrize("kind", ["snapshots", "history", "refs", "files", "partitions"])
def test_the_metadata_of_a_table_can_be_asked_for(sql: Sql, kind: str) -> None:
    assert rows(sql, f'SELECT * FROM "raw_trades${kind}"')


# -- information ---------------------------------------------------------------------------------------------


def test_tables_are_shown_and_described(sql: Sql) -> None:
    shown = sql.query("SHOW TABLES").to_pylist()
    assert {"raw_trades", "alerts", *VIEWS} <= {row["tab_name"] for row in shown}
    assert all(row["comment"] for row in shown)
    assert [r[0] for r in rows(sql, "SHOW TABLES IN coattail 'bars*'")] == ["bars", "bars_1m", "bars_merged"]
    described = rows(sql, "describe coattail.bars")
    assert [(name, doc) for name, _, doc in described] == [(c.name, c.doc) for c in BARS.columns]
    assert ("bar_start", "timestamp(6) with time zone") in [row[:2] for row in described]
    assert rows(sql, "SHOW COLUMNS IN alerts") == [(name,) for name in ALERTS.schema]
    assert rows(sql, "SHOW DATABASES;") == [("coattail",)]
    assert rows(sql, "-- how\nEXPLAIN SELECT count(*) FROM bars")


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_every_view_has_rows_and_a_description(sql: Sql, name: str) -> None:
    assert rows(sql, f"SELECT * FROM {name} LIMIT 1")
    assert rows(sql, f"DESCRIBE {name}")


# -- mistakes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the query is empty"),
        (" ; ", "the query is empty"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELECT 'a", "is not closed"),
        ("SELEC 1", r"cannot be read: unexpected '1' \(line 1, column 7\)"),
        ("SELEC * FROM bars", r"cannot be read: something is missing near 'FROM' \(line 1, column 9\)"),
        ("SELECT a FROM b WHERE (x = 1", r"expecting \) near '1' \(line 1, column 28\)"),
        ("SELECT *\nFROM nope", r"no table 'nope' \(line 2, column 6\); tables and views here: alerts, anomaly_alerts"),
        ("SELECT side,\n  foo FROM raw_trades", r"no column 'foo' \(line 2, column 3\); raw_trades has event_id, "),
        ("SELECT t.foo FROM bars t", r"no column 'foo' \(line 1, column 10\); bars has exchange"),
        ("SELECT x.foo FROM bars t", r"no table 'x' in this query \(line 1, column 8\); named in FROM: t"),
        ('SELECT * FROM bars WHERE symbol = "BTC"', "no column 'BTC'.*single quotes: 'BTC'"),
        ("SELECT fooo(1)", r"no function fooo \(line 1, column 8\); did you mean floor"),
        ("SELECT 1/0", "fails: division by zero; TRY"),
        ("SELECT CAST(symbol AS bigint) FROM bars", r"Could not convert string .* \(line 1, column 8\)"),
        ("SELECT symbol FROM bars GROUP BY exchange", r"must appear in the GROUP BY clause.*\(line 1, column 8\)"),
        ("SELECT reduce(ARRAY[1], 0, (s, x) -> s + x, s -> s + 1)", "not available here"),
        ("SHOW CREATE TABLE bars", "SHOW CREATE TABLE bars is not known here"),
        ("DESCRIBE nope", "no table 'nope'"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(sql: Sql, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        sql.query(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO bars SELECT * FROM bars",
        "DROP TABLE bars",
        "CREATE TABLE x AS SELECT 1",
        "DELETE FROM bars",
        "UPDATE bars SET symbol = 'x'",
        "COPY bars TO 'x.csv'",
        "ATTACH 'x.db'",
        "SET enable_external_access = true",
        "PRAGMA version",
        "INSTALL httpfs",
        "UNLOAD (SELECT 1) TO 's3://x'",
        "EXPLAIN DROP TABLE bars",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM query('select 1')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM a, LATERAL (SELECT * FROM read_csv('/etc/passwd'))",
        "SELECT (SELECT max(content) FROM read_text('/etc/passwd'))",
        "WITH x AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM x",
        "SELECT current_setting('temp_directory')",
        "SELECT getenv('HOME')",
    ],
)
def test_nothing_but_the_tables_can_be_read_and_nothing_written(sql: Sql, text: str) -> None:
    with pytest.raises(UsageError):
        sql.query(text)


def test_the_connection_itself_reads_only_the_files_of_its_tables(sql: Sql, monkeypatch: Any) -> None:
    """The second lock, in case a text gets by the first."""
    for text in ("SELECT * FROM read_text('/etc/passwd')", "SET enable_external_access = true"):
        monkeypatch.setattr("coattail.sql.duckdb_text", lambda tree, text=text: text)
        with pytest.raises(UsageError, match=r"the query fails|locked|disabled"):
            sql.query("SELECT * FROM bars")


@pytest.fixture
def ctrl_c_interrupts() -> Iterator[None]:
    """A shell starts what it puts into the background with SIGINT ignored, and these tests may be there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_a_query_that_goes_on(sql: Sql, ctrl_c_interrupts: None) -> None:
    stopped = threading.Event()

    class Connection:
        def interrupt(self) -> None:
            stopped.set()

    def work() -> Any:
        signal.raise_signal(signal.SIGINT)
        stopped.wait(10)

    connection: Any = Connection()
    with pytest.raises(KeyboardInterrupt):
        _interruptible(connection, work)
    assert stopped.is_set()


# -- views ---------------------------------------------------------------------------------------------------


def lake_with(tmp_path: Path, *tables: tuple[Table, pl.DataFrame]) -> Lake:
    lake = Lake(embedded(tmp_path))
    for table, frame in tables:
        lake.commit(table, lake.write(table, frame), {"through": "1"})
    return lake


def test_partial_bars_are_added_up_as_the_engine_adds_them(sql: Sql, filled: Any, tmp_path: Path) -> None:
    whole = Lake(embedded(filled.home.path), writable=False)
    bars = whole.scan(BARS)
    whole.close()
    again = pl.concat([bars, bars.with_columns(pl.col("first_trade_id", "last_trade_id") + 10)])
    again = again.with_columns(pl.when(pl.col("trades") % 3 > 0).then("orders"))  # null in a third of the bars
    lake = lake_with(tmp_path, (BARS, bars), (BARS, again))
    merged = Sql(lake).query("SELECT * FROM bars_merged ORDER BY exchange, symbol, bar_start")
    minutes = Sql(lake).query("SELECT sum(notional) AS n, sum(trades) AS t FROM bars_1m").to_pylist()
    known = Sql(lake).query("SELECT sum(orders) FROM bars_1m WHERE orders IS NOT NULL").to_pylist()
    lake.close()
    expected = merge_bars(pl.concat([bars, again]))
    assert pl.DataFrame(merged).select(expected.columns).equals(expected)
    assert 0 < expected["orders"].null_count() < expected.height
    whole_minutes = expected.group_by("exchange", "symbol", pl.col("bar_start").dt.truncate("1m")).agg(
        pl.when(pl.col("orders").null_count() == 0).then(pl.col("orders").sum())
    )
    assert list(known[0].values()) == [whole_minutes["orders"].sum()]
    assert minutes == [{"n": expected["notional"].sum(), "t": expected["trades"].sum()}]


def test_a_row_judged_again_and_a_piece_of_an_order_are_left_out(tmp_path: Path) -> None:
    whales = VIEWS["whale_orders"].of
    base = {
        "exchange": "binance", "symbol": "BTC-USDT", "timestamp": UTC_NOW, "side": "buy", "preset": "classic",
        "quantity": Decimal(1), "notional": Decimal(200_000),
    }  # fmt: skip
    orders = [
        {**base, "trade_id": 7, "last_trade_id": 9, "fills": 3, "revision": 1},
        {**base, "trade_id": 5, "last_trade_id": 9, "fills": 5, "revision": 2},
        {**base, "trade_id": 20, "last_trade_id": 22, "fills": 3, "revision": 1},
        {**base, "trade_id": 20, "last_trade_id": 24, "fills": 5, "revision": 2},
    ]
    lake = lake_with(tmp_path, (whales, whales.conform(pl.DataFrame(orders))))
    found = rows(Sql(lake), "SELECT trade_id, last_trade_id FROM whale_orders ORDER BY 1")
    lake.close()
    assert found == [(5, 9), (20, 24)]


def alert(identity: str, **changes: Any) -> Alert:
    given = {
        "alert_id": identity, "alert_type": "whale_trade", "module_id": "MOD-002", "symbol": "BTC-USDT",
        "exchange": "binance", "severity": "high", "detected_at": UTC_NOW, "status": "final", "message": "m",
        "details": "{}", "preset": "classic", "revision": 1,
    }  # fmt: skip
    return Alert(**{**given, **changes})


def alert_row(given: Alert) -> dict[str, Any]:
    return {**{n: getattr(given, n) for n in given.__dataclass_fields__}, "recorded_at": UTC_NOW}


def test_current_alerts_are_the_newest_revisions_of_lake_and_hot_store(tmp_path: Path) -> None:
    old = [alert("a"), alert("b"), alert("c"), alert("c", revision=2, status=RETRACTED), alert("d")]
    lake = lake_with(tmp_path, (ALERTS, pl.DataFrame([alert_row(a) for a in old], schema=ALERTS.schema)))
    hot = SqliteHotStore(tmp_path / "hot.db")
    later = UTC_NOW + timedelta(minutes=1)
    hot.put_alerts(
        [
            alert("a", revision=2, severity="critical"),
            alert("b", revision=2, status=RETRACTED),
            alert("e", status="provisional", detected_at=later),
        ],
        now=UTC_NOW,
    )
    text = "SELECT alert_id, revision, severity, status FROM alerts ORDER BY alert_id"
    found = rows(Sql(lake, hot, clock=lambda: UTC_NOW), text)
    with_past = current_alerts(lake, hot, now=UTC_NOW, since=UTC_NOW, until=later, retracted=True)
    without_hot = current_alerts(lake, None, now=UTC_NOW)
    hot.close()
    lake.close()
    assert found == [("a", 2, "critical", "final"), ("d", 1, "high", "final"), ("e", 1, "high", "provisional")]
    assert with_past["alert_id"].to_list() == ["a", "b", "c", "d"]
    assert without_hot["alert_id"].to_list() == ["a", "b", "d"]


# -- tables --------------------------------------------------------------------------------------------------


def test_an_empty_home_has_every_table_and_no_rows(tmp_path: Path) -> None:
    (tmp_path / "warehouse").mkdir()
    empty = Sql(Lake(embedded(tmp_path), writable=False))
    for name in empty.names():
        assert empty.query(f"SELECT * FROM {name}").num_rows == 0
    assert rows(empty, "SELECT sum(notional) FROM bars") == [(None,)]
    for text in ('SELECT * FROM "bars$files"', "SELECT * FROM bars FOR VERSION AS OF 1"):
        with pytest.raises(UsageError, match="no snapshot yet"):
            empty.query(text)


def test_columns_are_found_by_field_id_after_a_rename_and_in_the_past_by_their_old_name(tmp_path: Path) -> None:
    table = Table(
        "things", "d", (Column("old", "int", "d"), Column("kept", "string", "d"), Column("l", "list<int>", "d"))
    )
    lake = lake_with(tmp_path, (table, pl.DataFrame({"old": [1], "kept": ["a"], "l": [[1, 2]]}, schema=table.schema)))
    then = lake.newest("things")
    with lake.iceberg("things").update_schema() as update:
        update.rename_column("old", "new")
    with lake.iceberg("things").update_schema() as update:
        from pyiceberg.types import LongType, StringType

        update.update_column("new", LongType())
        update.add_column("old", StringType())
    answer = Sql(lake).query("SELECT * FROM things").to_pylist()
    assert then is not None
    before = Sql(lake).query(f"SELECT * FROM things FOR VERSION AS OF {then.snapshot_id}").to_pylist()
    lake.close()
    assert answer == [{"new": 1, "kept": "a", "l": [1, 2], "old": None}]
    assert before == [{"old": 1, "kept": "a", "l": [1, 2]}]


def test_files_in_the_folder_that_no_snapshot_lists_are_not_read(tmp_path: Path) -> None:
    frame = pl.DataFrame({"exchange": ["x"], "symbol": ["A-B"], "first_id": [1], "last_id": [2], "state": ["live"]})
    lake = lake_with(tmp_path, (COVERAGE, COVERAGE.conform(frame)))
    lake.write(COVERAGE, COVERAGE.conform(frame))
    found = rows(Sql(lake), "SELECT count(*) FROM coverage")
    lake.close()
    assert found == [(1,)]


def test_the_payload_stays_readable_here(sql: Sql) -> None:
    assert rows(sql, "SELECT raw_event_payload FROM raw_trades LIMIT 1")[0][0].startswith("{")
    assert "raw_event_payload" in RAW_TRADES.schema


AT = "TIMESTAMP '2025-03-04 15:00:00 UTC'"


@pytest.mark.parametrize(
    ("condition", "days"),
    [
        (f"detected_at >= {AT}", [4, 5, 6]),
        (f"detected_at > {AT} AND severity = 'high'", [4, 5, 6]),
        (f"(detected_at >= {AT} AND detected_at < {AT} + INTERVAL '1' HOUR)", [4]),
        (f"{AT} > detected_at", [2, 3, 4]),
        (f"alerts.detected_at BETWEEN {AT} AND {AT} + INTERVAL '1' DAY", [4, 5]),
        (f"detected_at = {AT}", [4]),
        ("detected_at >= DATE '2025-03-06'", [6]),
        (f"detected_at >= {AT} OR severity = 'high'", [2, 3, 4, 5, 6]),
        (f"NOT (detected_at < {AT})", [2, 3, 4, 5, 6]),
        (f"date_trunc('day', detected_at) >= {AT}", [2, 3, 4, 5, 6]),
        (f"recorded_at >= {AT}", [2, 3, 4, 5, 6]),
        (f"detected_at >= {AT} AND alert_id IN (SELECT alert_id FROM anomaly_alerts)", [2, 3, 4, 5, 6]),
    ],
)
def test_current_alerts_are_read_of_the_days_that_a_query_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, condition: str, days: list[int]
) -> None:
    noon = [alert(f"{day}", detected_at=UTC_NOW + timedelta(days=day - 4)) for day in range(2, 7)]
    lake = lake_with(tmp_path, (ALERTS, pl.DataFrame([alert_row(a) for a in noon], schema=ALERTS.schema)))
    opened: list[int] = []
    original = Lake.reading

    def spying(self: Lake, table: Table, files: Any = ()) -> Any:
        files = list(files)
        if table is ALERTS:
            opened.extend(file.partition[0] - date(2025, 3, 1).toordinal() + 719_164 for file in files)
        return original(self, table, files)

    monkeypatch.setattr(Lake, "reading", spying)
    sql = Sql(lake, clock=lambda: UTC_NOW)
    text = f"SELECT alert_id FROM alerts WHERE {condition} ORDER BY 1"
    found = rows(sql, text)
    read = sorted(opened)
    monkeypatch.setattr("coattail.sql.bounds_of", lambda *_: (None, None))
    unbounded = rows(sql, text)
    lake.close()
    assert read == days
    assert found == unbounded
