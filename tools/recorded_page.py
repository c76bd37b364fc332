"""The evidence from recorded pumps and quiet markets, written: `python -m tools.recorded_page docs/EVIDENCE.md`.

With `--recorded FOLDER --lists FOLDER` it is measured anew: the first holds trades around announced pumps, as rows of
the columns in `READ`, the second the lists of `LISTS`. With `--pump-seeds N…` so are simulated pumps, with
`--pump-days N` beside them how rare they truly are, with `--quiet-days N` simulated markets in which nothing is
planted. What was measured is kept in the package's `conf/recorded.json` with the digests of all that it was computed
from, so that the section can be written without them: tables stand in the
page between `<!-- name -->` and `<!-- end -->`.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import coattail
from coattail.config import DEFAULT, PRESETS, load_settings
from coattail.market.character import BUSY, BY_PACE, CROWDED, QUIET, THIN, Character
from coattail.recordings import RowHints
from coattail.recordings.chosen import choose
from coattail.scoring.announced import Announced
from coattail.scoring.evaluation import Spec, simulated
from coattail.scoring.labels import read_labels
from coattail.scoring.recorded import WARM_UP, Together
from coattail.scoring.recorded_scorecard import recorded_scorecard
from coattail.scoring.reduced import digests
from coattail.scoring.scorecard import of_preset
from coattail.scoring.simulated_pumps import simulated_pumps
from coattail.scoring.stationary import START, stationary
from coattail.workspace.documents import plain
from coattail.workspace.questions.recorded import score_recorded
from tools import recorded_tables as tables
from tools.evidence_page import filled
from tools.label_lists import lists_compared
from tools.pump_oracle import oracle_table, rare_pumps

READ = {"time": "timestamp", "price": "price", "quantity": "amount", "side": "side", "symbol": "symbol"}
EXCHANGE = "binance"
LISTS = ("pump_telegram.csv", "label_5S.csv", "pumps_b0r0koko.json")
"""The first is the one that events are judged by."""
KEPT = Path(coattail.__file__).parent / "conf" / "recorded.json"
SEEDS = (301, 302, 303, 304)
"""Nothing was chosen by these."""
PUMPED = (THIN, QUIET)
"""Characters of the markets that are pumped: what a group of people can move."""
FACTORS = {"150 to 300": (150.0, 300.0), "300 to 600": (300.0, 601.0)}
"""Trades in a pump's first minute, as multiples of the usual; the recorded ones have 210 to 570."""
PACES = BY_PACE
"""Characters of the quiet markets, from 0.4 to 5,000 trades a minute."""
COMMAND = (
    f"coattail score --recorded pump-trades --labels {LISTS[0]} --exchange {EXCHANGE} --make-ids --columns "
    + ",".join(f"{field}={column}" for field, column in READ.items())
)
"""What a reader types for the same figures."""


def main(arguments: list[str]) -> None:
    """Measure, if there is something to measure on, and write the section.

    Raises: UsageError: If the page lacks a place for a table, or the recordings or lists cannot be read.
    """
    parser = ArgumentParser(prog="python -m tools.recorded_page", description=str(__doc__))
    parser.add_argument("page", type=Path)
    parser.add_argument("--recorded", type=Path, help="folder with the trades; without it, what was kept is written")
    parser.add_argument("--lists", type=Path, help="folder with the lists of announced events")
    parser.add_argument("--cache", type=Path, help="keep what the trades add up to here, for the next run")
    parser.add_argument("--quiet-days", type=int, help="judge this many days of each simulated market without events")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="a market of each character for each")
    parser.add_argument("--pump-seeds", type=int, nargs="+", help="a simulated market with pumps for each")
    parser.add_argument("--pump-days", type=int, help="hold the same pumps against this many days of each of the seeds")
    parser.add_argument("--kept", type=Path, default=KEPT)
    given = parser.parse_args(arguments)
    if (given.recorded is None) != (given.lists is None):
        parser.error("--recorded and --lists go together")
    found = json.loads(given.kept.read_text()) if given.kept.exists() else {}
    if given.recorded is not None:
        found |= measured(given.recorded, given.lists, given.cache)
    if given.quiet_days:
        found["quiet"] = quiet(given.quiet_days, given.seeds)
    if given.pump_seeds:
        found["pumped"] = pumped(given.pump_seeds, given.cache)
    if given.pump_seeds and given.pump_days:
        found["pump_oracle"] = pump_oracle(given.pump_seeds, given.seeds, given.pump_days, given.cache)
    given.kept.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    page = given.page.read_text()
    for name, table in places(found).items():
        page = filled(page, name, table)
    given.page.write_text(page)


