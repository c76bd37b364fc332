"""A parameter is a literal, whatever it holds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coattail.errors import UsageError
from coattail.sql import Sql
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake


@pytest.fixture(scope="module")
def sql(tmp_path_factory: pytest.TempPathFactory) -> Sql:
    home: Path = tmp_path_factory.mktemp("home")
    return Sql(Lake(embedded(home)))


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**62), 2**62),
    st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    st.floats(allow_nan=False, allow_infinity=False), st.dates(date(1900, 1, 1)),
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
)  # fmt: skip


@given(st.lists(VALUES, min_size=20, max_size=20))
def test_what_goes_in_comes_out(sql: Sql, values: list[object]) -> None:
    given_ = {f"v{place}": value for place, value in enumerate(values)}
    answer = sql.query(f"SELECT {', '.join(f':{name} AS {name}' for name in given_)}", parameters=given_)
    assert answer.to_pylist() == [given_]


def test_a_decimal_stays_exact_and_a_time_without_a_zone_is_utc(sql: Sql) -> None:
    answer = sql.query("SELECT :a + :a AS a, :b AS b", parameters={"a": Decimal("0.10"), "b": datetime(2025, 3, 4)})
    assert answer.to_pylist() == [{"a": Decimal("0.20"), "b": datetime(2025, 3, 4, tzinfo=UTC)}]


def test_a_list_stands_after_in(sql: Sql) -> None:
    text = "SELECT x FROM (VALUES 'a', 'b', 'c', 'd') AS t(x) WHERE x IN ('d', :some) ORDER BY 1"
    assert sql.query(text, parameters={"some": ["a", "b') OR ('' = '"]})["x"].to_pylist() == ["a", "d"]
    with pytest.raises(UsageError, match="IN needs one value"):
        sql.query(text, parameters={"some": []})


def test_a_colon_inside_of_a_text_is_not_a_parameter(sql: Sql) -> None:
    assert sql.query("SELECT ':name', CAST('12:30:00' AS time), 5 AS a").num_rows == 1


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        ("SELECT :symbol", {}, r":symbol has no value.*give symbol="),
        ("SELECT :symbol", {"symbl": 1}, r"there is no :symbl in the statement; it has :symbol"),
        ("SELECT :a, :ab", {"a": 1}, r":ab has no value"),
        ("SELECT 1", {"a": 1}, r"there is no :a in the statement; it has none"),
        ("SHOW TABLES", {"a": 1}, r"it has none"),
        ("SELECT ?", {}, r"write :name"),
        ("SELECT :a", {"a": float("nan")}, r":a nan cannot be written"),
        ("SELECT :a", {"a": object}, r"cannot be written"),
        ("SELECT 1 FROM :t", {"t": "raw_trades"}, r"is not a table"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(sql: Sql, text: str, values: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        sql.query(text, parameters=values)
