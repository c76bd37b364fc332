"""What two prices are usually apart, and what they are apart now: for every line and bar. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from coattail.detectors.closes import BARS, Closes, Ticks
from coattail.detectors.grid import FlagArray, IntArray, RealArray
from coattail.detectors.lines import PERPETUAL, WHOLE, Lines
from coattail.symbols import USD_QUOTES, quote_of

IMPLIED, MARKET, OWN = SOURCES = ("implied", "market", "own")
"""Where a basis comes from: the other coins of the two venues; the stablecoins' own markets; the line's own past."""
NO_SOURCE = -1
_QUARTILES_OF_SIGMA = 1.349
_TWO = 2
"""Bars of a stablecoin's market that must have traded: one print may be off."""
_AT_ONCE = 4096
"""Stretches of the past that are sorted together: 16 MB."""


class Apart(NamedTuple):
    """How far apart the prices of every line are [line, bar], in percent (100 ln(a / b)), and what explains it."""

    raw: RealArray
    """nan where one of the prices, or its feed, is not known."""
    shared: RealArray
    """What the other coins, else the stablecoins' markets, say of it; nan where neither does."""
    source: IntArray
    """Which of `SOURCES` that is, by place; -1: neither."""
    coins: IntArray
    """How many coins it is implied by, the line's own among them; of a whole venue, how many it is made of; else 0."""


class Worth(NamedTuple):
    """What a quote was worth in dollars, at the end of every bar [bar]."""

    low: RealArray
    """The lowest of the last prices that are not too old, nan where fewer than two bars traded in that time …"""
    high: RealArray
    """… and the highest."""
    age: IntArray
    """Bars since it last traded; many where it never did."""

    def at(self, place: IntArray) -> Worth:
        """At the ends of these bars alone."""
        return Worth(self.low[place], self.high[place], self.age[place])


def apart(closes: Closes, worth: dict[str, Worth], lines: Lines) -> Apart:
    """What stands at the ends of some windows, given what every quote was worth then.

    A stablecoin's market explains whatever lies between its lowest and its highest price that is not too old: one that
    slips moves its coins at once, and its own market with the next trades there.
    """
    count, bars = len(lines.pairs), closes.price.shape[1]
    raw, shared = np.full((len(lines.all), bars), np.nan), np.full((len(lines.all), bars), np.nan)
    source, counted = np.full(raw.shape, NO_SOURCE), np.zeros(raw.shape, np.int64)
    price, (left, right) = np.where(closes.known, closes.price, np.nan), lines.places
    raw[:count] = 100 * np.log(price[left] / price[right])
    for number, coins in enumerate(lines.groups, count):
        raw[number] = _median(raw[coins], lines.least_coins)
    by_quotes: dict[tuple[str, str], list[int]] = {}
    for number, line in enumerate(lines.all):
        if line.kind != PERPETUAL:
            by_quotes.setdefault(line.quotes, []).append(number)
    for (quote_a, quote_b), here in by_quotes.items():
        a, b = worth[quote_a], worth[quote_b]
        low, high = 100 * np.log(b.low / a.high), 100 * np.log(b.high / a.low)
        shared[here] = 0.0 if quote_a == quote_b else np.clip(raw[here], low, high)
        source[here] = np.where(np.isnan(shared[here]), NO_SOURCE, 1)
    for number, coins in enumerate(lines.groups, count):
        priced, there = (~np.isnan(raw[coins])).sum(axis=0), ~np.isnan(raw[number])
        for coin in coins:
            shared[coin, there], source[coin, there] = raw[number, there], 0
        counted[[*coins, number]] = np.where(there, priced, 0)
    return Apart(raw, shared, source, counted)


def undecided(worth: dict[str, Worth], lines: Lines, quiet: int) -> FlagArray:
    """[line, bar]: a whole venue while a stablecoin's market says nothing certain, and is not `quiet` either (bars).

    Its next trades will tell a stablecoin that slips from a venue that runs away.
    """
    found = np.zeros((len(lines.all), len(worth["USD"].age)), np.bool_)
    for number, line in enumerate(lines.all):
        if line.kind == WHOLE and line.quotes[0] != line.quotes[1]:
            both = [worth[quote] for quote in line.quotes]
            found[number] = np.logical_or.reduce([
                ((w.age > 1) | np.isnan(w.low)) & (w.age <= quiet) for w in both
            ])  # fmt: skip
    return found


