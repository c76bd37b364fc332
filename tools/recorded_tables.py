"""What was measured on recorded pumps, as tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from coattail.config import DEFAULT
from coattail.scoring.figures import number, percent, share
from coattail.scoring.return_periods import LEVELS
from tools.evidence_tables import markdown

_A_YEAR = 365
"""Beyond it a return period is arithmetic: the tail is not known there."""


def _cards(score: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(preset, figures), types of alert together."""
    rows = [
        (preset, card)
        for preset, modules in score["presets"].items()
        for cards in modules.values()
        for card in cards.values()
    ]
    order = list(dict.fromkeys(card["alert_type"] for _, card in rows))
    yield from sorted(rows, key=lambda row: order.index(row[1]["alert_type"]))


def files_table(found: Mapping[str, Any]) -> str:
    """What it was computed from."""
    score, lists = found["score"], found["lists"]
    rows = [[file["name"], "trades", f"`{file['sha256'][:16]}`"] for file in score["recordings"]]
    rows += [[name, "announced events", f"`{digest[:16]}`"] for name, digest in lists["sha256"].items()]
    return markdown(["file", "holds", "SHA-256 begins"], rows)


def pumps_table(score: Mapping[str, Any]) -> str:
    """A row for each preset and type of alert that can find an announced event."""
    rows = []
    for preset, card in _cards(score):
        events = card["announced"]
        if events is None:
            continue
        soon = {row["seconds"]: row for row in events["in_seconds"]}
        highest = ", ".join(f"{count} {name}" for name, count in events["severity"]["highest"].items() if count)
        rows.append(
            [
                card["alert_type"], preset, str(events["events"]), share(events["found"]), percent(events["by_chance"]),
                share(soon[60]["found"]), share(soon[90]["critical"]), number(events["delay_s"]["p50"], 0),
                highest or "-",
            ]
        )  # fmt: skip
    columns = [
        "alert", "preset", "events", "found in 10 minutes", "by chance", "found in 60 s", "critical in 90 s",
        "delay p50, s", "highest severity",
    ]  # fmt: skip
    return markdown(columns, rows)


def events_table(score: Mapping[str, Any]) -> str:
    """A row for each event and preset, by alerts about high volume."""
    rows = []
    for preset, card in _cards(score):
        if card["alert_type"] != "volume_spike":
            continue
        for one in card["announced"]["each"]:
            if one["first_s"] is None:
                said = ["missed", "-", "-", "-"]
            else:
                critical = "-" if one["critical_s"] is None else f"{one['critical_s']:.0f}"
                said = [f"{one['first_s']:.0f}", one["severity_first"], one["severity_highest"], critical]
            days = "-" if one["return_days"] is None else f"{one['return_days']:,.0f}"
            if (one["return_days"] or 0) > _A_YEAR:
                days = "over a year"
            rows.append([one["event"], one["announced"][:16].replace("T", " "), preset, *said, days])
    columns = [
        "market", "announced, UTC", "preset", "first alert after, s", "its severity", "highest", "critical after, s",
        "rarest said: once in, days",
    ]  # fmt: skip
    return markdown(columns, sorted(rows, key=lambda row: (row[1], row[0])))


def quiet_table(score: Mapping[str, Any]) -> str:
    """A row for each type of alert and preset: what is said on quiet days, beside the budget."""
    rows = []
    for preset, card in _cards(score):
        each = [one["alerts_per_day"] for one in card["by_market"]]
        rows.append(
            [
                card["alert_type"], preset, f"{card['quiet_days']:.1f}", number(card["per_market_day"]["alerts"]),
                number(card["per_market_day"]["episodes"]), f"{min(each):.2f} to {max(each):.2f}" if each else "-",
                "-" if card["budget"] is None else f"{card['budget']:g}",
            ]
        )  # fmt: skip
    columns = ["alert", "preset", "market-days", "alerts a day", "episodes a day", "alerts a day, by market", "budget"]
    return markdown(columns, rows)


