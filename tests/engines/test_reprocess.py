"""Time travel: the alerts of any snapshot again, what differs and why, and recomputed ones made the current ones."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from coattail.engines import promote, reduction
from coattail.engines import recompute as recomputing
from coattail.engines.comparison import CAUSES, VERDICTS
from coattail.engines.local import LocalEngine
from coattail.engines.promote import branch_of, checks, fast_forward, write_branch
from coattail.engines.promote import promote as promoted
from coattail.engines.recompute import recompute
from coattail.engines.reduction import TradeFacts, trade_facts
from coattail.engines.reprocess import REPROCESSED, Reprocessed, Request, outcome_table, record, reprocess
from coattail.errors import StoreError, UsageError
from coattail.home import Home
from coattail.records import Record, Trade, micros
from coattail.sql import Sql
from coattail.stores.expiry import expire
from coattail.stores.files import TableFiles
from coattail.stores.history import at_newest, kept
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from coattail.tables import ALERTS, COVERAGE, RAW_TRADES
from tests.harness.oracle import expected
from tests.harness.running import DERIVED_ALWAYS, EVERY_SEGMENT, drained, feed, found, landed, new_home, settings_of
from tests.harness.scenes import at, cut, evenly, make_trade, market, spoiled, with_duplicates, with_gap_refilled
from tests.harness.time_travel import Verdict, asked, current, final, grown, now, only, shuffled_within, stores, texts

STRICTER: dict[str, object] = {"detectors.volume-anomaly.z_threshold": 3.5, "detectors.whale-detector.medium": 200_000}


# -- as of a snapshot ------------------------------------------------------------------------------------------


def test_every_old_snapshot_gives_its_old_alerts_byte_for_byte(tmp_path: Path) -> None:
    records = with_duplicates(spoiled(shuffled_within(market(), 90), seed=3), 0.01)
    pieces = evenly(records, 5)
    home, past = grown(tmp_path, pieces)
    fed: list[Record] = []
    with stores(home) as (lake, _):
        for piece, (snapshot_id, then) in zip(pieces, past, strict=True):
            again = recompute(lake, settings_of({}), snapshot_id=snapshot_id)
            assert texts(again) == then
            fed += piece
            assert set(texts(again)) == set(expected(fed).alerts)
    assert len({len(then) for _, then in past}) > 2


@pytest.mark.parametrize("ledger", ["kept", "expired"])
def test_a_range_is_read_from_its_own_days_and_gives_the_same(
    ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = landed(tmp_path, evenly(three_days(), 4), DERIVED_ALWAYS)
    if ledger == "expired":
        monkeypatch.setattr(recomputing, "complete_through", lambda *_: None)
    since, until = at(24 * 60 - 30), at(36 * 60)
    read: list[str] = []

    def spying(files: TableFiles) -> TradeFacts:
        read.extend(files.locations)
        return trade_facts(files)

    with stores(home) as (lake, _):
        snapshot = at_newest(lake, RAW_TRADES.name).snapshot_id
        whole = recompute(lake, settings_of({}), snapshot_id=snapshot)
        part = recompute(lake, settings_of({}), snapshot_id=snapshot, since=since, until=until, facts_of=spying)
    wanted = {a.alert_id: a for a in whole.alerts if since <= a.detected_at < until}
    assert wanted
    assert {a.alert_id: a for a in part.alerts} == wanted
    assert {p.split("timestamp_day=")[1][:10] for p in read} == {"2025-03-05", "2025-03-06"}


def three_days() -> tuple[Record, ...]:
    """One trade a minute from noon to noon of the fourth day, ten times as much in some minutes; ids begin at 100."""
    rows = []
    for minute in range(3 * 24 * 60):
        quantity = 1 + minute % 7 / 100 if minute % 500 else 20
        rows.append(make_trade(100 + minute, at(minute), quantity=str(quantity)))
    return tuple(rows)


def test_how_files_are_grouped_makes_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = landed(tmp_path, evenly(shuffled_within(market(), 4_000), 7), EVERY_SEGMENT)
    with stores(home) as (lake, _):
        stored = lake.reading(RAW_TRADES, lake.files(RAW_TRADES.name))
    unsorted = tmp_path / "unsorted.parquet"
    shuffled = stored.rows().collect().sample(fraction=1, shuffle=True, seed=1)
    shuffled.write_parquet(unsorted)
    outcomes = []
    for part, most, files in (
        (1, 10**9, stored),
        (10**9, 1, stored),
        (100, 211, stored.only(stored.files[::-1])),
        (10**9, 1, stored.only([(str(unsorted), shuffled.height)])),
    ):
        monkeypatch.setattr(reduction, "_PART_ROWS", part)
        monkeypatch.setattr(reduction, "_MOST_ROWS", most)
        bars, orders, _ = trade_facts(files)
        outcomes.append((bars, orders))
    assert all(bars.equals(outcomes[0][0]) and orders.equals(outcomes[0][1]) for bars, orders in outcomes)


def test_nothing_has_landed_gives_nothing(tmp_path: Path) -> None:
    with stores(new_home(tmp_path)) as (lake, _):
        assert recompute(lake, settings_of({})).alerts == []
        with pytest.raises(StoreError, match="no snapshot yet"):
            at_newest(lake, RAW_TRADES.name)


# -- compared --------------------------------------------------------------------------------------------------


@cache
def usual() -> tuple[list[Record], ...]:
    return tuple(evenly(market(), 3))


def test_the_home_s_own_settings_change_nothing_that_was_closed(tmp_path: Path) -> None:
    home = landed(tmp_path, usual(), DERIVED_ALWAYS)
    with stores(home) as (lake, _):
        done = reprocess(lake, asked(lake))
        assert done.standing == "exact"
        assert done.counts()["same"] == len(final(current(home)))
        assert done.counts()["vanished"] == done.counts()["changed"] == 0
        assert done.causes() == {"open_window": done.counts()["appeared"]}
        assert all(c.alert.status == "provisional" for c in done.compared if c.verdict == "appeared")


def test_with_another_threshold_the_differences_are_those_of_a_fresh_run_with_it(tmp_path: Path) -> None:
    home = landed(tmp_path / "a", usual(), DERIVED_ALWAYS)
    fresh = current(landed(tmp_path / "b", usual(), {**DERIVED_ALWAYS, **STRICTER}))
    before = final(current(home))
    with stores(home) as (lake, _):
        done = reprocess(lake, asked(lake, STRICTER))
    assert texts(done) == fresh
    after = final(fresh)
    verdicts = {c.alert_id: c.verdict for c in done.compared if "open_window" not in c.causes}
    assert verdicts == {
        i: "vanished" if i not in after else "same" if after[i] == before[i] else "changed" for i in before
    }
    assert {"same", "vanished", "changed"} == set(verdicts.values())
    for c in done.compared:
        if c.verdict == "vanished":
            parameter = "volume-anomaly.z_threshold 2.5 -> 3.5" if "volume" in c.alert.alert_type else "whale-detector"
            assert c.causes == ("settings",)
            assert f"asked for {parameter}" in c.reason
            assert "no longer an alert" in c.reason


def test_trades_that_landed_after_the_snapshot_are_told_from_settings(tmp_path: Path) -> None:
    """The table is written only after both, so it says what the snapshot could not."""
    home = new_home(tmp_path)
    records = market()
    with LocalEngine(home, settings_of(EVERY_SEGMENT)) as engine:
        for piece in cut(records, [len(records) * 3 // 4]):
            feed(LocalStream(home.stream), [piece])
            engine.drain()
    with stores(home) as (lake, _):
        first = kept(lake, RAW_TRADES.name)[-1]
        done = reprocess(lake, asked(lake, {"detectors.volume-anomaly.z_threshold": 2.4}, as_of=first))
        assert done.standing == "later"
        assert set(done.causes()) >= {"later_trades", "settings"}
        vanished = [c for c in done.compared if c.causes == ("later_trades",)]
        assert vanished
        assert all(c.verdict == "vanished" and "landed after the snapshot" in c.reason for c in vanished)
        assert all(c.alert.detected_at > (done.watermark or at(0)) for c in vanished)
        refused = {c.name: c.passed for c in checks(lake, done)}
        assert list(refused.values()) == [False, False, True]


def test_every_verdict_and_every_cause_occurs(tmp_path: Path) -> None:
    verdicts: set[str] = set()
    causes: set[str] = set()
    home, past = grown(tmp_path / "a", usual())
    with stores(home) as (lake, _):
        looser: dict[str, object] = {
            "detectors.volume-anomaly.z_threshold": 2.2,
            "detectors.whale-detector.high": 700_000,
        }
        outcomes = [reprocess(lake, asked(lake, looser)), reprocess(lake, asked(lake, STRICTER))]
        other = Request(
            as_of=at_newest(lake, RAW_TRADES.name), original=settings_of(STRICTER), asked=settings_of(STRICTER)
        )
        outcomes.append(reprocess(lake, other))  # the home says what did not write these alerts
    home = new_home(tmp_path / "b")
    with LocalEngine(home, settings_of(EVERY_SEGMENT)) as engine:
        for piece in usual():
            feed(LocalStream(home.stream), [piece])
            engine.drain()
        with stores(home) as (lake, _):
            outcomes.append(reprocess(lake, asked(lake)))  # the tables lack everything
    with stores(home) as (lake, _):
        outcomes.append(reprocess(lake, asked(lake, as_of=kept(lake, RAW_TRADES.name)[-1])))
    for done in outcomes:
        verdicts |= {c.verdict for c in done.compared}
        causes |= set(done.causes()) - {"unexplained"}
        assert all(c.reason and c.causes for c in done.compared if c.verdict != "same")
        assert [c.alert_id for c in done.compared] == [
            c.alert_id for c in sorted(done.compared, key=lambda c: (c.alert.detected_at, c.alert_id))
        ]
    assert verdicts == set(VERDICTS)
    assert causes == set(CAUSES) - {"unexplained"}, "evidence names the rules"
    assert len(past) == 3


def test_where_an_alert_comes_or_goes_the_other_preset_says_what_it_makes_of_it(tmp_path: Path) -> None:
    home = landed(tmp_path, usual(), DERIVED_ALWAYS)
    with stores(home) as (lake, _):
        done = reprocess(lake, asked(lake, {"preset": "default"}))
    gone = [c for c in done.compared if c.verdict == "vanished" and c.alert.module_id == "MOD-001"]
    come = [c for c in done.compared if c.verdict == "appeared" and c.alert.module_id == "MOD-001"]
    assert gone
    assert come
    assert all("; now it " in c.reason for c in gone)
    assert any("an alert takes once in 12 hours" in c.reason for c in gone)
    assert all("; before, " in c.reason for c in come if c.alert.symbol != "ALL" and "settings" in c.causes)


def test_a_state_of_the_alerts_that_has_expired_is_found_again_by_when_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from coattail.engines import reprocess as module

    home, past = grown(tmp_path, usual())
    with stores(home) as (lake, _):
        first = only(lake, past[0][0])
        monkeypatch.setattr(module, "_WRITTEN_WITHIN", timedelta(0))
        expire(lake, ALERTS.name, keep=1, needed_after=10**9)
        done = reprocess(lake, asked(lake, as_of=first))
        assert done.standing == "later"
        assert len(kept(lake, ALERTS.name)) == 1
        assert done.original.keys() <= past[0][1].keys()


# -- the table of outcomes -------------------------------------------------------------------------------------


def test_a_run_is_written_once_with_the_original_beside_it(tmp_path: Path) -> None:
    home = landed(tmp_path, usual(), DERIVED_ALWAYS)
    with stores(home) as (lake, hot):
        done = reprocess(lake, asked(lake, STRICTER))
        assert record(lake, REPROCESSED, done, now=now()) is True
        again = reprocess(lake, asked(lake, STRICTER))
        assert again.request.run_id == done.request.run_id
        assert record(lake, REPROCESSED, again, now=now()) is False
        rows = lake.scan(REPROCESSED)
        assert rows.height == len(done.compared)
        changed = rows.filter(pl.col("verdict") == "changed").to_dicts()
        assert changed
        for row in changed:
            assert json.loads(row["original_details"]) != json.loads(row["details"])
            assert (row["as_of_commit"], row["as_of_snapshot"]) == (3, done.request.as_of.snapshot_id)
        other = reprocess(lake, asked(lake))
        assert other.request.run_id != done.request.run_id
        assert record(lake, REPROCESSED, other, now=now()) is True
        answer = Sql(lake, hot).query("SELECT run_id, count(*) AS n FROM anomalies_reprocessed GROUP BY 1")
        assert answer.num_rows == 2


def test_a_run_without_any_alert_is_remembered_too(tmp_path: Path) -> None:
    home = landed(tmp_path, [[make_trade(n, at(n / 10)) for n in range(1, 50)]], DERIVED_ALWAYS)
    with stores(home) as (lake, _):
        done = reprocess(lake, asked(lake))
        assert done.compared == []
        assert [record(lake, REPROCESSED, done, now=now()) for _ in range(2)] == [True, False]


@pytest.mark.parametrize("name", ["raw_trades", "alerts", "volume_aggregates", "Big", "1st", "a b", ""])
def test_outcomes_go_into_no_table_of_coattail_s_own(name: str) -> None:
    with pytest.raises(UsageError):
        outcome_table(name, ["alerts"])


def test_outcomes_do_not_go_into_somebody_else_s_table(tmp_path: Path) -> None:
    home = landed(tmp_path, usual(), DERIVED_ALWAYS)
    with stores(home) as (lake, _):
        other = outcome_table("mine")
        lake.create(COVERAGE.__class__(name="mine", doc="", columns=COVERAGE.columns))
        with pytest.raises(StoreError, match="not made by reprocess"):
            record(lake, other, reprocess(lake, asked(lake)), now=now())


# -- promote ---------------------------------------------------------------------------------------------------


def ready(lake: Lake, overrides: dict[str, object] | None = None) -> Reprocessed:
    done = reprocess(lake, asked(lake, overrides or STRICTER))
    assert [c for c in checks(lake, done) if not c.passed] == []
    return done


def test_promoted_alerts_are_the_current_ones_everywhere_and_stay(tmp_path: Path) -> None:
    home = landed(tmp_path / "a", usual(), DERIVED_ALWAYS)
    fresh = landed(tmp_path / "b", usual(), {**DERIVED_ALWAYS, **STRICTER})
    with stores(home) as (lake, hot):
        done = ready(lake)
        revised = promoted(lake, hot, "better", done, now=now())
        assert {a.status for a in revised} == {"final", "retracted"}
        assert all(k.branches == () for k in kept(lake, ALERTS.name))
        head = lake.newest(ALERTS.name)
        assert head is not None
        assert (head.properties["through"], head.properties["run"]) == ("3", done.request.run_id)
    assert final(current(home)) == final(current(fresh))
    with stores(home) as (lake, hot):
        shown = Sql(lake, hot).query("SELECT alert_id FROM alerts WHERE status = 'final'")
        assert set(shown.column("alert_id").to_pylist()) == set(final(current(home)))
        in_hot = {s.alert.alert_id: s.alert for s in hot.alerts(now=now())}
        assert {i for i, a in in_hot.items() if a.status == "final"} == set(final(current(home)))
    before = revisions_of(home)
    for overrides in (STRICTER, {}):  # neither an engine with the new settings nor one with the old revises anything
        drained(home, {**EVERY_SEGMENT, **overrides})
        assert revisions_of(home) == before
    with stores(home) as (lake, hot):
        same = Request(
            as_of=at_newest(lake, RAW_TRADES.name), original=settings_of(STRICTER), asked=settings_of(STRICTER)
        )
        again = reprocess(lake, same)
        assert all(c.passed for c in checks(lake, again))
        assert promoted(lake, hot, "again", again, now=now()) == []


def revisions_of(home: Home) -> list[tuple[str, int]]:
    with stores(home) as (lake, _):
        return sorted(lake.scan(ALERTS).select("alert_id", "revision").iter_rows())


def test_an_engine_that_goes_on_with_the_promoted_settings_agrees_with_a_fresh_one(tmp_path: Path) -> None:
    first, second, third = usual()
    home = landed(tmp_path / "a", [first, second], DERIVED_ALWAYS)
    with stores(home) as (lake, hot):
        promoted(lake, hot, "better", ready(lake), now=now())
    feed(LocalStream(home.stream), [third])
    drained(home, {**DERIVED_ALWAYS, **STRICTER})
    fresh = landed(tmp_path / "b", usual(), {**DERIVED_ALWAYS, **STRICTER})
    assert current(home) == current(fresh)


def test_only_the_range_that_was_asked_for_is_promoted(tmp_path: Path) -> None:
    home = landed(tmp_path, usual(), DERIVED_ALWAYS)
    before = final(current(home))
    times = {i: a["detected_at"] for i, a in found(home).alerts.items()}
    until = at(80)
    with stores(home) as (lake, hot):
        done = reprocess(lake, asked(lake, STRICTER, until=until))
        assert promoted(lake, hot, "part", done, now=now())
        wanted = final(texts(done))
    after = final(current(home))
    late = {i for i in before if times[i] >= micros(until)}
    assert late
    assert {i: after[i] for i in late} == {i: before[i] for i in late}
    assert {i: a for i, a in after.items() if i not in late} == wanted


def test_trades_that_landed_late_refuse_the_old_snapshot(tmp_path: Path) -> None:
    records = with_gap_refilled(market(), "binance", at(71), at(73.5))
    refill = next(n for n, r in enumerate(records) if isinstance(r, Trade) and r.source == "backfill")
    home, past = grown(tmp_path, cut(records, [refill]))
    with stores(home) as (lake, _):
        done = reprocess(lake, asked(lake, STRICTER, as_of=only(lake, past[0][0])))
        found_out = checks(lake, done)
        assert [c.passed for c in found_out] == [True, False, False]
        assert found_out[1].detail == f"{len(records) - refill:,} have: use a newer snapshot"
        assert "have been revised since" in found_out[2].detail
        assert all(c.passed for c in checks(lake, reprocess(lake, asked(lake, STRICTER))))
        before = reprocess(lake, asked(lake, as_of=only(lake, past[0][0]), until=at(60)))
        assert [c.passed for c in checks(lake, before)] == [True, False, True]


def test_alerts_that_the_home_s_settings_do_not_give_refuse_it(tmp_path: Path) -> None:
    home = landed(tmp_path, usual(), {**DERIVED_ALWAYS, **STRICTER})
    with stores(home) as (lake, _):
        first = checks(lake, reprocess(lake, asked(lake)))[0]
    assert not first.passed
    assert "are not: " in first.detail
    assert "the rules that wrote the alerts of this module did not raise it" in first.detail


def test_main_that_has_moved_is_not_overwritten(tmp_path: Path) -> None:
    home = landed(tmp_path, usual(), DERIVED_ALWAYS)
    with stores(home) as (lake, hot):
        done = ready(lake)
        branch = write_branch(lake, hot, "slow", done, now=now())
        lake.commit(ALERTS, [], {"through": "3", "watermark": "0"})
        with pytest.raises(StoreError, match="has moved on since the branch 'slow' was made"):
            fast_forward(lake, branch)
        with pytest.raises(StoreError, match="coattail tag slow --table anomaly_alerts --remove"):
            promoted(lake, hot, "slow", done, now=now())
    assert final(current(home)) == final(texts_under(home))


def texts_under(home: Home) -> dict[str, Verdict]:
    with stores(home) as (lake, _):
        return texts(recompute(lake, settings_of({})))


@pytest.mark.parametrize("dies", ["before the branch", "before main moves", "before the hot store"])
def test_a_kill_on_the_way_leaves_main_whole_and_the_next_run_finishes(
    dies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = landed(tmp_path, usual(), DERIVED_ALWAYS)
    before = final(current(home))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with stores(home) as (lake, hot), monkeypatch.context() as patch:
        done = ready(lake)
        if dies == "before the hot store":
            patch.setattr(SqliteHotStore, "put_alerts", killed)
        else:
            patch.setattr(promote, "write_branch" if "branch" in dies else "fast_forward", killed)
        with pytest.raises(KeyboardInterrupt):
            promoted(lake, hot, "reprocess-x", done, now=now())
    wanted = final(texts(done))
    then = wanted if dies == "before the hot store" else before
    assert final(current(home)) == then
    drained(home, EVERY_SEGMENT)  # an engine goes on as if nothing had been
    assert final(current(home)) == then
    with stores(home) as (lake, hot):
        assert (branch_of(lake, "reprocess-x", done.request.run_id) is not None) is (dies == "before main moves")
        promoted(lake, hot, "reprocess-x", done, now=now())
        in_hot = {s.alert.alert_id for s in hot.alerts(now=now()) if s.alert.status == "final"}
    assert final(current(home)) == wanted != before
    assert in_hot == set(wanted)


def test_a_branch_is_seen_by_nobody_who_does_not_ask_for_it(tmp_path: Path) -> None:
    home = landed(tmp_path, usual(), DERIVED_ALWAYS)
    before, revisions = current(home), revisions_of(home)
    with stores(home) as (lake, hot):
        done = ready(lake)
        branch = write_branch(lake, hot, "try", done, now=now())
        assert branch.revised
        with pytest.raises(UsageError, match="has a branch 'try' already"):
            write_branch(lake, hot, "try", done, now=now())
        on_it = Sql(lake, hot).query("SELECT count(*) AS n FROM anomaly_alerts FOR VERSION AS OF 'try'")
        assert on_it.column("n").to_pylist() == [len(revisions) + len(branch.revised)]
        assert reprocess(lake, asked(lake)).original.keys() == final(before).keys()
    assert (current(home), revisions_of(home)) == (before, revisions)
    feed(LocalStream(home.stream), [[make_trade(9_999_999, at(101))]])
    drained(home, DERIVED_ALWAYS)  # an engine commits beside the branch


# -- in the large ----------------------------------------------------------------------------------------------