def worths(ticks: Ticks, first: int, end: int, within: int) -> dict[str, Worth]:
    """Quote -> its worth at the ends of the bars `first` <= number < `end`, at all venues that trade it for dollars.

    A price counts for `within` bars.
    """
    count = end - first
    always, place = np.ones(count), np.arange(count)
    found = {"USD": Worth(always, always, np.zeros(count, np.int64))}
    for quote in sorted({quote_of(symbol) for _, symbol in ticks.instruments} & USD_QUOTES - {"USD"}):
        venues = np.array([n for n, (_, s) in enumerate(ticks.instruments) if s == f"{quote}-USD"], np.int64)
        last = np.where(ticks.known(first, count, step=1, rows=venues), ticks.last(first, end, venues), np.nan)
        low, high = (extreme.reduce(last, axis=0, initial=np.nan) for extreme in (np.fmin, np.fmax))
        lows, highs = _lately(low, within), _lately(high, within)
        newest = (~np.isnan(lows[:BARS])).sum(axis=0) >= _TWO
        certain = (~np.isnan(lows)).sum(axis=0) >= _TWO
        lowest, highest = (
            np.where(newest, extreme.reduce(x[:BARS]), np.where(certain, extreme.reduce(x), np.nan))
            for extreme, x in ((np.fmin, lows), (np.fmax, highs))
        )
        found[quote] = Worth(
            low=lowest,
            high=highest,
            age=place - np.maximum.accumulate(np.where(np.isnan(low), -count, place)),
        )
    return found


def _lately(values: RealArray, bars: int) -> RealArray:
    """[age, bar]: the value of this bar, of the one before, …"""
    longer = np.concatenate([np.full(bars - 1, np.nan), values])
    return np.stack([longer[bars - 1 - age : len(longer) - age] for age in range(bars)])


class UsuallyApart(NamedTuple):
    """What values of the past say, of each stretch of it; nan without a value."""

    times: IntArray
    """How many there are."""
    median: RealArray
    scale: RealArray
    low: RealArray
    """The lowest …"""
    high: RealArray
    """… and the highest."""


def usual(values: RealArray, line: IntArray, end: IntArray, span: int) -> UsuallyApart:
    """What the `span` columns before each `end` of a line say.

    The scale is the distance of the quartiles / 1.349: a standard deviation of which a quarter of the values may be
    anything.
    """
    found = UsuallyApart(np.zeros(len(line), np.int64), *np.full((4, len(line)), np.nan))
    if not values.size or not len(line):
        return found
    stretches = sliding_window_view(values, span, axis=1)
    for start in range(0, len(line), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        ranked = np.sort(stretches[line[part], end[part] - span], axis=1)
        count = (~np.isnan(ranked)).sum(axis=1)
        first, median, third = (_quantile(ranked, count, q) for q in (0.25, 0.5, 0.75))
        low, high = _quantile(ranked, count, 0), _quantile(ranked, count, 1)
        scale = (third - first) / _QUARTILES_OF_SIGMA
        for column, some in zip(found, (count, median, scale, low, high), strict=True):
            column[part] = some
    return found


def _quantile(ranked: RealArray, count: IntArray, q: float) -> RealArray:
    """Of each row's first `count` values, which are sorted; between two of them interpolated."""
    place = np.maximum(count - 1, 0) * q
    low = place.astype(np.int64)
    left, right = (np.take_along_axis(ranked, at[:, None], axis=1)[:, 0] for at in (low, np.ceil(place).astype(int)))
    found: RealArray = left + (right - left) * (place - low)
    return found


def _median(rows: RealArray, least: int) -> RealArray:
    """The median over the rows of each column, where at least `least` are not nan."""
    count = (~np.isnan(rows)).sum(axis=0)
    if len(rows) < least:
        return np.full(rows.shape[1], np.nan)
    ranked = np.sort(rows, axis=0)
    low, high = (np.take_along_axis(ranked, at[None], axis=0)[0] for at in (np.maximum(count - 1, 0) // 2, count // 2))
    found: RealArray = np.where(count >= least, (low + high) / 2, np.nan)
    return found
