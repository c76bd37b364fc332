"""What every exchange's history promises; that of a new connector joins through `CONNECTORS`."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coattail.connectors import CONNECTORS
from coattail.connectors.history import AskFailed, History, WrongAnswer
from coattail.errors import UsageError

every_connector = pytest.mark.parametrize("name", CONNECTORS)


def histories_of(name: str) -> list[History]:
    """Its history, if it has one."""
    with suppress(UsageError):
        return [CONNECTORS[name]().history("BTC-USD")]
    return []


def test_most_exchanges_have_one() -> None:
    assert {"binance", "binance_us", "coinbase"} <= {name for name in CONNECTORS if histories_of(name)}


@every_connector
def test_whoever_has_none_says_so_with_the_symbol_and_what_to_do(name: str) -> None:
    if not histories_of(name):
        with pytest.raises(UsageError, match="BTC-USD") as caught:
            CONNECTORS[name]().history("BTC-USD")
        assert caught.value.next_step


@every_connector
def test_what_is_asked_stays_within_the_limits_and_on_the_host(name: str) -> None:
    for history in histories_of(name):
        assert urlsplit(history.host).scheme == "https"
        assert history.limits.seconds > 0
        assert history.ways(history.host)
        native = CONNECTORS[name].native("BTC-USD")
        asks = [history.page(native, 5, 4, way) for way in history.ways(history.host)]
        asks += [history.page(native, 0, 10**18, way) for way in history.ways(history.host)]
        asks += [history.listed(), next(history.newest(native)), next(history.first_id_at(native, 10**15))]
        assert all(ask.path.startswith("/") and 0 < ask.weight <= history.limits.weight for ask in asks)


_bodies = st.binary(max_size=80) | st.lists(
    st.dictionaries(
        st.sampled_from(["id", "a", "f", "l", "p", "q", "T", "m", "price", "qty", "time", "isBuyerMaker", "trade_id",
                         "size", "side"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just("2025-01-01T00:00:00Z"),
        max_size=9,
    ),
    max_size=3,
).map(msgspec.json.encode)  # fmt: skip


@every_connector
@given(body=_bodies)
@settings(max_examples=150, deadline=None)
def test_any_answer_is_read_or_refused(name: str, body: bytes) -> None:
    for history in histories_of(name):
        for way in history.ways(history.host):
            try:
                page = history.read(body, 5, way)
            except WrongAnswer:
                continue
            assert page.keys == sorted(set(page.keys))
            assert len(page.keys) == len(page.rows) == len(page.payloads)
            assert all(row.trade_id is not None and row.received == 5 for row in page.rows)
            assert all(payload in body for payload in page.payloads)
        with suppress(WrongAnswer):
            assert isinstance(history.read_listed(body), dict)


@every_connector
@given(status=st.integers(400, 499), body=st.binary(max_size=60) | st.just(b'{"code":-1121,"message":"NotFound"}'))
@settings(max_examples=100, deadline=None)
def test_any_error_is_understood_or_left_to_be_asked_again(name: str, status: int, body: bytes) -> None:
    for history in histories_of(name):
        refused = history.refusal(status, body)
        assert refused is None or (isinstance(refused, AskFailed) and refused.message)
