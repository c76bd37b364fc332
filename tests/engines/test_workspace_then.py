"""A workspace as of then says what a workspace said then."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from coattail import Workspace
from coattail.errors import StoreError, UsageError
from coattail.home import Home
from coattail.stores.catalog import embedded
from coattail.stores.expiry import expire
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream
from coattail.tables import BARS
from tests.harness.running import DERIVED_ALWAYS, drained, feed, new_home
from tests.harness.scenes import evenly, market

pytestmark = pytest.mark.slow

Told = tuple[str, datetime, Mapping[str, Any]]
"""A snapshot, a moment after it, and what a workspace said then."""


def said(ws: Workspace) -> Mapping[str, Any]:
    """What the workspace answers to many questions."""
    alerts = ws.alerts(limit=None)
    return {
        "alerts": alerts.rows.drop("recorded_at", strict=False).rows(),
        "symbols": ws.symbols,
        "tables": repr(ws.tables),
        "coverage": ws.coverage().rows.rows(),
        "gaps": ws.gaps().rows(),
        "timeline": repr(ws.coverage().timeline),
        "trades": ws.trades("BTC-USDT").rows(),
        "bars": ws.bars("BTC-USDT").rows(),
        "table": ws.table("bars").height,
        "candles": ws.candles("BTC-USDT").rows.rows(),
        "sql": ws.sql("SELECT symbol, count(*) AS trades FROM raw_trades GROUP BY 1 ORDER BY 1").rows(),
        "view": ws.sql("SELECT alert_type, count(*) AS many FROM alerts GROUP BY 1 ORDER BY 1").rows(),
        "snapshots": ws.sql('SELECT snapshot_id FROM "raw_trades$snapshots"').height,
        "verified": ws.verify().document.alerts + ws.verify().document.trades,
        "holds": ws.verify().document.holds,
        "explained": [ws.explain(alert.alert_id).verdict for alert in alerts.alerts[:1]],
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, list[Told]]:
    """A home in which two pieces landed, one after the other, and what a workspace said after each."""
    home = new_home(tmp_path_factory.mktemp("then"))
    stream = LocalStream(home.stream)
    past = []
    for piece in evenly(market(), 2):
        feed(stream, [piece])
        drained(home, DERIVED_ALWAYS)
        home.hot_db.unlink()  # provisional alerts were never in a table: they have no past
        with Workspace(home.path) as ws:
            past.append((str(ws.snapshots()["snapshot_id"][0]), datetime.now(UTC), said(ws)))
    return home, past


def test_it_says_what_was_said_then(told: tuple[Home, list[Told]]) -> None:
    home, past = told
    assert len({len(then["alerts"]) for *_, then in past}) > 1
    (first, moment, then), (last, _, later) = past
    for as_of, wanted in ((first, then), (moment, then), (int(last), later)):
        with Workspace(home.path, as_of=as_of) as ws:
            found = said(ws)
        assert {name for name in wanted if wanted[name] != found[name]} == set(), as_of
    with Workspace(home.path, as_of=first) as ws:
        assert ws.reprocess().done.request.as_of.snapshot_id == int(first)


def test_what_has_no_past_is_refused(told: tuple[Home, list[Told]]) -> None:
    home, past = told
    with Workspace(home.path, as_of=past[0][0]) as ws:
        for ask in (ws.status, ws.quality, ws.rejected, ws.report, ws.follow):
            with pytest.raises(UsageError, match="known of now only"):
                ask()  # type: ignore[operator]
    with Workspace(home.path, as_of="2001-01-01") as ws, pytest.raises(UsageError, match="raw_trades has no snapshot"):
        ws.alerts()
    with Workspace(home.path, as_of="mine") as ws, pytest.raises(UsageError, match="tag 'mine'"):
        ws.coverage()


def test_a_table_of_then_that_has_expired_is_not_passed_over(told: tuple[Home, list[Told]]) -> None:
    home, past = told
    with closing(Lake(embedded(home.path))) as lake:
        expire(lake, BARS.name, keep=1, needed_after=10**9)
    with Workspace(home.path, as_of=past[0][0]) as ws:
        assert ws.trades("BTC-USDT").height > 0
        with pytest.raises(StoreError, match="bars as of commit 1 of raw_trades has expired"):
            ws.bars("BTC-USDT")
