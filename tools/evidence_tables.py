"""Scorecards as tables in Markdown, and as the few figures that other pages show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from coattail.scoring.figures import number, percent, share, short
from coattail.scoring.kinds import KINDS


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def cards_table(found: Mapping[str, Any]) -> str:
    """A row per kind and preset, those by chance beside."""
    rows = []
    for kind in KINDS.values():
        for preset, modules in found["presets"].items():
            card = modules.get(kind.module, {}).get(kind.name)
            if card is None:
                rows.append([kind.name, preset, "no detector", *["-"] * 7])
                continue
            chance = card["chance"]["recall"]
            rows.append(
                [
                    kind.name,
                    preset,
                    str(card["events"]),
                    share(card["recall"]),
                    percent(chance),
                    number(card["per_market_day"]),
                    number(card["fault_alerts_per_day"]),
                    short(card["alerts_per_day"], 1),
                    share(card["precision"]),
                    f"{number(card['delay_s']['p50'], 0)}; {number(card['delay_s']['p95'], 0)}",
                ]
            )
    columns = [
        "kind", "preset", "events", "found", "by chance", "false per market and day", "about faults, alerts a day",
        "alerts a day", "precision", "delay p50; p95, s",
    ]  # fmt: skip
    return markdown(columns, rows)


def sizes_table(found: Mapping[str, Any], name: str) -> str:
    """Recall of a kind by size and duration, a row per size, the presets beside each other."""
    kind = KINDS[name]
    cells = {
        (preset, b["size"], b["length"]): f"{100 * b['value']:.0f} % of {b['events']}"
        for preset, modules in found["presets"].items()
        for b in modules.get(kind.module, {}).get(name, {}).get("by_size", [])
    }
    presets = [p for p in found["presets"] if any(key[0] == p for key in cells)]
    columns = [
        f"{kind.answer.size_name}",
        *(f"{preset}, {length}" for preset in presets for length, _ in kind.answer.lengths),
    ]
    rows = [
        [size, *(cells.get((preset, size, length), "-") for preset in presets for length, _ in kind.answer.lengths)]
        for size, _ in kind.answer.sizes
    ]
    return markdown(columns, rows)


def levels_table(compared: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Recall of each preset at equal false alarms per market and day."""
    presets = list(dict.fromkeys(p for rows in compared.values() for row in rows for p in row if p != "per_market_day"))
    rows = [
        [kind, f"{row['per_market_day']:g}", *(percent(row.get(preset)) for preset in presets)]
        for kind, levels in compared.items()
        for row in levels
    ]
    return markdown(["kind", "false per market and day", *presets], rows)


def whales_table(found: Mapping[str, Any]) -> str:
    """Planted orders and the market's own, by preset."""
    rows = []
    for preset, modules in found["presets"].items():
        card = modules["whale-detector"]["whale"]
        bins = [b for b in card["by_size"]]
        for fills in ("one fill", "many fills"):
            here = [b for b in bins if b["length"] == fills]
            hits = sum(round(b["value"] * b["events"]) for b in here)
            rows.append([preset, f"planted, {fills}", str(sum(b["events"] for b in here)), str(hits), "-"])
        rows.append([preset, "planted, all", str(card["events"]), share(card["recall"]), number(card["false_per_day"])])
        if "natural" in card:
            rows.append(
                [preset, "the market's own", str(card["natural"]["events"]), share(card["natural"]["recall"]), "-"]
            )
    return markdown(["preset", "orders", "there", "found", "false a day, all markets"], rows)


def nab_table(found: Mapping[str, Any]) -> str:
    """A row per group of files and detector."""
    rows = []
    for group in sorted(found, key=lambda g: (g == "all", g)):
        for who, done in found[group].items():
            if who != "files":
                recall = done["window_recall"]
                scores = ["-" if s is None else f"{s:.0f}" for s in done["nab"].values()]
                rows.append(
                    [f"{group} ({found[group]['files']})", who, f"{done['false_per_1000']:.2f}",
                     "-" if recall is None else f"{100 * recall:.0f} % of {done['windows']:.0f}", *scores]
                )  # fmt: skip
    return markdown(
        ["files", "who", "false per 1,000 points", "windows found", "NAB, standard", "NAB, low false alarms",
         "NAB, low misses"], rows,
    )  # fmt: skip


def summary(found: Mapping[str, Any]) -> dict[str, dict[str, dict[str, str]]]:
    """Preset -> module -> what a page about one day shows of it."""
    return {
        preset: {
            module: {
                name: said
                for kind, card in cards.items()
                for name, said in (
                    (f"{kind}s_found", f"{share(card['recall'])} of {card['events']}"),
                    (f"{kind}s_false_alarms_per_market_and_day", number(card["per_market_day"])),
                    (f"{kind}s_delay_in_s", number(card["delay_s"]["p50"], 0)),
                )
            }
            for module, cards in modules.items()
        }
        for preset, modules in found["presets"].items()
    }
