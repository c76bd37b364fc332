"""The figures of an alert type on recorded markets: events found and how late, and what it says on quiet days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from coattail.detectors import BaseDetector
from coattail.detectors.described import EVERY_MARKET, AlertType, Place
from coattail.scoring.announced import EARLY, WITHIN, Announced, AnnouncedEvent, days_of
from coattail.scoring.cards import false_episodes
from coattail.scoring.recorded import Recorded, Together
from coattail.scoring.resampling import NOTHING, Days, Figure, exact
from coattail.scoring.return_periods import JUDGED_SCHEMA, return_periods
from coattail.symbols import base_of, quote_of
from coattail.tables import UTC_MICROS

_SECONDS = (60, 90, 300)
"""After the announced time: how many were found, and called critical, by then."""
_SEVERITIES = ("medium", "high", "critical")
_BUDGETS = {"burst": "budget", "whale": "budget", "drought": "drop_budget"}
"""Kind of event -> the parameter that says how many alerts about it a day and market are meant to be."""
_ABOUT_COINS: tuple[Place, ...] = ("market", "order", "asset")
"""Lists announce what happens to coins: of alerts about anything else, and of droughts, only quiet days are counted."""
_KEY = ("exchange", "symbol")
_DAY = timedelta(days=1)
_QUIET = pl.Schema(
    {
        "exchange": pl.String(), "symbol": pl.String(), "market": pl.String(), "unit": pl.String(), "low": UTC_MICROS,
        "high": UTC_MICROS,
    }
)  # fmt: skip


def recorded_card(
    detector: BaseDetector,
    kind: AlertType,
    groups: Sequence[Together],
    announced: Announced,
    alerts: pl.DataFrame,
    *,
    within: timedelta = WITHIN,
) -> dict[str, Any] | None:
    """The figures of one alert type: JSON types only. None where nothing is judged that it can be about,
    or the type does not say what that is.

    `per_market_day`: alerts, and `episodes` of a quarter of an hour, on `quiet_days` (of all markets together) that no
    announced event reaches into; `budget` is how many a day are meant to be. Of types that can find an announced event,
    `announced`: `found` with its exact interval, `in_seconds` (found, and called high or critical, so soon),
    `by_chance` (the share of quiet moments that an alert follows as closely), `delay_s` from the announced time to the
    first alert after it, negative where one came before it only, `severity` of the first and the highest, `each` event.
    `return_periods`: as that module's.

    Columns in:  alerts as `coattail.scoring.return_periods.JUDGED_SCHEMA`
    """
    if kind.answer is None:
        return None
    place = kind.answer.place
    quiet = _quiet(place, groups, announced)
    if not any(True for group in groups for _ in _places(place, group.judged)):
        return None
    mine = alerts.filter(pl.col("alert_type") == kind.name).with_columns(_place_of_alert(place))
    lengths: dict[str, float] = {}
    for unit, low, high in quiet.select("unit", "low", "high").iter_rows():
        lengths[unit] = lengths.get(unit, 0.0) + (high - low) / _DAY
    days, whole = Days(lengths), sum(lengths.values())
    on_quiet = (
        mine.join(quiet, on=_KEY)
        .filter((pl.col("detected_at") >= pl.col("low")) & (pl.col("detected_at") < pl.col("high")))
        .sort("detected_at", maintain_order=True)
    )
    episodes = false_episodes(on_quiet)
    budget = _budget(detector, kind.answer.kind)
    card: dict[str, Any] = {
        "alert_type": kind.name,
        "markets": quiet["market"].n_unique(),
        "quiet_days": round(whole, 2),
        "per_market_day": {"alerts": _rate(days, on_quiet), "episodes": _rate(days, episodes)},
        "budget": budget,
        "by_market": _by_market(quiet, on_quiet, episodes),
        "return_periods": return_periods(on_quiet, whole, budget),
    }
    if place not in _ABOUT_COINS or kind.answer.kind == "drought":
        return card | {"announced": None}
    return card | {"announced": _events(announced.events, place, mine, _by_chance(quiet, on_quiet, within))}


def _rate(days: Days, rows: pl.DataFrame) -> Figure:
    if not len(days):
        return NOTHING
    counts: Mapping[str, int] = dict(rows["unit"].value_counts().iter_rows())
    return days.rate(np.array([counts.get(unit, 0) for unit in days.units], np.float64))


def _budget(detector: BaseDetector, kind: str) -> float | None:
    """Alerts a day and market that are meant to be; None where the detector has no budget."""
    found = getattr(detector, _BUDGETS[kind], None) if kind in _BUDGETS else None
    return float(found) if isinstance(found, int | float) else None


# -- what an alert can be about ------------------------------------------------------------------------------------


def _places(place: Place, markets: Sequence[Recorded]) -> Iterator[tuple[str | None, str, list[Recorded]]]:
    """(exchange, symbol, markets) of what alerts of a place can be about among markets that are judged together."""
    if place in ("market", "order"):
        yield from ((market.exchange, market.symbol, [market]) for market in markets)
    elif place == "stablecoin":
        for market in markets:
            if quote_of(market.symbol) == "USD" and base_of(market.symbol) in ("USDT", "USDC"):
                yield None, market.symbol, [market]
    elif place == "venue":
        for exchange in sorted({market.exchange for market in markets}):
            yield exchange, EVERY_MARKET, [market for market in markets if market.exchange == exchange]
    else:
        for base in sorted({base_of(market.symbol) for market in markets}):
            if len(here := [market for market in markets if base_of(market.symbol) == base]) > 1:
                yield None, base, here


def _place_of_alert(place: Place) -> list[pl.Expr]:
    """The columns of an alert by which it is found among places; an exchange that does not matter is empty text."""
    matters = place in ("market", "order", "venue")
    symbol = pl.col("symbol").str.split("-").list.first() if place == "asset" else pl.col("symbol")
    return [(pl.col("exchange").fill_null("") if matters else pl.lit("")).alias("exchange"), symbol.alias("symbol")]


def _quiet(place: Place, groups: Iterable[Together], announced: Announced) -> pl.DataFrame:
    """A row for each place and day, or what of it is judged, that no announced event reaches into.

    `unit` is the day of a group: what happens in its markets on one day, hangs together.
    """
    rows = []
    for number, group in enumerate(groups):
        for exchange, symbol, markets in _places(place, group.judged):
            stirred = set().union(*(announced.stirred.get((m.exchange, m.symbol), ()) for m in markets))
            name = f"{exchange} {symbol}" if exchange else symbol
            since, until = min(m.since for m in markets), max(m.last for m in markets)
            rows += [
                (exchange or "", symbol, name, f"{number} {day}", low, high)
                for day, low, high in days_of(since, until)
                if day not in stirred
            ]
    return pl.DataFrame(rows, schema=_QUIET, orient="row")


def _by_market(quiet: pl.DataFrame, alerts: pl.DataFrame, episodes: pl.DataFrame) -> list[dict[str, Any]]:
    """The figures of each market alone, by name."""
    length = (pl.col("high") - pl.col("low")).dt.total_microseconds().sum() / (_DAY / timedelta(microseconds=1))
    counts = [
        rows.group_by("market").agg(pl.len().alias(name)) for name, rows in (("alerts", alerts), ("episodes", episodes))
    ]
    table = quiet.group_by("market").agg(length.alias("days"))
    for count in counts:
        table = table.join(count, on="market", how="left")
    return [
        {
            "market": market,
            "quiet_days": round(days, 2),
            "alerts_per_day": round((told or 0) / days, 3),
            "episodes_per_day": round((begun or 0) / days, 3),
        }
        for market, days, told, begun in table.sort("market").iter_rows()
    ]


# -- announced events ----------------------------------------------------------------------------------------------


def _events(
    events: Sequence[AnnouncedEvent], place: Place, alerts: pl.DataFrame, by_chance: float | None
) -> dict[str, Any]:
    """The figures of the announced events."""
    by_place = {
        (str(exchange), str(symbol)): rows.sort("detected_at", maintain_order=True)
        for (exchange, symbol), rows in alerts.group_by(*_KEY)
    }
    each = [_event(event, place, by_place) for event in events]
    told = [one for one in each if one["first_s"] is not None]
    delays = Days({str(number): 1.0 for number in range(len(told))})
    seconds = np.array([one["first_s"] for one in told], np.float64)
    order = np.arange(len(told))
    by_class = {name: [one[f"{name}_s"] for one in told] for name in ("high", "critical")}
    return {
        "events": len(each),
        "found": exact(len(told), len(each)),
        "in_seconds": [
            {
                "seconds": limit,
                "found": exact(sum(one["first_s"] <= limit for one in told), len(each)),
                **{
                    name: exact(sum(after is not None and after <= limit for after in reached), len(each))
                    for name, reached in by_class.items()
                },
            }
            for limit in _SECONDS
        ],
        "by_chance": by_chance,
        "delay_s": {f"p{round(100 * q)}": delays.quantile(seconds, order, q) for q in (0.5, 0.95)},
        "severity": {
            which: {name: sum(one[f"severity_{which}"] == name for one in told) for name in _SEVERITIES}
            for which in ("first", "highest")
        },
        "each": each,
    }


def _event(event: AnnouncedEvent, place: Place, by_place: Mapping[tuple[str, str], pl.DataFrame]) -> dict[str, Any]:
    """What was said about one event in its time: after it was announced, or, if nothing then, shortly before."""
    keys = {(exchange or "", symbol) for exchange, symbol, _ in _places(place, event.markets)}
    if place == "asset":
        keys = {("", base_of(market.symbol)) for market in event.markets}
    parts = [
        by_place[key].filter((pl.col("detected_at") > event.since) & (pl.col("detected_at") < event.until))
        for key in sorted(keys & by_place.keys())
    ]
    said = pl.concat(parts) if parts else JUDGED_SCHEMA.to_frame()
    after = said.filter(pl.col("detected_at") > event.start)
    told = (after if after.height else said).sort("detected_at", maintain_order=True)
    rows = [
        ((at - event.start).total_seconds(), _SEVERITIES.index(severity))
        for at, severity in told.select("detected_at", "severity").iter_rows()
    ]
    reached = {
        name: next((seconds for seconds, rank in rows if rank >= _SEVERITIES.index(name)), None)
        for name in ("high", "critical")
    }
    return {
        "event": str(event),
        "announced": event.start,
        "labels": list(event.rows),
        "alerts": said.height,
        "first_s": rows[0][0] if rows else None,
        "high_s": reached["high"],
        "critical_s": reached["critical"],
        "severity_first": _SEVERITIES[rows[0][1]] if rows else None,
        "severity_highest": _SEVERITIES[max(rank for _, rank in rows)] if rows else None,
        "return_days": told["period"].max(),
    }


def _by_chance(quiet: pl.DataFrame, alerts: pl.DataFrame, within: timedelta) -> float | None:
    """The share of quiet moments that an alert about their market follows as an event must be to be found."""
    whole = covered = timedelta(0)
    told = {
        (str(market), low): [moment for (moment,) in rows.select("detected_at").iter_rows()]
        for (market, low), rows in alerts.group_by("market", "low")
    }
    for market, low, high in quiet.select("market", "low", "high").iter_rows():
        whole += high - low
        reached: datetime = low
        for moment in sorted(told.get((market, low), ())):
            begin, end = max(moment - within, reached), min(moment + EARLY, high)
            if end > begin:
                covered += end - begin
                reached = end
    return round(covered / whole, 4) if whole else None
