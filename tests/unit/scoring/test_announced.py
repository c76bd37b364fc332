"""Which announced events can be judged by which recordings, and which days are quiet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from coattail.scoring.announced import AFTERMATH, EARLY, Why, announced
from coattail.scoring.labels import Label
from coattail.scoring.recorded import Recorded

FIRST = datetime(2018, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def recorded(symbol: str = "BRD-BTC", exchange: str = "binance") -> Recorded:
    return Recorded(exchange=exchange, symbol=symbol, first=FIRST, last=FIRST + 10 * DAY, since=FIRST + 3 * DAY)


def label(at: timedelta, row: int = 1, **changes: object) -> Label:
    values = {"row": row, "base": "BRD", "quote": None, "exchange": None, "start": FIRST + at}
    return Label(**values | changes)  # type: ignore[arg-type]


def test_a_label_that_cannot_be_judged_is_left_with_its_reason() -> None:
    labels = [
        label(5 * DAY, 1),
        label(5 * DAY, 2, base="AST"),
        label(5 * DAY, 3, quote="USDT"),
        label(5 * DAY, 4, exchange="yobit"),
        label(11 * DAY, 5),
        label(-DAY, 6),
        label(2 * DAY, 7),
    ]
    found = announced(labels, [recorded()])
    assert [event.rows for event in found.events] == [(1,)]
    assert {why: [one.row for one in left] for why, left in found.left.items()} == {
        Why.NO_MARKET: [2, 3],
        Why.OTHER_VENUE: [4],
        Why.OUTSIDE: [6, 5],
        Why.WARM_UP: [7],
    }


def test_labels_of_one_event_are_judged_once() -> None:
    labels = [label(5 * DAY + 9 * MINUTE, 2), label(5 * DAY, 1), label(5 * DAY + 11 * MINUTE, 3)]
    first, second = announced(labels, [recorded()], within=10 * MINUTE).events
    assert (first.rows, second.rows) == ((1, 2), (3,))
    assert first.start == FIRST + 5 * DAY
    assert first.until == FIRST + 5 * DAY + 19 * MINUTE


def test_labels_of_two_markets_of_a_coin_are_one_event_of_both() -> None:
    markets = [recorded(), recorded("BRD-ETH")]
    (event,) = announced([label(5 * DAY, quote="BTC"), label(5 * DAY + MINUTE, 2, quote="ETH")], markets).events
    assert str(event) == "binance BRD-BTC and binance BRD-ETH"


def test_a_bare_coin_means_every_market_of_it_and_no_exchange_every_exchange() -> None:
    markets = [recorded(), recorded("BRD-ETH"), recorded("BRD-BTC", "kucoin"), recorded("AST-BTC")]
    both = announced([label(5 * DAY)], markets).events
    assert [str(event) for event in both] == ["binance BRD-BTC and binance BRD-ETH", "kucoin BRD-BTC"]
    one = announced([label(5 * DAY, quote="BTC", exchange="binance")], markets).events
    assert [str(event) for event in one] == ["binance BRD-BTC"]


def test_an_end_says_how_long_an_event_can_be_found() -> None:
    (event,) = announced([label(5 * DAY, end=FIRST + 5 * DAY + 40 * MINUTE)], [recorded()]).events
    assert (event.since, event.until) == (FIRST + 5 * DAY - EARLY, FIRST + 5 * DAY + 40 * MINUTE)


def test_a_day_that_an_event_reaches_into_is_not_quiet() -> None:
    late = announced([label(5 * DAY + timedelta(hours=20))], [recorded()]).stirred
    assert late == {("binance", "BRD-BTC"): {"2018-11-06", "2018-11-07"}}
    assert timedelta(hours=4) < AFTERMATH
    unjudged = announced([label(1 * DAY + timedelta(hours=1))], [recorded()]).stirred
    assert unjudged == {("binance", "BRD-BTC"): {"2018-11-02"}}
