"""Which snapshot is meant, and how long one stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coattail.errors import UsageError
from coattail.workspace import past
from coattail.workspace.opening import open_stores
from tests.harness.running import landed
from tests.harness.scenes import market


def test_a_snapshot_is_meant_by_its_id_a_tag_a_time_or_a_duration(tmp_path: Path) -> None:
    home = landed(tmp_path, [market()[:200], market()[200:400]])
    now = datetime.now(UTC) + timedelta(hours=1)
    with open_stores(home, write=True) as stores:
        newest, oldest = past.snapshots(stores)
        meant = past.snapshot_meant(stores.lake, past.RAW, oldest.snapshot_id, now=now)
        held = past.hold(stores, "mine", meant, table=past.RAW, keep=timedelta(days=3), now=now)
        assert (held.snapshot_id, held.keep_until) == (oldest.snapshot_id, now + timedelta(days=3))
        for given in ("mine", int(oldest.snapshot_id), oldest.committed_at, now - oldest.committed_at):
            found = past.snapshot_meant(stores.lake, past.RAW, given, now=now)
            assert str(found.snapshot_id) == oldest.snapshot_id, given
        for given in (None, "main", "10m", now):
            found = past.snapshot_meant(stores.lake, past.RAW, given, now=now)
            assert str(found.snapshot_id) == newest.snapshot_id, given
        assert past.snapshots(stores)[1].tags == ["mine"]
        assert past.snapshots(stores)[1].stays.endswith("(mine)")
        with pytest.raises(UsageError, match="raw_trades has no snapshot from"):
            past.snapshot_meant(stores.lake, past.RAW, timedelta(days=9), now=now)
        assert past.let_go(stores, "mine", table=past.RAW).removed
        with pytest.raises(UsageError, match="has no tag 'mine'"):
            past.let_go(stores, "mine", table=past.RAW)


@pytest.mark.slow
def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    home = landed(tmp_path, [market()[:50]])
    with open_stores(home) as stores, pytest.raises(UsageError, match="there is no table 'nothing'; tables here: "):
        past.snapshots(stores, "nothing")
