"""Many small, strange histories through the kernels and the judge, without disk: always the oracle's alerts.

Ids are missing, come late, twice, or are rejected; times jump back and forth by seconds, minutes and hours; batches
end anywhere. Baselines here need three windows, so that short histories have alerts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from coattail.alerts import Alert
from coattail.records import Record, Trade
from tests.harness.memory import landed_in_memory
from tests.harness.oracle import expected
from tests.harness.running import _same, settings_of
from tests.harness.scenes import at, cut, make_trade

MINIMUM = 3
SETTINGS = settings_of({"detectors.volume-anomaly.minimum_windows": MINIMUM})


def judged(pieces: Sequence[Sequence[Record]]) -> dict[str, Alert]:
    """The current alerts after the pieces have landed one by one."""
    return landed_in_memory(pieces, SETTINGS).current()


def differs(records: Sequence[Record], pieces: Sequence[Sequence[Record]]) -> list[str]:
    """What is not as the oracle says."""
    wanted = expected(records, minimum_windows=MINIMUM).alerts
    given = judged(pieces)
    said = []
    for identity in wanted.keys() | given.keys():
        want, alert = wanted.get(identity), given.get(identity)
        have: dict[str, Any] | None = None
        if alert is not None:
            have = {"status": alert.status, "severity": alert.severity, "details": json.loads(alert.details)}
        if want is None or have is None or not _same({k: want[k] for k in have}, have):
            said.append(f"expected {want}, found {alert}")
    return said


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """Records in their order of arrival."""
    records: list[Record] = []
    for exchange, symbol in (("binance", "BTC-USDT"), ("coinbase", "BTC-USD")):
        steps = draw(st.lists(st.sampled_from([1, 7, 20, 20, 20, 45, 61]), min_size=1, max_size=40))
        jumps = st.sampled_from([0] * 12 + [-1, -9, -40, -70, -400, -4_000, 2, 30])
        now, trade_id = draw(st.integers(0, 200)), draw(st.integers(0, 3))
        for step in steps:
            now += step
            trade_id += draw(st.sampled_from([1] * 12 + [2, 3]))
            when = at(0) + timedelta(seconds=max(now + draw(jumps), 0))
            quantity = draw(st.sampled_from(["0.01", "0.011", "0.012", "0.5", "2.5"]))
            price = draw(st.sampled_from(["60000", "60000", "60001.5", "60700"]))
            if draw(st.integers(0, 20)) == 0:
                price = "0"
            records.append(make_trade(trade_id, when, exchange=exchange, symbol=symbol, price=price, quantity=quantity))
            if price != "0" and draw(st.integers(0, 12)) == 0:
                records.append(records[-1])
    if draw(st.booleans()):
        records = draw(st.permutations(records))
    return records


def outlier(seconds: float) -> list[Record]:
    """Forty quiet minutes, and then one trade whose time is far before them though its id is the next."""
    trades: list[Record] = [make_trade(n, at(60 + n / 3), quantity="1") for n in range(120)]
    trades.append(make_trade(120, at(60) - timedelta(seconds=seconds), quantity="1", received=at(101)))
    trades += [make_trade(121 + n, at(101 + n / 3), quantity="2") for n in range(12)]
    return trades


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(records=histories(), cuts=st.lists(st.integers(0, 1_000), max_size=6))
@example(records=outlier(90), cuts=[120, 121])
@example(records=outlier(7_000), cuts=[120, 121])
@example(records=outlier(30_000), cuts=[60, 120, 121])
def test_any_history_in_any_batches_has_the_oracles_alerts(records: list[Record], cuts: list[int]) -> None:
    assert differs(records, cut(records, cuts))[:3] == []


def test_a_history_one_record_at_a_time_has_the_oracles_alerts() -> None:
    records = outlier(200)[60:]
    assert any(isinstance(r, Trade) for r in records)
    assert differs(records, [[r] for r in records]) == []
