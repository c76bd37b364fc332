"""How far apart prices were at the end of every bar, once their basis is taken out, and for how long. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coattail.detectors.base import Facts
from coattail.detectors.basis import NO_SOURCE, OWN, SOURCES, Apart, apart, undecided, usual, worths
from coattail.detectors.closes import BAR, BAR_US, BARS, Closes, Reals, Truths, Wholes, bar_of, closes_of
from coattail.detectors.lines import WHOLE, Lines, is_compared, lines_of
from coattail.records import micros
from coattail.tables import UTC_MICROS

if TYPE_CHECKING:
    from coattail.detectors.net_spread import NetSpreadDetector

_QUIET = timedelta(minutes=15)
"""A stablecoin's market that has not traded for so long has stopped, and says nothing any more."""
_TOGETHER = timedelta(minutes=2)
"""Two prints of a market that rarely trades may lie so far apart to confirm each other."""
_CELLS = 4_000_000
"""Instruments x bars that are looked at together: some 200 MB."""
_SHORTEST = 360
"""Bars of a stretch at least: an hour."""


def rows_of(facts: Facts, rules: NetSpreadDetector) -> pl.DataFrame:
    """A row per line and half minute in which it has prices, and per bar at which an episode opens.

    Asked for are those that end in facts.since <= t < facts.until; the columns are those of `_rows`.
    """
    return pl.concat([_rows(*part, facts, rules) for part in _stretches(facts, rules)])


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """What is known of every line at the end of every bar [line, bar], in percent."""

    now: Apart
    basis: Reals
    source: Wholes
    net: Reals
    thin: Truths
    """Whether it is one print that is too far off."""
    count: Wholes
    """Half minutes of the past it was compared with; -1 where that was not needed."""
    median: Reals
    scale: Reals
    z: Reals
    far: NDArray[np.int8]
    """1 or -1 where it is too far above or below."""
    alarm: Truths
    opens: Truths


