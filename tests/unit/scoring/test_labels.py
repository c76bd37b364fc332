"""Lists of announced events, as people write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coattail.errors import UsageError
from coattail.scoring.labels import Label, LabelFile, read_labels
from tests.harness.rows import lines, written

AT = datetime(2018, 11, 13, 17, tzinfo=UTC)


def label(**changes: object) -> Label:
    return Label(**{"row": 1, "base": "BRD", "quote": None, "exchange": None, "start": AT} | changes)  # type: ignore[arg-type]


def read(path: Path, content: str, columns: dict[str, str] | None = None) -> LabelFile:
    return read_labels(written(path, content), columns)


def test_a_date_and_its_hour_may_stand_in_two_columns(tmp_path: Path) -> None:
    text = lines("symbol,group,date,hour,exchange", "BRD,BPG,2018-11-13,17:00,binance")
    found = read(tmp_path / "a.csv", text)
    assert found.labels == [label(exchange="binance")]
    assert found.columns == {"symbol": "symbol", "exchange": "exchange", "time": "date", "hour": "hour"}


def test_a_time_may_stand_in_the_column_of_a_date_among_others(tmp_path: Path) -> None:
    text = lines("date,pump_index,std_price,hour_sin,symbol,gt", "2018-11-13 17:00:00,0,-0.0,-0.942,BRD,1")
    assert read(tmp_path / "a.csv", text).labels == [label()]


def test_a_list_of_objects_names_markets_and_their_kind_of_venue(tmp_path: Path) -> None:
    rows = [{"symbol": "BRD-BTC", "exchange": "BINANCE_SPOT", "time": "2018-11-13 17:00:00"}]
    assert read(tmp_path / "a.json", json.dumps(rows)).labels == [label(quote="BTC", exchange="binance")]


@pytest.mark.parametrize("time", ["2018-11-13T17:00:00Z", "2018-11-13 18:00+01:00", "1542128400", "1542128400000"])
@pytest.mark.parametrize("symbol", ["BRD/BTC", "brd-btc"])
def test_a_time_is_iso_8601_or_a_number(time: str, symbol: str, tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", lines("pair;announced", f"{symbol};{time}")).labels == [label(quote="BTC")]


def test_columns_of_other_names_are_said(tmp_path: Path) -> None:
    text = lines("what,day,utc,til", "BRD,2018-11-13,17:00,2018-11-13T17:30:00Z")
    columns = {"symbol": "what", "time": "day", "hour": "utc", "end": "til"}
    assert read(tmp_path / "a.csv", text, columns).labels == [label(end=AT.replace(minute=30))]


def test_a_row_that_is_no_label_is_counted_with_its_reason(tmp_path: Path) -> None:
    text = lines(
        "symbol,time,end", "BRD,2018-11-13T17:00:00,", ",2018-11-13T17:00:00,", "BRD,yesterday,", "BRD,2018-11-13,",
        "BRD,,", "BRD,2018-11-13T17:00:00,2018-11-13T16:00:00", "BRD,99999999999999999999,",
    )  # fmt: skip
    found = read(tmp_path / "a.csv", text)
    assert found.labels == [label()]
    assert [row for row, _ in found.unreadable] == [2, 3, 4, 5, 6, 7]
    reasons = " | ".join(why for _, why in found.unreadable)
    for said in ("names no symbol", "'yesterday'", "at what time of it", "names no time", "before it begins"):
        assert said in reasons


@pytest.mark.parametrize(
    ("content", "columns", "said"),
    [
        (lines("coin,when", "BRD,2018-11-13T17:00"), None, "is the time; say --label-columns time=… (the columns"),
        (lines("symbol,time", "BRD,now"), {"time": "day"}, "no column day; the columns there are: symbol, time"),
        (lines("symbol,time", "BRD,now"), {"tiem": "time"}, "names no field tiem; fields: symbol, exchange"),
        (lines("symbol,time", "BRD,now"), None, "no label that can be read (row 1: time is 'now'"),
        (lines("symbol,time"), None, "it has no rows"),
        ("BRD\n", None, "not a table with a header"),
        ("", None, "not a table with a header"),
        ('{"symbol": "BRD"}', None, "not a list of objects"),
        ("[1, 2]", None, "not a list of objects"),
        ('[{"symbol"', None, "are not JSON"),
    ],
)
def test_what_is_no_list_of_events_is_refused(
    content: str, columns: dict[str, str] | None, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path / "a.csv", content, columns)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.csv cannot be read"):
        read_labels(tmp_path / "nowhere.csv")