def lists_table(lists: Mapping[str, Any]) -> str:
    """A row for each list."""
    rows = [
        [
            one["name"], str(one["labels"]), str(one["events"]), f"{one['first'][:7]} to {one['last'][:7]}",
            ", ".join(f"{name} {count}" for name, count in one["exchanges"].items()), str(one["public"]),
            percent(one["whole_minutes"]), percent(one["whole_quarters"]),
        ]
        for one in lists["lists"]
    ]  # fmt: skip
    rows.append(["all of them, each event once", "", "", "", "", str(lists["public"]), "", ""])
    columns = [
        "list", "labels", "events", "from, to", "exchanges", "at Binance, or not said", "on a whole minute",
        "on a quarter hour",
    ]  # fmt: skip
    return markdown(columns, rows)


def times_table(lists: Mapping[str, Any]) -> str:
    """A row for each two lists: how far apart they put the events that are in both."""
    rows = [
        [
            " and ".join(pair["lists"]), str(pair["events"]),
            "-" if pair["median_s"] is None else f"{pair['median_s']:.0f}",
            "-" if pair["p90_s"] is None else f"{pair['p90_s']:.0f}", percent(pair["within_60_s"]),
        ]
        for pair in lists["pairs"]
    ]  # fmt: skip
    return markdown(["lists", "events in both", "apart, median, s", "90 % within, s", "within a minute"], rows)


def simulated_table(pumped: Mapping[str, Any]) -> str:
    """A row for each character and size: simulated pumps and how soon they were found and called high."""
    rows = []
    for name, size, events in (
        (name, size, events) for name, sizes in pumped["characters"].items() for size, events in sizes.items()
    ):
        soon = {row["seconds"]: row for row in events["in_seconds"]}
        rows.append(
            [
                name, size, str(events["events"]), share(events["found"]), share(soon[60]["found"]),
                share(soon[90]["found"]),
                share(soon[90]["high"]), share(soon[90]["critical"]), number(events["delay_s"]["p50"], 0),
            ]
        )  # fmt: skip
    columns = [
        "market", "times the trades", "pumps", "found in 10 minutes", "in 60 s", "in 90 s",
        "high or critical in 90 s", "critical in 90 s",
        "delay p50, s",
    ]  # fmt: skip
    return markdown(columns, rows)


def budgets_table(quiet: Mapping[str, Any]) -> str:
    """A row for each character and type of alert: what comes in a market without events, beside the budget."""
    rows = []
    for name, one in quiet["characters"].items():
        for card in one["cards"].values():
            rows.append(
                [
                    name, f"{one['trades_a_minute']:g}", card["alert_type"], f"{card['quiet_days']:.0f}",
                    number(card["per_market_day"]["alerts"]), number(card["per_market_day"]["episodes"]),
                    f"{card['budget']:g}" if card["budget"] is not None else "-",
                ]
            )  # fmt: skip
    columns = ["market", "trades a minute", "alert", "days", "alerts a day", "episodes a day", "budget"]
    return markdown(columns, rows)


def return_periods_table(found: Mapping[str, Any]) -> str:
    """Episodes against how many were to be expected, by how rarely they are said to come; rows are markets."""
    rows = []
    for name, one in found["quiet"]["characters"].items():
        rows += [_ratios(f"{name}, simulated", card) for card in one["cards"].values() if card["return_periods"]]
    for preset, card in _cards(found["score"]):
        if preset == DEFAULT and card["return_periods"]:
            rows.append(_ratios("the recorded ones", card))
    if not rows:
        return "No alert of this version says its return period."
    return markdown(["market", "alert", *(f"{level:g} d" for level in LEVELS)], rows)


def _ratios(market: str, card: Mapping[str, Any]) -> list[str]:
    """`1.05 (0.8 to 1.3), 45 of 43`: actual / expected."""
    cells = {
        level["return_days"]: f"{number(level['ratio'])}, {level['episodes']} of {level['expected']:.3g}"
        for level in card["return_periods"]
    }
    return [market, card["alert_type"], *(cells.get(level, "-") for level in LEVELS)]
