"""What went in landed, was rejected or was there already: per batch, per exchange, in every place that counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import coattail.engines.upkeep
from coattail.engines.local import LocalEngine
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from tests.harness.oracle import expected
from tests.harness.running import EVERY_SEGMENT, feed, found, landed, new_home, rows_of, settings_of
from tests.harness.scenes import at, evenly, make_trade, market, spoiled, with_duplicates

PIECES = 7


def test_every_batch_accounts_for_every_record(tmp_path: Path) -> None:
    records = with_duplicates(spoiled(market(), seed=2), 0.03)
    pieces = evenly(records, PIECES)
    home = landed(tmp_path, pieces)
    lake = Lake(embedded(home.path))
    summaries = [s.summary.additional_properties for s in lake.iceberg("raw_trades").snapshots() if s.summary]
    assert len(summaries) == PIECES
    before = dict.fromkeys(("received", "landed", "rejected", "duplicates"), 0)
    for piece, summary in zip(pieces, summaries, strict=True):
        counts, totals = json.loads(summary["coattail.counts"]), json.loads(summary["coattail.totals"])
        received = {row["exchange"]: row["received"] for row in counts}
        assert received == {e: sum(r.exchange == e for r in piece) for e in {r.exchange for r in piece}}
        for row in counts:
            assert row["received"] == row["landed"] + row["rejected"] + row["duplicates"]
        added = sum(row["landed"] for row in counts)
        assert int(summary.get("added-records", 0)) == added
        for name in before:
            before[name] += sum(row[name] for row in counts)
            assert totals[name] == before[name]
    wanted = expected(records).counts
    for name, value in before.items():
        assert value == sum(count[name] for count in wanted.values())
    metrics = rows_of(lake, "quality_metrics")
    lake.close()
    assert sum(m["records_processed"] for m in metrics) == len(records)
    assert sum(m["records_passed"] for m in metrics) == before["landed"]
    assert sum(m["records_failed"] for m in metrics) == before["rejected"] == len(found(home).rejected)
    assert sum(m["records_duplicate"] for m in metrics) == before["duplicates"]


def test_bytes_that_are_not_a_pack_are_counted_and_kept_and_cost_their_neighbours_nothing(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    stream = LocalStream(home.stream)
    feed(stream, [[make_trade(1, at(1))]])
    stream.append([(3, b"these bytes are not a pack")])
    feed(stream, [[make_trade(2, at(2))]])
    with LocalEngine(home, settings_of(EVERY_SEGMENT)) as engine:
        totals = engine.drain()
    assert (totals.received, totals.landed, totals.rejected) == (3, 2, 1)
    assert [p.name for p in (home.dlq / "stream").glob("*/*.jsonl")]


def test_every_table_forgets_its_old_snapshots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the metadata of a busy day would make each commit slower than the last."""
    monkeypatch.setattr(coattail.engines.upkeep, "EXPIRE_EVERY", 3)
    home = new_home(tmp_path)
    stream = LocalStream(home.stream)
    with LocalEngine(home, settings_of({**EVERY_SEGMENT, "engine.keep_snapshots": 3})) as engine:
        for number in range(10):
            feed(stream, [[make_trade(number, at(1 + number / 10))]])
            engine.step()
            engine.commit_derived()
    lake = Lake(embedded(home.path))
    kept = {name: len(lake.iceberg(name).snapshots()) for name in lake.names()}
    lake.close()
    assert max(kept.values()) < 8, kept
    assert len(found(home).trades) == 10
