"""A quiet market is not taken for a stalled feed, nor the other way round."""

from __future__ import annotations

from itertools import pairwise

import pytest

from coattail.connectors.receipt import ReceiptClock
from coattail.producer.quiet import FRESH_SECONDS, LINE_SECONDS, QUIET_SECONDS, QuietWatch

LINE = ("BTC-USDT", "ETH-USDT")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock: Clock) -> QuietWatch:
    """One that has heard each instrument once every tenth of a second for ten seconds."""
    watch = QuietWatch(LINE, clock)
    for number in range(100):
        clock.now += 0.1
        for symbol in LINE:
            watch.heard(symbol, number, 1, clock.now)
    return watch


def due(watch: QuietWatch, opened: float = 1000.0) -> list[str]:
    return list(watch.due(LINE, opened))


def test_what_is_heard_is_not_asked_for(watch: QuietWatch, clock: Clock) -> None:
    clock.now += LINE_SECONDS / 2
    assert due(watch) == []


def test_a_line_that_falls_silent_is_asked_for_soon_and_then_ever_more_seldom(watch: QuietWatch, clock: Clock) -> None:
    asked = []
    for _ in range(4000):
        clock.now += 0.5
        if "BTC-USDT" in due(watch):
            asked.append(clock.now)
            watch.told("BTC-USDT", 99, 1000.0)  # a quiet market
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert asked[0] == pytest.approx(1010.0 + LINE_SECONDS, abs=0.6)
    assert pauses == sorted(pauses)
    assert max(pauses) > 500


def test_one_silent_instrument_among_others_is_asked_for_later(watch: QuietWatch, clock: Clock) -> None:
    asked = None
    while asked is None:
        clock.now += 0.5
        watch.heard("ETH-USDT", 100, 1, clock.now)
        found = due(watch)
        assert "ETH-USDT" not in found
        asked = clock.now if found else None
    assert asked == pytest.approx(1010.0 + QUIET_SECONDS, abs=0.6)


def test_what_a_new_connection_does_not_tell_of_is_asked_for_at_once(watch: QuietWatch, clock: Clock) -> None:
    opened = clock.now + 1.0
    clock.now = opened + FRESH_SECONDS + 0.1
    watch.heard("ETH-USDT", 100, 1, clock.now)
    assert due(watch, opened) == ["BTC-USDT"]
    assert due(watch, opened) == []


def test_a_feed_has_stalled_when_the_exchange_goes_on_to_trade(watch: QuietWatch, clock: Clock) -> None:
    clock.now += 3
    assert not watch.told("BTC-USDT", 105, 1000.0)  # it may be on its way
    clock.now += 1
    assert not watch.told("BTC-USDT", 105, 1000.0)
    clock.now += 1
    assert watch.told("BTC-USDT", 106, 1000.0)
    assert watch.mend(LINE, "BTC-USDT")


def test_what_is_heard_meanwhile_has_not_stalled(watch: QuietWatch, clock: Clock) -> None:
    watch.told("BTC-USDT", 105, 1000.0)
    clock.now += 1
    watch.heard("BTC-USDT", 101, 1, clock.now)
    assert not watch.told("BTC-USDT", 106, 1000.0)


def test_a_line_of_which_something_is_heard_is_not_broken(watch: QuietWatch, clock: Clock) -> None:
    watch.told("BTC-USDT", 105, 1000.0)
    clock.now += 1
    watch.heard("ETH-USDT", 100, 1, clock.now)
    assert watch.told("BTC-USDT", 106, 1000.0)
    assert not watch.mend(LINE, "BTC-USDT")


def test_what_does_not_get_better_is_mended_ever_more_seldom(watch: QuietWatch, clock: Clock) -> None:
    mended = []
    for second in range(3000):
        clock.now += 1
        if watch.told("BTC-USDT", 105 + second, 1000.0):
            watch.mend(LINE, "BTC-USDT")
            mended.append(clock.now)
    assert 5 <= len(mended) <= 15


def test_a_new_connection_is_not_taken_for_the_one_that_stalled(watch: QuietWatch, clock: Clock) -> None:
    watch.told("BTC-USDT", 105, 1000.0)
    clock.now += 1
    opened = clock.now
    clock.now += 1
    assert not watch.told("BTC-USDT", 106, opened)
    clock.now += 1
    assert watch.told("BTC-USDT", 107, opened)


def test_trades_of_the_time_before_we_listened_are_not_expected(clock: Clock) -> None:
    watch = QuietWatch(LINE, clock)
    for _ in range(10):
        clock.now += 1
        assert not watch.told("BTC-USDT", 5000, 1000.0)


def test_the_clock_of_receipt_never_goes_back() -> None:
    wall, steady = [1_000_000.0], [0.0]
    clock = ReceiptClock(lambda: int(wall[0] * 1e9), lambda: int(steady[0] * 1e9))
    said = []
    for step_wall, step_steady in ((0, 0), (1, 1), (-3600, 1), (1, 1), (7200, 1), (1, 1)):
        wall[0], steady[0] = wall[0] + step_wall, steady[0] + step_steady
        said.append(clock() / 1e6 - 1_000_000)
    assert said == pytest.approx([0, 1, 2, 3, 3602, 3603])
