"""How far apart prices were at the end of every bar, once their basis is taken out, and for how long. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coattail.detectors.base import Facts
from coattail.detectors.basis import NO_SOURCE, OWN, SOURCES, Apart, apart, undecided, usual, worths
from coattail.detectors.closes import BARS, Ticks, bounds
from coattail.detectors.grid import BAR, BAR_US, FlagArray, IntArray, RealArray, bar_of
from coattail.detectors.lines import WHOLE, Lines, PriceLine, is_compared, lines_of
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
    ticks = Ticks(facts, is_compared)
    return pl.concat([_rows(_judged(ticks, rules, *piece), *piece, rules) for piece in _pieces(facts, ticks)])


def sure_gaps(facts: Facts, rules: NetSpreadDetector) -> Iterator[tuple[list[PriceLine], int, RealArray]]:
    """The lines, the number of a first bar, and how far apart each line surely was from it on, [line, bar], percent.

    nan where that is not known. In pieces, of the bars that end in facts.since <= t < facts.until.
    """
    ticks = Ticks(facts, is_compared)
    for first, end in _pieces(facts, ticks):
        judged = _judged(ticks, rules, first, end)
        yield judged.lines.all, first, judged.sure[:, judged.sure.shape[1] - (end - first) :]


def _pieces(facts: Facts, ticks: Ticks) -> Iterator[tuple[int, int]]:
    """The bars that are asked for, as far as something traded, in pieces that fit into memory; at least one."""
    first, end = _bars_at(micros(facts.since)), _bars_at(micros(facts.until))
    if facts.bars.height:
        traded = facts.bars.select(pl.col("bar_start").min().alias("low"), pl.col("bar_start").max().alias("high"))
        low, high = traded.row(0)
        first, end = max(first, bar_of(low)), min(end, bar_of(high) + BARS)
    if not ticks.instruments or first >= end:
        yield first, first
        return
    step = max(_CELLS // len(ticks.instruments), _SHORTEST)
    for begin in range(first, end, step):
        yield begin, min(begin + step, end)


def _bars_at(us: int) -> int:
    """The number of the first bar that ends at this moment or later."""
    return -(-us // BAR_US) - 1


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """What is known of every line at the end of every bar [line, bar], in percent."""

    price: RealArray
    """[instrument, bar]."""
    trades: IntArray
    """The same, in the half minute."""
    lines: Lines
    now: Apart
    basis: RealArray
    source: IntArray
    net: RealArray
    sure: RealArray
    """How much of |net| the two newest prints of either market agree on; nan where there is only one."""
    thin: FlagArray
    """Whether it is one print that is too far off."""
    count: IntArray
    """Half minutes of the past it was compared with; -1 where that was not needed."""
    median: RealArray
    scale: RealArray
    widest: RealArray
    """The largest |net| of the past it was compared with."""
    z: RealArray
    far: NDArray[np.int8]
    """1 or -1 where it is too far above or below."""
    alarm: FlagArray
    opens: FlagArray


def _judged(ticks: Ticks, rules: NetSpreadDetector, first: int, end: int) -> _Judged:
    """The bars `first` <= number < `end`, and those before them that an episode may have begun in."""
    anew = -(-rules.away // rules.window) * BARS
    span, age, together = rules.past_windows, max(rules.rate_age // BAR, BARS), _TOGETHER // BAR
    begin = first - rules.cooldown // BAR - 1
    number = np.arange(begin, end) + 1
    until = (number - anew) // anew * anew // BARS  # half minutes since 1970 that are compared with, up to here
    oldest = int(until[0]) - span
    low = oldest * BARS - age
    lines = lines_of(tuple(ticks.instruments), rules.least_coins)
    worth = worths(ticks, low, end, age)
    then = {quote: w.at(np.arange(oldest, until[-1]) * BARS + BARS - 1 - low) for quote, w in worth.items()}
    lately = {quote: w.at(np.arange(begin, end) - low) for quote, w in worth.items()}
    past = apart(ticks.closes(oldest * BARS + BARS - 1, int(until[-1]) * BARS, step=BARS), then, lines)
    here = ticks.closes(begin, end, step=1)
    now = apart(here, lately, lines)
    now.raw[undecided(lately, lines, _QUIET // BAR)] = np.nan
    surely = _surely(bounds(ticks.last(begin - together, end), here.price, together), now, lines)
    return _compared(here.price, ticks.trades(begin, end), past, now, surely, lines, until - oldest, rules)


def _surely(between: tuple[RealArray, RealArray], now: Apart, lines: Lines) -> tuple[RealArray, RealArray]:
    """The least and the most [line, bar] that prices were apart: of two markets by their bounds, of all coins as is."""
    low, high = now.raw.copy(), now.raw.copy()
    a, b = lines.places
    low[: len(lines.pairs)] = 100 * np.log(between[0][a] / between[1][b])
    high[: len(lines.pairs)] = 100 * np.log(between[1][a] / between[0][b])
    return low, high


def _compared(
    price: RealArray,
    trades: IntArray,
    past: Apart,
    now: Apart,
    surely: tuple[RealArray, RealArray],
    lines: Lines,
    until: IntArray,
    rules: NetSpreadDetector,
) -> _Judged:
    """What stands now against the half minutes of the past before `until` of every bar."""
    count = np.full(now.raw.shape, -1)
    median, scale, low, high = np.full((4, *now.raw.shape), np.nan)

    def look(values: RealArray, where: FlagArray) -> None:
        """Fill in what is usual, once for all bars that are compared with the same past."""
        line, bar = np.nonzero(where)
        key, place = np.unique(line * (past.raw.shape[1] + 1) + until[bar], return_inverse=True)
        found = usual(values, *np.divmod(key, past.raw.shape[1] + 1), rules.past_windows)
        for column, values_ in zip((count, median, scale, low, high), found, strict=True):
            column[line, bar] = values_[place]

    limit = np.array([rules.limit_pct(line.kind) for line in lines.all])[:, None]
    look(past.raw - past.shared, np.abs((now.raw - now.shared.round(6)).round(6)) > limit)
    unshared = np.isnan(now.shared) & ~np.isnan(now.raw)
    alone = unshared | ((count >= 0) & (count < rules.minimum_windows))  # what others share is not known for long
    look(past.raw, alone)
    own = alone & (count >= rules.minimum_windows)
    basis = np.where(own, median, now.shared).round(6)
    for column in (low, high, median):
        column[alone] -= median[alone]  # as far apart as net is
    source = np.where(own, SOURCES.index(OWN), now.source)
    net = (now.raw - basis).round(6)
    wide = np.abs(net) > limit
    enough = count >= rules.minimum_windows
    median, scale = median.round(6), np.maximum(scale, rules.scale_floor_pct).round(6)
    z = np.where(enough, (net - median) / scale, np.nan).round(6)
    widest = np.maximum(np.abs(low), np.abs(high)).round(6)
    sure = np.where(net > 0, surely[0] - basis, np.where(np.isnan(net), np.nan, basis - surely[1])).round(6)
    far = np.where(wide & (np.abs(z) > rules.z_threshold) & (sure > limit), np.sign(net), 0).astype(np.int8)
    before = np.zeros_like(far)
    before[:, 1:] = far[:, :-1]
    at_once = (sure > np.maximum(limit, rules.at_once_pct)) & (now.coins == 0)  # coins do not all print at one moment
    alarm = (far != 0) & ((far == before) | at_once)
    opens = np.zeros_like(alarm)
    for way in (1, -1):
        mine = alarm & (far == way)
        so_far = np.cumsum(mine, axis=1)
        lately = np.zeros_like(so_far)
        lately[:, 1:] = so_far[:, :-1]
        lately[:, rules.cooldown // BAR + 1 :] -= so_far[:, : -(rules.cooldown // BAR) - 1]
        opens |= mine & (lately == 0)
    return _Judged(
        price=price, trades=trades, lines=lines, now=now, basis=basis, source=source, net=net,
        sure=sure, thin=wide & np.isnan(sure), count=count, median=median, scale=scale, widest=widest, z=z, far=far,
        alarm=alarm, opens=opens,
    )  # fmt: skip


def _rows(judged: _Judged, first: int, end: int, rules: NetSpreadDetector) -> pl.DataFrame:
    """The rows from the bar `first` on; of the module's columns `symbol` is not there yet, of others `base`, `kind`,
    `coins`, `baseline_windows`, `far`, `on_grid`."""
    lines, bars = judged.lines, judged.net.shape[1]
    number = np.arange(end - bars, end)
    whole = np.array([line.kind == WHOLE for line in lines.all], np.bool_)
    a, b = (np.array([max(place[end], 0) for place in lines.all], np.int64) for end in (-2, -1))

    def of_both(values: RealArray | IntArray) -> tuple[RealArray, RealArray]:
        """Of each line's two markets; nan of a whole venue."""
        both = (values[side] if len(values) else np.zeros((len(side), bars)) for side in (a, b))
        one, other = (np.where(whole[:, None], np.nan, v) for v in both)
        return one, other

    (price_a, price_b), (trades_a, trades_b) = of_both(judged.price), of_both(judged.trades)
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
        "net_z": judged.z[line, bar], "widest_pct": judged.widest[line, bar],
        "sure_pct": judged.sure[line, bar],
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
