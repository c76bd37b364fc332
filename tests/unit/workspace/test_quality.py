"""One formula of the score, wherever it is shown."""

from __future__ import annotations

import pytest

from coattail.engines.metrics import all_metrics
from coattail.home import Home
from coattail.reports.quality import Quality
from coattail.stores.totals import quality_score
from coattail.workspace.opening import open_stores
from coattail.workspace.quality import quality


@pytest.mark.parametrize(
    ("passed", "failed", "score"),
    [(0, 0, None), (1, 0, 100.0), (0, 3, 0.0), (2, 1, 66.666666), (10**12 - 1, 1, 99.999999)],
)
def test_the_score_is_rounded_down_so_that_100_means_that_none_failed(
    passed: int, failed: int, score: float | None
) -> None:
    assert quality_score(passed, failed) == score
    assert Quality(landed=passed, rejected=failed).score == score


def test_table_and_room_say_the_same(day: Home) -> None:
    with open_stores(day) as stores:
        found = quality(stores)
        rows = all_metrics(stores.lake)
    assert found.all_time.processed == rows["records_processed"].sum() > 0
    assert found.all_time.score == 100.0
    assert set(rows["quality_score"]) == {100.0}
    assert [e.exchange for e in found.all_time.exchanges] == sorted(set(rows["exchange"]))


def test_without_a_commit_there_is_no_score(home: Home) -> None:
    with open_stores(home) as stores:
        found = quality(stores)
    assert (found.all_time.score, found.last_24h.since, found.failures) == (None, None, [])
