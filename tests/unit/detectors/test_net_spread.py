"""Spreads by hand: what a price is, where its basis comes from, what one print can do, crashes, runaway venues."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from coattail.alerts import Alert
from coattail.amounts import short
from coattail.detectors import Facts
from coattail.detectors.closes import Ticks, median_of_three
from coattail.detectors.grid import bar_of
from coattail.detectors.net_spread import NetSpreadDetector
from coattail.market import DEFAULT_INSTRUMENTS, LIVELY, MarketFacts, PlantedCrash, market_facts
from coattail.market import Market as SimulatedMarket
from coattail.tables import BARS, ORDERS, UTC_MICROS

START = datetime(2025, 3, 4, 12, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
HOUR = 60 * MINUTE
DETECTOR = NetSpreadDetector()
BARS_AN_HOUR = 360

Market = dict[tuple[str, str], Callable[[int], float | None]]
"""(exchange, symbol) -> the last price of the bar of this number since the start; None: no trade in it."""


def facts_of(market: Market, bars: int = 2 * BARS_AN_HOUR) -> Facts:
    """What is known of a market in which every bar has two trades, or none."""
    rows, spans = [], []
    for (exchange, symbol), price in market.items():
        traded = [(n, p) for n in range(bars) if (p := price(n)) is not None]
        rows += [
            {
                "exchange": exchange, "symbol": symbol, "bar_start": START + 10 * n * SECOND, "trades": 2,
                "last_price": p, "high": p, "low": p, "first_trade_id": 2 * n, "last_trade_id": 2 * n + 1,
                "quantity": 2, "notional": p * 2, "notional_squared": 2 * p * p,
            }
            for n, p in traded
        ]  # fmt: skip
        spans.append((exchange, symbol, 0, 2 * bars, START - SECOND, START + 10 * (bars + 1) * SECOND))
    frame = pl.DataFrame(rows, schema_overrides={"bar_start": UTC_MICROS})
    return Facts(
        bars=BARS.conform(frame),
        orders=ORDERS.empty(),
        spans=pl.DataFrame(
            spans,
            schema={
                "exchange": pl.String, "symbol": pl.String, "first_id": pl.Int64, "last_id": pl.Int64,
                "first_ts": UTC_MICROS, "last_ts": UTC_MICROS,
            },
            orient="row",
        ),
        since=START,
        until=START + 10 * (bars + 10) * SECOND,
        watermark=START + 10 * bars * SECOND,
    )  # fmt: skip


def noise(seed: int, bp: float = 1.0) -> Callable[[int], float]:
    """A factor near 1 for every bar."""
    rng = np.random.Generator(np.random.PCG64(seed))
    factors = 1 + bp * 1e-4 * rng.standard_normal(100_000)
    return lambda n: float(factors[n])


def coin(exchange: str, base: str, quote: str, price: float, **moved: Any) -> Market:
    """A coin that stays near its price, but for what `shift` says of a bar (a factor, or None: no trade)."""
    shift: Callable[[int], float | None] = moved.get("shift", lambda n: 1.0)
    near = noise(sum(map(ord, exchange + base + quote)))

    def at(n: int) -> float | None:
        factor = shift(n)
        return None if factor is None else price * near(n) * factor

    return {(exchange, f"{base}-{quote}"): at}


def from_bar(first: int, factor: float, until: int = 10**9) -> Callable[[int], float]:
    return lambda n: factor if first <= n < until else 1.0


def coins(number: int, **moved: Any) -> Market:
    """So many coins at two venues, in USDT at one and in USD at the other; `moved`: shift by venue."""
    found: Market = {}
    for base in ("BTC", "ETH", "SOL", "XRP", "ADA")[:number]:
        found |= coin("binance", base, "USDT", 100.0, shift=moved.get("binance", lambda n: 1.0))
        found |= coin("coinbase", base, "USD", 100.0, shift=moved.get("coinbase", lambda n: 1.0))
    return found


def alerts_of(market: Market, detector: NetSpreadDetector = DETECTOR, bars: int = 2 * BARS_AN_HOUR) -> list[Alert]:
    return sorted(detector.flag(detector.score(facts_of(market, bars))), key=lambda a: (a.detected_at, a.symbol))


def said(alerts: Iterable[Alert]) -> list[tuple[str, str, float]]:
    """(type, symbol, bars since the start) of each."""
    return [(a.alert_type, a.symbol, (a.detected_at - START) / (10 * SECOND)) for a in alerts]


def details(alert: Alert) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(alert.details)
    return found


# -- prices -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prices", "expected"),
    [((1, 5, 3), 3), ((5, 1, 3), 3), ((3, 3, 9), 3), ((None, 5, 3), 4), ((5, None, None), 5), ((None, None, 2), 2)],
)
def test_a_price_is_the_median_of_the_bars_that_traded(prices: Sequence[float | None], expected: float) -> None:
    a, b, c = (np.array([np.nan if p is None else float(p)]) for p in prices)
    assert median_of_three(a, b, c)[0] == expected


def test_without_a_trade_in_three_bars_there_is_no_price() -> None:
    facts = facts_of(coin("binance", "BTC", "USDT", 100.0, shift=lambda n: None if 50 <= n < 56 else 1.0), 100)
    closes = Ticks(facts, lambda s: True).closes(bar_of(START) + 3, bar_of(START) + 100, step=1)
    missing = np.flatnonzero(np.isnan(closes.price[0])) + 3
    assert missing.tolist() == [52, 53, 54, 55]


def test_bars_are_known_as_windows_are_covered() -> None:
    """Ids with holes: three known bars are a half minute that `windows_of` calls covered, or open and begun."""
    from coattail.detectors.windows import windows_of

    rng = random.Random(4)
    market = coin("binance", "BTC", "USDT", 100.0)
    facts = facts_of(market, 120)
    edges = sorted(rng.sample(range(1_200), 8))
    spans = [
        ("binance", "BTC-USDT", 10 * k, 10 * k + 5, START + low * SECOND, START + high * SECOND)
        for k, (low, high) in enumerate(zip(edges[::2], edges[1::2], strict=True))
    ]
    mark = START + 333 * SECOND
    facts = replace(
        facts, spans=pl.DataFrame(spans, schema=facts.spans.schema, orient="row"), watermark=mark, until=START + HOUR
    )
    windows = windows_of(facts.bars, facts.spans, timedelta(seconds=10), START, facts.until).sort("window_start")
    known = windows["covered"] | ((windows["window_end"] > mark) & windows["begun"])
    single = dict(zip(windows["window_start"], known, strict=True))
    ticks = Ticks(facts, lambda s: True)
    for step in (1, 3):
        closes = ticks.closes(bar_of(START) + 2, bar_of(START) + 118, step=step)
        windows_ = range(2, 118, step)
        expected = [all(single.get(START + 10 * (n - k) * SECOND, False) for k in range(3)) for n in windows_]
        assert closes.known[0].tolist() == expected
        assert 10 / step < sum(expected) < 110 / step


# -- where the basis comes from ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "rate", "source"), [(3, False, "implied"), (3, True, "implied"), (2, True, "market"), (2, False, "own")]
)
def test_a_coin_that_parts_is_found_whatever_there_is_to_compare_it_with(number: int, rate: bool, source: str) -> None:
    """USDT is worth 0.97 dollars all the time; that is no spread."""
    market = coins(number, binance=lambda n: 1 / 0.97)
    market |= coin("coinbase", "BTC", "USD", 100.0, shift=from_bar(500, 1.01, 520))
    if rate:
        market |= coin("kraken", "USDT", "USD", 0.97)
    (alert,) = [a for a in alerts_of(market) if a.alert_type != "stablecoin_depeg"]
    assert said([alert]) == [("spread_divergence", "BTC-USD", 503.0)]
    assert details(alert)["basis"] == source
    assert details(alert)["basis_pct"] == pytest.approx(3.05, abs=0.05)
    assert details(alert)["net_pct"] == pytest.approx(-1.0, abs=0.05)


def test_between_equal_quotes_nothing_need_be_known() -> None:
    market = coin("kraken", "BTC", "USD", 100.0) | coin("coinbase", "BTC", "USD", 100.0, shift=from_bar(500, 1.01))
    (alert,) = alerts_of(market)
    assert details(alert)["basis"] == "market"
    assert details(alert)["basis_pct"] == 0.0
    assert "beyond" not in alert.message


def test_a_pair_that_always_stands_apart_is_no_alert() -> None:
    market = coins(3) | coin("coinbase", "SOL", "USD", 103.0)
    assert alerts_of(market) == []


def test_an_alert_says_how_wide_it_was_in_the_hours_before() -> None:
    once = coins(3) | coin("coinbase", "SOL", "USD", 100.0, shift=from_bar(500, 1.01))
    (alert,) = alerts_of(once)
    before = details(alert)["widest_pct"]
    assert 0 < before < 0.1
    assert f"; at most {short(before)} % in the hours before" in alert.message
    again = coins(3) | coin(
        "coinbase", "SOL", "USD", 100.0, shift=lambda n: from_bar(300, 1.02, 306)(n) * from_bar(500, 1.01)(n)
    )
    _, second = alerts_of(again)
    assert details(second)["widest_pct"] == pytest.approx(1.98, abs=0.05)
    assert "; up to 1.9" in second.message


def test_a_stablecoins_market_that_stops_blinds_nobody() -> None:
    stopped: Market = coin("coinbase", "USDT", "USD", 1.0, shift=lambda n: None if n > 100 else 1.0)
    market = coins(2) | coin("coinbase", "ETH", "USD", 100.0, shift=from_bar(600, 1.01)) | stopped
    (alert,) = alerts_of(market)
    assert said([alert]) == [("spread_divergence", "ETH-USD", 603.0)]
    assert details(alert)["basis"] == "own"


def test_prices_of_a_hundred_millionth_are_judged_as_others() -> None:
    market = coins(3) | coin("binance", "PEPE", "USDT", 1.1e-8)
    market |= coin("coinbase", "PEPE", "USD", 1.1e-8, shift=from_bar(500, 1.01))
    (alert,) = alerts_of(market)
    assert alert.symbol == "PEPE-USD"
    assert "0.000000011" in alert.message


def test_too_little_past_is_said() -> None:
    market = coins(3) | coin("coinbase", "SOL", "USD", 100.0, shift=from_bar(40, 1.01))
    scored = DETECTOR.score(facts_of(market, 60))
    states = scored.filter((pl.col("symbol") == "SOL-USD") & (pl.col("net_pct").abs() > 0.25))["state"]
    assert set(states) == {"short_history"}
    assert DETECTOR.flag(scored) == []


# -- what is no spread ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 2, 3, 5, 7])
def test_one_print_is_never_an_alarm(every: int) -> None:
    """However rarely the market trades: a bar in so many has trades, one of them 5 % off."""
    rare = coin(
        "coinbase", "BTC", "USD", 100.0, shift=lambda n: (1.05 if n == 420 else 1.0) if n % every == 0 else None
    )
    assert alerts_of(coins(3) | rare) == []


@pytest.mark.parametrize("every", [1, 2, 3, 5])
def test_two_prints_that_say_the_same_are(every: int) -> None:
    rare = coin("coinbase", "BTC", "USD", 100.0, shift=lambda n: from_bar(420, 1.02)(n) if n % every == 0 else None)
    found = alerts_of(coins(3) | rare)
    assert [a.symbol for a in found] == ["BTC-USD"]
    assert 420 < said(found)[0][2] <= 423 + 2 * every


def test_a_venue_that_stops_says_nothing() -> None:
    assert alerts_of(coins(3, coinbase=lambda n: None if n >= 500 else 1.0, binance=from_bar(510, 1.05))) == []


def test_a_stablecoin_that_slips_is_a_depeg_and_neither_a_spread_nor_a_venue() -> None:
    slips = coin("coinbase", "USDT", "USD", 1.0, shift=from_bar(500, 0.98, 600))
    found = alerts_of(coins(3, binance=from_bar(500, 1 / 0.98, 600)) | slips)
    assert {a.alert_type for a in found} == {"stablecoin_depeg"}


# -- whole venues, perpetuals, crashes --------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "words"), [(True, ": a venue is off"), (False, ": a venue, or USDT, is off")])
def test_a_venue_that_runs_away_with_all_its_coins_is_one_alert(rate: bool, words: str) -> None:
    market = coins(5, binance=from_bar(500, 1.03, 560))
    if rate:
        market |= coin("coinbase", "USDT", "USD", 1.0)
    found = alerts_of(market)
    assert said(found) == [("venue_divergence", "ALL", 503.0)]
    assert words in found[0].message
    assert "of 5 coins" in found[0].message
    assert found[0].severity == "critical"
    assert DETECTOR.about(found[0])["symbol_a"] == "*-USDT"
    concerned = facts_of(market).bars.filter(DETECTOR.concerns(found[0])).select("exchange", "symbol").unique().height
    assert concerned == 10 + rate


def test_a_perpetual_is_compared_with_its_spot_market_by_what_is_usual_there() -> None:
    market = coin("binance", "BTC", "USDT", 100.0) | coin(
        "binance", "BTC", "USDT-PERP", 100.4, shift=from_bar(500, 0.993, 530)
    )
    (alert,) = alerts_of(market)
    assert said([alert]) == [("spread_divergence", "BTC-USD", 503.0)]
    assert details(alert)["kind"] == "perpetual"
    assert details(alert)["limit_pct"] == 0.35
    assert "binance:BTC-USDT-PERP was 0.7" in alert.message
    assert "below its spot market binance:BTC-USDT" in alert.message
    assert "where 0.399 % the other way is usual)" in alert.message


@pytest.mark.parametrize("rate", [True, False])
def test_in_a_crash_the_first_alert_comes_half_a_minute_after_the_venues_are_one_percent_apart(rate: bool) -> None:
    """A coin halves in ten minutes with swings of a percent a bar, one venue two bars late; hours before, calm."""
    rng = random.Random(9)
    path = [1.0] * 500
    while len(path) < 720:
        path.append(path[-1] * (0.5 ** (1 / 60) if len(path) < 560 else 1.0) * (1 + rng.gauss(0, 0.004)))
    market = coin("binance", "FTT", "USDT", 22.0, shift=lambda n: path[n])
    market |= coin("coinbase", "FTT", "USD", 22.0, shift=lambda n: path[max(n - 2, 0)])
    if rate:
        market |= coin("coinbase", "USDT", "USD", 0.999)
    apart = next(n for n in range(500, 720) if abs(path[n] / path[n - 2] - 1) > 0.01)
    first = alerts_of(market)[0]
    assert first.alert_type == "spread_divergence"
    assert (first.detected_at - START) / (10 * SECOND) - apart <= 3


@cache
def crashed(seed: int) -> tuple[MarketFacts, datetime, datetime]:
    """An hour of BTC on two venues and of USDT, then ten minutes of a crash; when it begins, and the venues part."""
    crash = PlantedCrash(start=START + HOUR, factor=20, apart_pct=1.5, seed=seed)
    market = SimulatedMarket(
        seed=seed, start=START, duration=HOUR + 10 * MINUTE, rate=0.3, character=LIVELY, planted=(crash,),
        instruments=tuple(i for i in DEFAULT_INSTRUMENTS if i.asset.name in ("BTC", "USDT")),
    )  # fmt: skip
    apart = crash.first_apart("BTC")
    assert apart is not None
    return market_facts(market), crash.start, apart


@pytest.mark.parametrize("seed", [31, 32, 38, 41])
@pytest.mark.parametrize("rate", [True, False])
def test_a_simulated_crash_is_said_within_half_a_minute_with_a_rate_and_without(seed: int, rate: bool) -> None:
    known, begins, apart = crashed(seed)
    here = pl.col("symbol") != ("" if rate else "USDT-USD")
    end = begins + 10 * MINUTE
    facts = Facts(
        bars=known.bars.filter(here), orders=known.orders, spans=known.spans.filter(here),
        since=START, until=end, watermark=end,
    )  # fmt: skip
    found = sorted(a.detected_at for a in DETECTOR.flag(DETECTOR.score(facts)) if a.alert_type == "spread_divergence")
    assert found[0] >= begins
    assert found[0] - apart <= 30 * SECOND


# -- what holds for every verdict -------------------------------------------------------------------------------------


def lively() -> Market:
    """Everything above in one market."""
    market = coins(4, binance=from_bar(300, 1.03, 330)) | coin("coinbase", "USDT", "USD", 1.0)
    market |= coin("coinbase", "SOL", "USD", 100.0, shift=lambda n: None if n % 4 else from_bar(420, 1.02, 440)(n))
    market |= coin("binance", "ETH", "USDT-PERP", 100.0, shift=from_bar(500, 1.02, 510))
    return market | coin("kraken", "BTC", "USD", 100.0, shift=from_bar(460, 0.98, 480))


def test_however_it_is_cut_the_verdicts_are_the_same() -> None:
    facts = facts_of(lively(), BARS_AN_HOUR * 3 // 2)
    whole = DETECTOR.score(facts)
    assert len(DETECTOR.flag(whole)) >= 4
    for seconds in (3_000, 3_211, 4_207):
        middle = START + seconds * SECOND
        parts = [DETECTOR.score(replace(facts, until=middle)), DETECTOR.score(replace(facts, since=middle))]
        assert pl.concat(parts).sort(whole.columns[:6]).equals(whole.sort(whole.columns[:6]))


def test_pieces_that_fit_into_memory_give_what_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    from coattail.detectors import net_spread_measure

    facts = facts_of(lively(), BARS_AN_HOUR * 3 // 2)
    whole = DETECTOR.score(facts)
    monkeypatch.setattr(net_spread_measure, "_CELLS", 1)
    monkeypatch.setattr(net_spread_measure, "_SHORTEST", 37)
    assert DETECTOR.score(facts).equals(whole)


def test_durations_shorter_than_a_bar_are_understood() -> None:
    second = NetSpreadDetector(baseline=SECOND, away=SECOND, cooldown=SECOND, rate_age=SECOND, minimum_windows=1)
    facts = facts_of(lively(), 600)
    whole = second.score(facts)
    assert second.flag(whole)
    cut = START + 3_333 * SECOND
    late = second.score(replace(facts, since=cut, bars=facts.bars.filter(pl.col("bar_start") >= cut - second.lookback)))
    assert late.equals(whole.filter(pl.col("detected_at") >= cut))


def test_what_comes_later_changes_nothing() -> None:
    whole = DETECTOR.score(facts_of(lively()))
    for bars in (325, 430, 505):
        then = DETECTOR.score(facts_of(lively(), bars)).filter("closed")
        later = whole.filter(pl.col("detected_at") <= START + 10 * bars * SECOND)
        assert then.equals(later.filter("closed"))


def test_the_table_has_a_row_per_half_minute_and_the_alerts_their_own_bars() -> None:
    scored = DETECTOR.score(facts_of(lively()))
    kept = DETECTOR.kept(scored)
    seconds = kept["window_end"].dt.epoch("s") % 30
    assert set(seconds) == {0}
    others = scored.filter(pl.col("window_end").dt.epoch("s") % 30 != 0)
    assert others.height > 0
    assert others["opens"].all()