def _stretches(facts: Facts, rules: NetSpreadDetector) -> Iterator[tuple[Closes, Lines, _Judged, int]]:
    """The judged bars in pieces that fit into memory, each with the number of its first bar that is asked for."""
    first, end = _bars_at(micros(facts.since)), _bars_at(micros(facts.until))
    if facts.bars.height:
        traded = facts.bars.select(pl.col("bar_start").min().alias("low"), pl.col("bar_start").max().alias("high"))
        low, high = traded.row(0)
        first, end = max(first, bar_of(low)), min(end, bar_of(high) + BARS)
    if facts.bars.is_empty() or first >= end:
        yield (*_judged(replace(facts, bars=facts.bars.clear()), rules, first, first), first)
        return
    step = max(_CELLS // facts.bars.select("exchange", "symbol").n_unique(), _SHORTEST)
    for begin in range(first, end, step):
        yield (*_judged(facts, rules, begin, min(begin + step, end)), begin)


def _bars_at(us: int) -> int:
    """The number of the first bar that ends at this moment or later."""
    return -(-us // BAR_US) - 1


def _judged(facts: Facts, rules: NetSpreadDetector, first: int, end: int) -> tuple[Closes, Lines, _Judged]:
    """The bars `first` <= number < `end`, and those before them that an episode may have begun in."""
    cooldown, anew = rules.cooldown // BAR, -(-rules.away // rules.window) * BARS
    span, age = rules.baseline // rules.window, max(rules.rate_age // BAR, BARS)
    begin = first - cooldown - 1
    number = np.arange(begin, end) + 1
    until = (number - anew) // anew * anew // BARS  # half minutes since 1970 that are compared with, up to here
    oldest = (begin + 1 - anew) // anew * anew // BARS - span
    closes = closes_of(facts, is_compared, oldest * BARS - age, end)
    lines = lines_of(closes.instruments, rules.least_coins)
    worth = worths(closes, age)

    def at(bars: Wholes) -> Apart:
        place = bars - closes.first
        then = {quote: known.at(place) for quote, known in worth.items()}
        return apart(closes.price[:, place], closes.known[:, place], then, lines, rules.least_coins)

    halves = np.arange(oldest, until[-1] if len(until) else oldest)
    past, now = at((halves + 1) * BARS - 1), at(np.arange(begin, end))
    waiting = undecided({q: w.at(np.arange(begin, end) - closes.first) for q, w in worth.items()}, lines, _QUIET // BAR)
    now.raw[waiting] = np.nan
    surely = _surely(closes.bounds(begin, _TOGETHER // BAR), now, lines)
    return closes, lines, _compared(past, now, surely, lines, until - oldest, rules, span)


def _surely(bounds: tuple[Reals, Reals], now: Apart, lines: Lines) -> tuple[Reals, Reals]:
    """The least and the most [line, bar] that prices were apart: of two markets by their bounds, of all coins as is."""
    low, high = now.raw.copy(), now.raw.copy()
    a, b = (np.array([getattr(line, end) for line in lines.pairs], np.int64) for end in "ab")
    low[: len(lines.pairs)] = 100 * np.log(bounds[0][a] / bounds[1][b])
    high[: len(lines.pairs)] = 100 * np.log(bounds[1][a] / bounds[0][b])
    return low, high


def _compared(
    past: Apart,
    now: Apart,
    surely: tuple[Reals, Reals],
    lines: Lines,
    until: Wholes,
    rules: NetSpreadDetector,
    span: int,
) -> _Judged:
    """What stands now against the `span` half minutes before `until` of every bar."""
    count = np.full(now.raw.shape, -1)
    median, scale = np.full(now.raw.shape, np.nan), np.full(now.raw.shape, np.nan)

    def look(values: Reals, where: Truths) -> None:
        """Fill in what is usual, once for all bars that are compared with the same past."""
        line, bar = np.nonzero(where)
        key, place = np.unique(line * (past.raw.shape[1] + 1) + until[bar], return_inverse=True)
        found = usual(values, *np.divmod(key, past.raw.shape[1] + 1), span)
        for column, values_ in zip((count, median, scale), found, strict=True):
            column[line, bar] = values_[place]

    alone = np.isnan(now.shared) & ~np.isnan(now.raw)
    look(past.raw, alone)
    basis = np.where(alone & (count >= rules.minimum_windows), median, now.shared).round(6)
    median[alone] = 0.0
    source = np.where(alone, SOURCES.index(OWN), now.source)
    net = (now.raw - basis).round(6)
    limit = np.array([rules.limit_pct(line.kind) for line in lines.all])[:, None]
    wide = np.abs(net) > limit
    look(past.raw - past.shared, wide & ~alone)
    enough = count >= rules.minimum_windows
    median, scale = median.round(6), np.maximum(scale, rules.scale_floor_pct).round(6)
    z = np.where(enough, (net - median) / scale, np.nan).round(6)
    sure = np.where(net > 0, surely[0] - basis, basis - surely[1])
    far = np.where(wide & (np.abs(z) > rules.z_threshold) & (sure > limit), np.sign(net), 0).astype(np.int8)
    before = np.zeros_like(far)
    before[:, 1:] = far[:, :-1]
    alarm = (far != 0) & (far == before)
    opens = np.zeros_like(alarm)
    for way in (1, -1):
        mine = alarm & (far == way)
        so_far = np.cumsum(mine, axis=1)
        lately = np.zeros_like(so_far)
        lately[:, 1:] = so_far[:, :-1]
        lately[:, rules.cooldown // BAR + 1 :] -= so_far[:, : -(rules.cooldown // BAR) - 1]
        opens |= mine & (lately == 0)
    return _Judged(
        now=now, basis=basis, source=source, net=net, thin=wide & np.isnan(sure), count=count, median=median,
        scale=scale, z=z, far=far, alarm=alarm, opens=opens,
    )  # fmt: skip


def _rows(
    closes: Closes, lines: Lines, judged: _Judged, first: int, facts: Facts, rules: NetSpreadDetector
) -> pl.DataFrame:
    """The rows from the bar `first` on; of the module's columns `symbol` is not there yet, of others `base`, `kind`,
    `coins`, `baseline_windows`, `far`, `on_grid`."""
    bars = judged.net.shape[1]
    end = closes.first + closes.bars
    number = np.arange(end - bars, end)
    here = closes.price[:, closes.bars - bars :], closes.trades[:, closes.bars - bars :]
    whole = np.array([line.kind == WHOLE for line in lines.all], np.bool_)
    a, b = (np.array([max(getattr(line, e), 0) for line in lines.all], np.int64) for e in "ab")

    def of_both(values: Reals | Wholes) -> tuple[Reals, Reals]:
        """Of each line's two markets; nan of a whole venue."""
        both = (values[side] if len(values) else np.zeros((len(side), bars)) for side in (a, b))
        one, other = (np.where(whole[:, None], np.nan, v) for v in both)
        return one, other

    (price_a, price_b), (trades_a, trades_b) = of_both(here[0]), of_both(here[1])
    there = np.where(whole[:, None], ~np.isnan(judged.now.raw), ~np.isnan(price_a) & ~np.isnan(price_b))
    on_grid = (number + 1) % BARS == 0
    line, bar = np.nonzero(there & (number >= first) & (on_grid | judged.opens))
    raw, net = judged.now.raw[line, bar], judged.net[line, bar]
    needed = judged.count[line, bar] >= 0
    enough = judged.count[line, bar] >= rules.minimum_windows
    state = np.select(
        [np.isnan(raw), needed & ~enough, judged.thin[line, bar]], ["partial", "short_history", "thin"], "judged"
    )
    ends = pl.Series((number[bar] + 1) * BAR_US, dtype=pl.Int64).cast(UTC_MICROS)
    names = pl.DataFrame(
        [(line.base, line.kind, *line[2:6]) for line in lines.all],
        schema=dict.fromkeys(("base", "kind", "exchange_a", "symbol_a", "exchange_b", "symbol_b"), pl.String),
        orient="row",
    )
    sources = np.array([*SOURCES, ""])
    source = judged.source[line, bar]
    numbers = {
        "price_a": price_a[line, bar], "price_b": price_b[line, bar],
        "trades_a": trades_a[line, bar], "trades_b": trades_b[line, bar],
        "spread_pct": (np.expm1(raw / 100) * 100).round(6),
        "basis_pct": judged.basis[line, bar], "net_pct": net,
        "baseline_median": judged.median[line, bar], "baseline_scale": judged.scale[line, bar],
        "net_z": judged.z[line, bar],
    }  # fmt: skip
    columns = [pl.Series(name, values, dtype=pl.Float64).fill_nan(None) for name, values in numbers.items()]
    return (
        names[line]
        .with_columns(
            *columns,
            pl.Series("state", state, dtype=pl.String),
            pl.Series("basis", np.where(source == NO_SOURCE, "", sources[source]), dtype=pl.String).replace("", None),
            pl.Series("coins", judged.now.coins[line, bar], dtype=pl.Int64),
            pl.Series("baseline_windows", np.where(needed, judged.count[line, bar], 0), dtype=pl.Int64),
            pl.Series("far", judged.far[line, bar], dtype=pl.Int8).replace(0, None),
            pl.Series("alarm", judged.alarm[line, bar], dtype=pl.Boolean),
            pl.Series("opens", judged.opens[line, bar], dtype=pl.Boolean),
            pl.Series("on_grid", on_grid[bar], dtype=pl.Boolean),
            (ends - rules.window).alias("window_start"),
            ends.alias("window_end"),
        )
        .with_columns(pl.col("trades_a", "trades_b").cast(pl.Int64))
    )
