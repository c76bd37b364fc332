"""The answer to a question, as a chart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from coattail.charts.chart import Chart, Panels, ms
from coattail.charts.questions import (
    CardRow,
    Claimed,
    Redone,
    Tried,
    calibration_chart,
    comparison_chart,
    scorecard_panels,
    sweep_chart,
)
from coattail.engines.reprocess import Reprocessed
from coattail.errors import UsageError
from coattail.scoring.figures import number, share
from coattail.scoring.what_if import Value, shown
from coattail.workspace.documents.recorded import Interval, RecordedDocument
from coattail.workspace.text import printable

Points = Sequence[tuple[Value, Mapping[str, Any]]]

_HOUR_MS = 3_600_000


def comparison(done: Reprocessed) -> Chart:
    """The alerts in both states over time.

    Raises: UsageError: If there is none in either.
    """
    if not done.compared:
        raise UsageError("no alert in either state: there is nothing to draw", next_step="ask about another time")
    found = [
        Redone(verdict=c.verdict, at=ms(c.alert.detected_at), severity=c.alert.severity, said=_difference(c))
        for c in done.compared
    ]
    since = ms(done.request.since) if done.request.since else min(o.at for o in found)
    until = ms(done.request.until) if done.request.until else max(o.at for o in found)
    room = (until - since) // 50 or _HOUR_MS
    return comparison_chart(found, since=since - room, until=until + room)


def _difference(c: Any) -> str:
    reason = f" ({printable(c.reason, most=120)})" if c.reason else ""
    return f"{c.alert.severity}, {printable(c.alert.message, most=120)}{reason}"


def sweep(key: str, points: Points, chosen: Mapping[str, Value]) -> Chart:
    """Recall against false alarms a day where a truth is known, else alerts a day against the parameter.

    chosen: Name -> a value to point out. Raises: UsageError: If no planted event is of a kind that is looked for.
    """
    if all("kinds" in found for _, found in points):
        curves = {f"{kind}s": _tried(kind, points) for kind in points[0][1]["kinds"]}
        if not any(curves.values()):
            raise UsageError("the truth holds no event that this detector looks for", next_step="print it instead")
        seen = {kind: tried for kind, tried in curves.items() if tried}
        first = next(iter(seen))
        whose = f", {first}" if len(seen) > 1 else ""
        at = {
            f"{name} {one.name}{whose}": one.x
            for name, value in chosen.items()
            for one in seen[first]
            if one.name == shown(value)
        }
        return sweep_chart(f"What if: {key}", seen, x_name="false alarms a day", unit="% found", chosen=at)
    types = list(points[0][1]["alerts_per_day"])
    curves = {
        kind: [
            Tried(shown(v), _x(v), (n := found["alerts_per_day"][kind], n, n), f"{n:g} a day at {shown(v)}")
            for v, found in points
        ]
        for kind in types
    }
    unit = ", s" if isinstance(points[0][0], timedelta) else ""
    return sweep_chart(
        f"What if: {key}", curves, x_name=f"{key}{unit}", unit="alerts a day",
        chosen={f"{name} {shown(value)}": _x(value) for name, value in chosen.items()},
    )  # fmt: skip


def _tried(kind: str, points: Points) -> list[Tried]:
    """The points of a kind of event, in percent found."""
    found = []
    for value, one in points:
        card = one["kinds"][kind]
        recall, false = card["recall"], card["false_per_day"]
        if not card["events"] or recall["value"] is None or false["value"] is None:
            continue
        said = f"at {shown(value)} {share(recall)} found, {number(false)} false alarms a day"
        found.append(Tried(shown(value), float(false["value"]), _percents(recall), said))
    return found


def scorecard(presets: Mapping[str, Mapping[str, Any]]) -> Panels:
    """What each preset finds of each kind of event, and its false alarms a day.

    Raises: UsageError: If there was no event.
    """
    cards = [
        (f"{card['kind'].replace('_', ' ')}, {preset}", preset, card)
        for preset, modules in presets.items()
        for kinds in modules.values()
        for card in kinds.values()
        if card["recall"]["value"] is not None
    ]
    if not cards:
        raise UsageError("no event was planted in this time: there is nothing to draw", next_step="print it instead")
    cards.sort(key=lambda one: one[2]["kind"])
    return scorecard_panels(
        [CardRow(name, group, _percents(card["recall"]), share(card["recall"])) for name, group, card in cards],
        [
            CardRow(name, group, _interval(card["false_per_day"]), number(card["false_per_day"]))
            for name, group, card in cards
        ],
        alarms_name="a day",
    )


def recorded(document: RecordedDocument) -> Panels:
    """What is found of announced events, alerts on quiet days, and whether return periods hold."""
    cards = [
        (f"{card.alert_type.replace('_', ' ')}, {preset}", preset, card)
        for preset, modules in document.presets.items()
        for kinds in modules.values()
        for card in kinds.values()
    ]
    cards.sort(key=lambda one: one[2].alert_type)
    found = [
        CardRow(name, preset, _percents(one := _figure(card.announced.found)), share(one))
        for name, preset, card in cards
        if card.announced is not None and card.announced.found.value is not None
    ]
    alarms = [
        CardRow(name, preset, _interval(one := _figure(card.per_market_day.episodes)), number(one))
        for name, preset, card in cards
        if card.per_market_day.episodes.value is not None
    ]
    panels = scorecard_panels(found, alarms, alarms_name="episodes on days without an event, a market and day")
    claims = {name: list(_claims(card)) for name, _, card in cards if card.return_periods}
    return Panels((*panels.charts, *([calibration_chart(claims)] if claims else [])))


def _claims(card: Any) -> Iterator[Claimed]:
    for level in card.return_periods:
        yield Claimed(level.return_days, level.episodes, level.expected, _interval(_figure(level.ratio)))


def _figure(interval: Interval) -> dict[str, float | None]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def _interval(figure: Mapping[str, float | None]) -> tuple[float, float, float]:
    """The figure with what it lies between; itself where that is not known."""
    value, low, high = (figure[name] for name in ("value", "low", "high"))
    assert value is not None
    return value, value if low is None else low, value if high is None else high


def _percents(figure: Mapping[str, float | None]) -> tuple[float, float, float]:
    value, low, high = _interval(figure)
    return round(100 * value, 2), round(100 * low, 2), round(100 * high, 2)


def _x(value: Value) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
