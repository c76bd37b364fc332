"""What Athena is sent, what becomes of its answers, and what its refusals mean; without a service."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO

import polars as pl
import pyarrow as pa
import pytest

from coattail.aws.emulate.answers import column_info, csv, rows
from coattail.errors import ConfigError, StoreError, UsageError
from coattail.home import Home
from coattail.sql import Sql
from coattail.sql.athena import Workgroup, workgroup_of
from coattail.sql.athena.answer import AthenaColumn, arrow_table, read_csv
from coattail.sql.athena.errors import explained, missing_table
from coattail.sql.athena.text import Pinned, written
from coattail.sql.cost import QueryCost
from coattail.sql.dialect import parse
from coattail.sql.questions import TEN, Question
from coattail.stores.catalog import embedded
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.lake import Lake

GROUP = Workgroup("analysts", "eu-central-1", None, None)


def sent(text: str, *, limit: int | None = None, absent: tuple[str, ...] = ()) -> str:
    pinned = Pinned(lambda _: {"daily": 7})
    return written(parse(text), limit=limit, pinned=pinned, absent=absent)


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("SELECT symbol FROM raw_trades", "SELECT symbol FROM raw_trades"),
        ("SELECT main.bars.symbol FROM main.bars", "SELECT bars.symbol FROM bars"),
        ("SELECT * FROM bars FOR VERSION AS OF 'daily'", "SELECT * FROM bars FOR VERSION AS OF 7"),
        ("SELECT * FROM bars FOR VERSION AS OF 12", "SELECT * FROM bars FOR VERSION AS OF 12"),
        ("EXPLAIN SELECT 1", "EXPLAIN SELECT 1"),
    ],
)
def test_a_statement_without_views_stays_what_it_is(text: str, there: str) -> None:
    assert sent(text) == there


def test_a_limit_is_set_where_the_statement_sets_none() -> None:
    assert sent("SELECT 1 AS a", limit=5) == "SELECT 1 AS a LIMIT 5"
    assert sent("SELECT 1 AS a LIMIT 7", limit=5) == "SELECT 1 AS a LIMIT 7"
    assert sent("(SELECT 1 AS a) UNION ALL SELECT 2", limit=5).endswith("LIMIT 5")


def test_views_go_before_the_statement_and_its_own_names_stay() -> None:
    text = "WITH alerts AS (SELECT * FROM alerts WHERE symbol = 'A-B') SELECT a.alert_id FROM alerts AS a, bars_1m"
    there = sent(text)
    assert "alerts_view AS (SELECT alert_id" in there
    assert "bars_1m AS (SELECT exchange" in there
    assert "alerts AS (SELECT * FROM alerts_view AS alerts WHERE symbol = 'A-B')" in there
    assert "QUALIFY" not in there
    assert "GROUP BY ALL" not in there


@pytest.mark.parametrize("question", TEN, ids=lambda question: question.asks)
def test_what_athena_gets_says_what_the_person_asked(day: Home, question: Question) -> None:
    text = question.text.replace("FROM alerts\nWHERE", "FROM alerts\nWHERE status = 'final' AND")
    with closing(Lake(embedded(day.path), writable=False)) as lake, closing(SqliteHotStore(day.hot_db)) as hot:
        here, there = Sql(lake, hot).query(text), Sql(lake, catalog_only=True).query(sent(text))
    assert there.equals(here)
    assert here.num_rows or question.asks == "Is anything missing?"


def test_an_empty_table_stands_for_one_that_nothing_was_written_into() -> None:
    there = sent("SELECT count(*) FROM bars_merged", absent=("bars",))
    assert there.startswith('WITH bars AS (SELECT CAST(NULL AS VARCHAR) AS "exchange"')
    assert there.index("bars AS (") < there.index("bars_merged AS (")


def test_values_come_back_as_the_types_that_they_had() -> None:
    whole = pa.table(
        {
            "b": [True, None], "i": pa.array([1, None], pa.int32()), "l": [2**60, None], "d": [1e-9, 12_345_678.9],
            "n": [Decimal("1.50"), None], "s": ["a,\"b\"\nc", ""], "t": ["", None], "day": [date(2025, 3, 4), None],
            "at": pa.array([datetime(2025, 3, 4, 1, 2, 3, 456, UTC), None], pa.timestamp("us", "UTC")),
            "local": pa.array([datetime(2025, 3, 4), None], pa.timestamp("us")), "raw": [b"\x01\xff", None],
            "many": [[1, 2], None], "words": [["a", None], []],
            "histogram_buckets": pa.array([[1], []], pa.list_(pa.int32())),
        }
    )  # fmt: skip
    columns = [AthenaColumn(c["Name"], c["Type"], c["Precision"], c["Scale"]) for c in column_info(whole)]
    by_pages = arrow_table(columns, list(zip(*rows(whole), strict=True)))
    by_file = arrow_table(columns, read_csv(BytesIO(csv(whole)), len(columns)))
    expected = pl.DataFrame(whole)
    for answer in (by_pages, by_file):
        assert pl.DataFrame(answer).drop("words").equals(expected.drop("words"))
        assert pl.DataFrame(answer).schema == expected.schema
    assert by_file["words"].to_pylist()[0] == ["a", None]
    assert arrow_table(columns, []).num_rows == 0


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2025-03-04 12:00:00.123456 UTC", datetime(2025, 3, 4, 12, 0, 0, 123456, UTC)),
        ("2025-03-04 12:00:00.123456789 Europe/Berlin", datetime(2025, 3, 4, 11, 0, 0, 123456, UTC)),
        ("2025-03-04 12:00:00.000 +02:00", datetime(2025, 3, 4, 10, tzinfo=UTC)),
    ],
)
def test_a_time_is_utc_whatever_zone_it_is_said_in(value: str, moment: datetime) -> None:
    answer = arrow_table([AthenaColumn("at", "timestamp with time zone")], [[value, None]])
    assert answer["at"].to_pylist() == [moment, None]


@pytest.mark.parametrize(
    ("reason", "kind", "said"),
    [
        ("TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.coattail.raw_trade' does not exist", UsageError,
         "there is no table 'raw_trade'; did you mean raw_trades?"),
        ("COLUMN_NOT_FOUND: line 1:8: Column 'x' cannot be resolved or requester is not authorized to access requested "
         "resources", UsageError, "there is no column 'x'; .* you may not read it"),
        ("SYNTAX_ERROR: line 1:8: mismatched input 'FRM'", UsageError, "the query fails: mismatched input 'FRM'$"),
        ("Query cancelled! : Bytes scanned limit was exceeded", StoreError,
         "more than Athena's workgroup analysts allows: its limit of 50 MB a query; ask for fewer columns"),
        ("Insufficient Lake Formation permission(s): Required Select on raw_trades", StoreError,
         "may not read this with these credentials .*; ask for SELECT on the table"),
        ("No output location provided. An output location is required", StoreError, "add &output=s3://BUCKET/FOLDER"),
        ("WorkGroup analysts is not found.", StoreError, "there is no workgroup analysts in this account and region"),
        ("None", StoreError, "the query was stopped"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_sentence_with_the_next_step(reason: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        raise explained(Exception(reason), GROUP, cutoff=lambda: 50_000_000)


def test_a_table_that_is_missing_is_known_by_its_name() -> None:
    error = explained(Exception("Table 'awsdatacatalog.coattail.bars' does not exist"), GROUP)
    assert isinstance(error, UsageError)
    assert missing_table(error) == "bars"
    assert missing_table(UsageError("another")) == ""


def test_an_address_names_a_workgroup_and_where_answers_go() -> None:
    found = workgroup_of("athena://analysts?region=eu-central-1&output=s3%3A%2F%2Fbucket%2Ffolder")
    assert found == Workgroup("analysts", "eu-central-1", None, "s3://bucket/folder")
    assert not found.emulated
    assert workgroup_of("athena://a?endpoint=http://127.0.0.1:4566").emulated
    for url, said in (("athena://a?output=bucket", "is no folder of a bucket"), ("glue://a", "names no workgroup"),
                      ("athena://a?x=1", "unknown option 'x'")):  # fmt: skip
        with pytest.raises(ConfigError, match=said):
            workgroup_of(url)


def test_a_query_costs_ten_megabytes_at_least_and_whole_megabytes_beyond() -> None:
    cost = QueryCost(query="q", place="Athena's workgroup a", bytes=1, seconds=1.5, emulated=False)
    assert cost.dollars == 10 * 2**20 / 2**40 * 5
    assert QueryCost(query="q", place="a", bytes=2**40, seconds=1, emulated=False).dollars == 5
    assert cost.said() == (
        "Athena's workgroup a read 0.0 kB in 1.5 s: about $0.00005 (list price of us-east-1, 2026-11: $5 a TB, "
        "10 MB at least)"
    )
