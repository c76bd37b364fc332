"""Plainer designs under the same check. They must fail it, or the check would not be worth much."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import coattail.engines.engine
import coattail.landing.kernel
from coattail.engines.facts import FactStore
from coattail.engines.recovery import Position, position
from coattail.landing.bars import merge_bars
from coattail.stores.lake import Lake
from coattail.streams.base import Offsets, Read
from coattail.streams.local import LocalStream
from tests.harness.oracle import expected
from tests.harness.running import EVERY_SEGMENT, Killed, differences, drained, feed, found, landed, new_home
from tests.harness.scenes import evenly, market, with_duplicates


def test_without_dedup_the_check_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def everything_is_new(trades: pl.DataFrame, *_: object) -> Any:
        return np.zeros(trades.height, dtype=np.int8)

    monkeypatch.setattr(coattail.landing.kernel, "verdicts", everything_is_new)
    records = with_duplicates(market(), 0.01)
    said = differences(expected(records), found(landed(tmp_path, evenly(records, 4))))
    assert any("doubled" in line and " 0 doubled" not in line for line in said)


def test_with_alerts_from_each_batchs_own_bars_the_check_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest: list[pl.DataFrame] = []
    original: Callable[..., None] = FactStore.add

    def add(self: FactStore, bars: pl.DataFrame, orders: pl.DataFrame) -> None:
        newest[:] = [bars]
        original(self, bars, orders)

    def own_bars(self: FactStore, since: datetime, until: datetime) -> pl.DataFrame:
        return merge_bars(newest[0], histograms=False)

    monkeypatch.setattr(FactStore, "add", add)
    monkeypatch.setattr(FactStore, "bars", own_bars)
    said = differences(expected(market()), found(landed(tmp_path, evenly(market(), 6))))
    assert [line for line in said if line.startswith("alert")]
    assert [line for line in said if not line.startswith("alert")] == []


def test_with_a_checkpoint_that_is_written_before_the_commit_the_check_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same crash that costs the engine nothing loses a batch where progress is kept beside the table."""
    checkpoint: dict[str, Offsets] = {}
    read: Callable[..., Read] = LocalStream.read

    def noting(self: LocalStream, after: Offsets, **kwargs: Any) -> Read:
        result = read(self, after, **kwargs)
        checkpoint["offsets"] = result.offsets
        return result

    def kept_beside(lake: Lake) -> Position:
        at = position(lake)
        return Position(dict(checkpoint.get("offsets", {})), at.sequence, at.stream_id, at.totals)

    monkeypatch.setattr(LocalStream, "read", noting)
    monkeypatch.setattr(coattail.engines.engine, "position", kept_beside)
    home = new_home(tmp_path)
    pieces = evenly(market(), 4)
    feed(LocalStream(home.stream), pieces[:2])
    with monkeypatch.context() as patch, suppress(Killed):
        commit: Callable[..., Any] = Lake.commit

        def dying(self: Lake, table: Any, *args: Any, **kwargs: Any) -> Any:
            if table.name == "raw_trades" and self.newest("raw_trades") is not None:
                raise Killed
            return commit(self, table, *args, **kwargs)

        patch.setattr(Lake, "commit", dying)
        drained(home, EVERY_SEGMENT)
    feed(LocalStream(home.stream), pieces[2:])
    drained(home)
    said = differences(expected(market()), found(home))
    assert any(line.startswith("trades") and "trades: 0 lost" not in line for line in said)


def test_with_offsets_counted_instead_of_read_the_check_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting the packs that were read is right until something is read twice."""
    read: Callable[..., Read] = LocalStream.read
    counted = {"segments": 0}

    def counting(self: LocalStream, after: Offsets, **kwargs: Any) -> Read:
        result = read(self, after, **kwargs)
        if result.packs:
            counted["segments"] += 1
        return Read(result.packs, {"segment": str(counted["segments"])}, result.lost)

    home = new_home(tmp_path)
    pieces = evenly(market(), 6)
    feed(LocalStream(home.stream), pieces[:2])
    monkeypatch.setattr(LocalStream, "read", counting)
    with monkeypatch.context() as patch, suppress(Killed):

        def dying(*args: Any) -> None:
            raise Killed

        patch.setattr(coattail.landing.kernel, "bars_of", dying)
        drained(home, EVERY_SEGMENT)
    feed(LocalStream(home.stream), pieces[2:])
    drained(home, EVERY_SEGMENT)  # reads the first segments a second time, and counts them
    said = differences(expected(market()), found(home))
    assert any(line.startswith("trades") and "trades: 0 lost" not in line for line in said)
