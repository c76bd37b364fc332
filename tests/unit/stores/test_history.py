"""A table's past: what is kept, which snapshot is meant, and names that hold one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from coattail.errors import StoreError, UsageError
from coattail.stores import history
from coattail.stores.catalog import embedded
from coattail.stores.expiry import drop_lapsed_tags, expire
from coattail.stores.history import at_newest, at_snapshot, at_tag, at_time, complete_through, hold, kept, let_go
from coattail.stores.lake import Lake
from coattail.tables import ORDERS

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)
NAME = ORDERS.name


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = open_lake(tmp_path)
    yield opened
    opened.close()


def open_lake(folder: Path) -> Lake:
    (folder / "warehouse").mkdir(exist_ok=True)
    return Lake(embedded(folder))


def commit(lake: Lake, *days: int, **properties: str) -> int:
    """Add one order per day from noon; returns the snapshot."""
    rows = [
        {"exchange": "binance", "symbol": "BTC-USDT", "trade_id": d, "last_trade_id": d,
         "timestamp": NOON + timedelta(days=d), "side": "buy", "fills": 1, "quantity": Decimal("1.5"),
         "notional": Decimal(9)}
        for d in days
    ]  # fmt: skip
    frame = ORDERS.conform(pl.DataFrame(rows, schema_overrides=ORDERS.schema)) if rows else ORDERS.empty()
    return lake.commit(ORDERS, lake.write(ORDERS, frame), {"note": "x", **properties}).snapshot_id


def now() -> datetime:
    return datetime.now(UTC)


def test_snapshots_come_newest_first_with_what_each_added(lake: Lake) -> None:
    assert kept(lake, NAME) == []
    first, second = commit(lake, 1, 2), commit(lake, 3, commit="7")
    assert [(k.snapshot_id, k.rows, k.added) for k in kept(lake, NAME)] == [(second, 3, 1), (first, 2, 2)]
    assert kept(lake, NAME)[0].commit.sequence == 7
    assert at_newest(lake, NAME).snapshot_id == second


@pytest.mark.slow
def test_the_event_times_of_a_snapshot_are_those_of_the_rows_it_added(lake: Lake) -> None:
    first = commit(lake, 1, 4)
    snapshots = [commit(lake, day) for day in range(5, 40)]  # so many that manifests are merged on the way
    empty = commit(lake)
    for day, snapshot in enumerate(snapshots, start=5):
        at = NOON + timedelta(days=day)
        assert history.event_range(lake, NAME, "timestamp", snapshot) == (at, at)
    days = (NOON + timedelta(days=1), NOON + timedelta(days=4))
    assert history.event_range(lake, NAME, "timestamp", first) == days
    assert history.event_range(lake, NAME, "timestamp", empty) is None


def test_a_snapshot_is_found_by_id_tag_and_time(lake: Lake) -> None:
    first = commit(lake, 1)
    second = commit(lake, 2)
    hold(lake, NAME, "then", first, keep=None, now=now())
    moments = {k.snapshot_id: k.commit.committed_at for k in kept(lake, NAME)}
    assert at_snapshot(lake, NAME, first).snapshot_id == first
    assert at_tag(lake, NAME, "then").snapshot_id == first
    assert at_time(lake, NAME, moments[second]).snapshot_id == second
    if moments[first] < moments[second]:
        assert at_time(lake, NAME, moments[second] - timedelta(milliseconds=1)).snapshot_id == first


def test_what_is_not_kept_is_named_beside_what_is(lake: Lake) -> None:
    with pytest.raises(StoreError, match="no snapshot yet"):
        at_snapshot(lake, NAME, 5)
    snapshots = [commit(lake, day) for day in range(9)]
    hold(lake, NAME, "third", snapshots[2], keep=None, now=now())
    expire(lake, NAME, keep=7, needed_after=10**9)
    asks: tuple[Callable[[], object], ...] = (
        lambda: at_snapshot(lake, NAME, snapshots[0]),
        lambda: at_tag(lake, NAME, "thrid"),
        lambda: at_time(lake, NAME, NOON),
    )
    for ask in asks:
        with pytest.raises(UsageError, match="or it has expired") as raised:
            ask()
        for word in (str(snapshots[8]), str(snapshots[2]), "1 more", "tags: third"):
            assert word in raised.value.next_step


def test_a_tag_outlives_expiry_and_lets_go(lake: Lake) -> None:
    first = commit(lake, 1)
    for day in range(2, 6):
        commit(lake, day)
    hold(lake, NAME, "first", first, keep=None, now=now())
    expire(lake, NAME, keep=1, needed_after=10**9)
    assert [k.snapshot_id for k in kept(lake, NAME)][1:] == [first]
    assert kept(lake, NAME)[1].tags == ("first",)
    assert kept(lake, NAME)[1].held
    assert let_go(lake, NAME, "first") == first
    expire(lake, NAME, keep=1, needed_after=10**9)
    assert len(kept(lake, NAME)) == 1


def test_a_tag_with_an_age_counts_from_when_it_was_made(lake: Lake) -> None:
    """Iceberg counts from the snapshot, which may be older than the age itself."""
    first = commit(lake, 1)
    commit(lake, 2)
    later = now() + timedelta(days=40)
    hold(lake, NAME, "month", first, keep=timedelta(days=30), now=later)
    until = kept(lake, NAME)[1].held_until
    assert until is not None
    assert abs(until - (later + timedelta(days=30))) < timedelta(seconds=1)
    assert not kept(lake, NAME)[1].held
    assert drop_lapsed_tags(lake, NAME, later + timedelta(days=29)) == []
    hold(lake, NAME, "next", first, keep=None, now=later + timedelta(days=31))  # sees to it that what lapsed is gone
    assert kept(lake, NAME)[1].tags == ("next",)


def test_a_name_that_is_taken_says_where_it_points(lake: Lake) -> None:
    first = commit(lake, 1)
    commit(lake, 2)
    hold(lake, NAME, "mine", first, keep=None, now=now())
    with pytest.raises(UsageError, match=f"has a tag 'mine' already, at snapshot {first}") as raised:
        hold(lake, NAME, "mine", first, keep=None, now=now())
    assert "coattail tag mine --table large_trades --remove" in raised.value.next_step


@pytest.mark.parametrize("name", ["", "1st", "a b", "x" * 65, "main", "hourly-1", "daily-x", "reprocess-1", "a/b", "ä"])
def test_other_names_are_refused(name: str, lake: Lake) -> None:
    first = commit(lake, 1)
    with pytest.raises(UsageError):
        hold(lake, NAME, name, first, keep=None, now=now())
    assert kept(lake, NAME)[0].tags == ()


@pytest.mark.parametrize("name", ["none", "main"])
def test_a_name_that_is_not_there_cannot_be_removed(name: str, lake: Lake) -> None:
    first = commit(lake, 1)
    hold(lake, NAME, "other", first, keep=None, now=now())
    with pytest.raises(UsageError, match="tags and branches there: other"):
        let_go(lake, NAME, name)


def test_an_engine_commits_between_the_look_and_the_tag(tmp_path: Path) -> None:
    mine, engine = open_lake(tmp_path), open_lake(tmp_path)
    first = commit(mine, 1)
    kept(mine, NAME)
    commit(engine, 2)
    hold(mine, NAME, "held", first, keep=None, now=now())
    commit(engine, 3)
    assert let_go(mine, NAME, "held") == first
    assert at_newest(mine, NAME).rows == 3
    mine.close()
    engine.close()


def test_maintenance_shows_the_rows_of_the_commit_before_it(lake: Lake) -> None:
    commit(lake, 1, 2, commit="41")
    commit(lake, maintenance="compaction")
    newest = at_newest(lake, NAME)
    assert (newest.commit.sequence, newest.rows, newest.added, newest.maintenance) == (41, 2, 0, "compaction")
    commit(lake, 3, commit="42")
    assert (at_newest(lake, NAME).commit.sequence, at_newest(lake, NAME).maintenance) == (42, None)


def test_the_state_that_belongs_to_a_commit_of_raw_trades(lake: Lake) -> None:
    states = [commit(lake, day, through=str(through)) for day, through in enumerate((2, 5, 5, 9))]
    found = {n: complete_through(lake, NAME, n) for n in (1, 2, 3, 5, 7, 9, 10)}
    assert {n: k.snapshot_id if k else None for n, k in found.items()} == {
        1: None, 2: states[0], 3: states[1], 5: states[2], 7: states[3], 9: states[3], 10: None,
    }  # fmt: skip
