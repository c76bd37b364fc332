"""What status and doctor say of the live producer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from coattail.home import Home
from coattail.producer.journal import ExchangeState, InstrumentState, Journal, LineState, ProducerState
from coattail.workspace.documents import encoded
from coattail.workspace.listening import finding, producer
from coattail.workspace.opening import open_stores
from coattail.workspace.state import state

NOW = datetime(2025, 3, 4, 12, tzinfo=UTC)


def written(home: Home, *, lacking: int = 0, open_lines: int = 2, problem: str = "", **changed: Any) -> None:
    """What a producer wrote down that started an hour ago."""
    lines = tuple(
        LineState(
            symbols=("BTC-USD",), state="listening" if n < open_lines else "waiting", since=NOW, reconnects=1,
            renewals=0, problem="" if n < open_lines else problem, refused="",
        )
        for n in range(2)
    )  # fmt: skip
    instrument = InstrumentState(
        symbol="BTC-USD", trades=100, last_id=900, price="1", traded=NOW, received=NOW, missing=3, gaps=2, refilled=40,
        lacking=lacking, floor=897,
    )  # fmt: skip
    exchange = ExchangeState(
        exchange="coinbase", session="live-1", lines=lines, instruments=(instrument,), messages=100, malformed=0,
        waiting_bytes=0, waits=0, problem="",
    )  # fmt: skip
    said = ProducerState(
        pid=7, started=NOW - timedelta(hours=1), at=NOW - timedelta(seconds=1), stopped=False, sent=140,
        sent_bytes=9000, failed=0, exchanges=(exchange,),
    )  # fmt: skip
    Journal(home.live_file).write(msgspec.structs.replace(said, **changed))


def test_where_nothing_was_heard_there_is_no_producer(home: Home) -> None:
    assert producer(home, now=NOW) is None
    assert finding(home, now=NOW).state == "ok"
    with open_stores(home) as stores:
        assert "producer" not in state(stores, now=NOW).words(NOW)


def test_status_says_how_it_is_doing(home: Home) -> None:
    written(home, open_lines=1, problem="connection reset\x1b[2J")
    with open_stores(home) as stores:
        found = state(stores, now=NOW)
    assert found.producer is not None
    assert (found.producer.missing, found.producer.fetched, found.producer.given_up) == (3, 40, 0)
    shown = found.words(NOW)
    assert (
        "producer   runs (process 7), since 2025-03-04 11:00:00Z; 1 of 2 connections open, 2 made anew, 3 missing, "
        "40 fetched; coinbase: connection reset\\x1b[2J"
    ) in shown
    assert msgspec.json.decode(encoded(found))["producer"]["last_written"] == "2025-03-04T11:59:59Z"
    assert finding(home, now=NOW).state == "ok"


def test_one_that_stopped_in_order_is_well(home: Home) -> None:
    written(home, stopped=True, at=NOW - timedelta(days=3))
    found = finding(home, now=NOW)
    assert found.state == "ok"
    assert found.detail.startswith("stopped 2025-03-01 12:00:00Z (3 days ago), 2 made anew, 3 missing")


@pytest.mark.parametrize(
    ("held", "state", "words"), [(True, "broken", "nothing for a minute"), (False, "note", "order")]
)
def test_one_that_is_silent_for_a_minute_is_not(home: Home, held: bool, state: str, words: str) -> None:
    written(home, at=NOW - timedelta(seconds=61))
    if held:
        with home.producer_lock("produce"):
            found = finding(home, now=NOW)
    else:
        found = finding(home, now=NOW)
    assert found.state == state
    assert words in found.detail
    assert found.remedy is not None


def test_ids_that_were_given_up_are_told(home: Home) -> None:
    written(home, lacking=5)
    found = finding(home, now=NOW)
    assert found.state == "note"
    assert "5 given up" in found.detail
    assert "coverage --gaps" in str(found.remedy)