def measured(recorded: Path, lists: Path, cache: Path | None = None) -> dict[str, Any]:
    """The document of `coattail score --recorded` for both presets, and what the lists say: JSON types only."""
    chosen = choose([recorded], exchange=EXCHANGE, hints=RowHints(columns=READ, make_ids=True))
    detectors = {preset: of_preset(preset) for preset in PRESETS}
    scored = score_recorded(chosen, lists / LISTS[0], load_settings(None), detectors, cache=cache)
    files = [read_labels(lists / name) for name in LISTS]
    return {
        "command": COMMAND,
        "version": coattail.__version__,
        "score": plain(scored.document),
        "lists": plain(lists_compared(files)) | {"sha256": digests([file.path for file in files])},
    }


def quiet(days: int, seeds: Sequence[int]) -> dict[str, Any]:
    """What `default` says about volume in markets without events: `days` of each, and by character its figures."""
    found = {character.name: quiet_in(character, days, seeds) for character in PACES}
    return {"days": days, "seeds": list(seeds), "version": coattail.__version__, "characters": plain(found)}


def quiet_in(character: Character, days: int, seeds: Sequence[int]) -> dict[str, Any]:
    """The figures of one character. Fewer days of a busy one, since one takes as long to draw as a month of a thin one;
    of a crowded one a week, of the first seed."""
    length = {BUSY: max(days // 4, 1), CROWDED: min(days, 7)}.get(character, days)
    groups = [
        stationary(character, seed=seed, days=length, start=START + timedelta(days=n * (days + 30)))
        for n, seed in enumerate(seeds[:1] if character is CROWDED else seeds)
    ]
    nothing = Announced(events=[], left={}, stirred={})
    detectors = {DEFAULT: [d for d in of_preset(DEFAULT) if d.name == "volume-anomaly"]}
    cards = recorded_scorecard(groups, nothing, detectors)[DEFAULT]["volume-anomaly"]
    return {
        "trades_a_minute": round(sum(_trades_a_minute(group) for group in groups) / len(groups), 1),
        "cards": {name: card for name, card in cards.items() if name in ("volume_spike", "volume_drop")},
    }


def _trades_a_minute(group: Together) -> float:
    (market,) = group.markets
    trades = int(group.evidence.bars["trades"].sum())
    return trades / ((market.last - market.first) / timedelta(minutes=1))


def pumped(seeds: Sequence[int], cache: Path | None = None) -> dict[str, Any]:
    """What `default` says about simulated pumps: by character and size the figures of high volume."""
    detectors = {DEFAULT: [d for d in of_preset(DEFAULT) if d.name == "volume-anomaly"]}
    found: dict[str, dict[str, Any]] = {}
    for character in PUMPED:
        specs = _pump_specs(character, seeds)
        for size, factors in FACTORS.items():
            groups, pumps = simulated_pumps(specs, cache, factors=factors)
            card = recorded_scorecard(groups, pumps, detectors)[DEFAULT]["volume-anomaly"]["volume_spike"]
            figures = {name: value for name, value in card["announced"].items() if name != "each"}
            found.setdefault(character.name, {})[size] = figures
    return {"seeds": list(seeds), "version": coattail.__version__, "characters": plain(found)}


def _pump_specs(character: Character, seeds: Sequence[int]) -> list[Spec]:
    return [
        Spec(seed=seed, days=1, warm_up=WARM_UP.days, character=character.name, plan="pumps",
             start=START + timedelta(days=30 * n))
        for n, seed in enumerate(seeds)
    ]  # fmt: skip


def pump_oracle(
    pump_seeds: Sequence[int], seeds: Sequence[int], days: int, cache: Path | None = None
) -> list[dict[str, Any]]:
    """How rare those pumps are, beside `days` of each of the seeds without."""
    drawn = {character: [simulated(spec, cache) for spec in _pump_specs(character, pump_seeds)] for character in PUMPED}
    return rare_pumps(drawn, FACTORS, seeds, days)


def places(found: Mapping[str, Any]) -> dict[str, str]:
    """Name of a place in the page -> what stands there."""
    return {
        "pump-command": f"```\n{found['command']}\n```",
        "pump-files": tables.files_table(found),
        "pumps": tables.pumps_table(found["score"]),
        "pump-events": tables.events_table(found["score"]),
        "pump-quiet": tables.quiet_table(found["score"]),
        "pump-lists": tables.lists_table(found["lists"]),
        "pump-times": tables.times_table(found["lists"]),
        "simulated-pumps": tables.simulated_table(found["pumped"]),
        "pump-oracle": oracle_table(found["pump_oracle"]),
        "quiet-budgets": tables.budgets_table(found["quiet"]),
        "return-periods": tables.return_periods_table(found),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
