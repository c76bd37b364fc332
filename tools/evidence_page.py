"""The evidence, written: `python -m tools.evidence_page docs/EVIDENCE.md [--nab FOLDER] [--cache FOLDER]`.

Tables stand in the page between `<!-- name -->` and `<!-- end -->`, charts beside it in `img/`, the summary that
reports show in the package's `conf/scorecards.json`. Everything is seeded: equal code writes equal pages.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import coattail
from coattail.config import PRESETS
from coattail.errors import UsageError
from coattail.scoring.charts import curves_of
from coattail.scoring.curves import compared, curves
from coattail.scoring.evaluation import Spec, simulated
from coattail.scoring.oracle import oracle_curves
from coattail.scoring.scorecard import of_preset, scorecard
from tools import evidence_tables as tables
from tools import nab
from tools.heat import heat_chart, heat_of

SEEDS = (521, 523)
DAYS, WARM_UP = 7, 7
_HEATS = (("burst", "volume-anomaly"), ("drought", "volume-anomaly"), ("spread", "spread-calculator"))
SUMMARY = Path(coattail.__file__).parent / "conf" / "scorecards.json"


def main(arguments: list[str]) -> None:
    """Measure, and write the page, its charts and the summary.

    Raises: UsageError: If the page lacks a place for a table. StoreError: If NAB's files are named and not there.
    """
    parser = ArgumentParser(prog="python -m tools.evidence_page", description=str(__doc__))
    parser.add_argument("page", type=Path)
    parser.add_argument("--nab", type=Path, help="folder with NAB's data; without it the table stays as it is")
    parser.add_argument("--cache", type=Path, help="keep what was drawn here, for the next run")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--warm-up", type=int, default=WARM_UP)
    parser.add_argument("--summary", type=Path, default=SUMMARY)
    given = parser.parse_args(arguments)
    specs = [Spec(seed=seed, days=given.days, warm_up=given.warm_up) for seed in given.seeds]
    with tempfile.TemporaryDirectory() as scratch:
        found = measured(specs, given.cache or Path(scratch), given.nab)
    page = given.page.read_text()
    for name, table in places(found).items():
        page = filled(page, name, table)
    given.page.write_text(page)
    (given.page.parent / "img").mkdir(exist_ok=True)
    for name, svg in charts(found).items():
        (given.page.parent / "img" / f"evidence-{name}.svg").write_text(svg)
    given.summary.write_text(json.dumps(tables.summary(found["scorecard"]), indent=1, ensure_ascii=False) + "\n")


def measured(specs: Sequence[Spec], cache: Path, folder: Path | None) -> dict[str, Any]:
    """The scorecard, the curves and, where there is a folder, NAB's figures."""
    began = time.monotonic()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        drawn = [pool.submit(simulated, spec, cache) for spec in specs]
        labelled = pool.submit(_on_nab, folder) if folder is not None else None
        evidences = [one.result() for one in drawn]
        _say(f"{len(specs)} markets drawn", began)
        cards = scorecard(evidences, {preset: of_preset(preset) for preset in PRESETS})
        _say("scored", began)
        swept = curves(evidences)
        for kind, oracle in oracle_curves(evidences, [spec.market() for spec in specs]).items():
            swept[kind] = {**swept.get(kind, {}), **oracle}
        _say("thresholds swept", began)
        return {"scorecard": cards, "curves": swept, "nab": labelled.result() if labelled is not None else None}


def _on_nab(folder: Path) -> dict[str, Any]:
    return nab.benchmark(nab.read_series(folder))


def _say(what: str, began: float) -> None:
    print(f"{what} after {time.monotonic() - began:.0f} s", file=sys.stderr)


def places(found: Mapping[str, Any]) -> dict[str, str]:
    """Name of a place in the page -> what stands there."""
    cards = found["scorecard"]
    sized = {
        f"sizes-{kind}": tables.sizes_table(cards, kind)
        for kind in ("burst", "drought", "stall", "spread", "runaway", "depeg")
    }
    made = {
        "markets": "\n".join(
            f"- {one['market']}: judged {one['since']:%Y-%m-%d} to {one['until']:%Y-%m-%d %H:%M} UTC"
            for one in cards["judged"]
        ),
        "cards": tables.cards_table(cards),
        "levels": tables.levels_table(compared(found["curves"])),
        "whales": tables.whales_table(cards),
        **sized,
    }
    return made if found["nab"] is None else {**made, "nab": tables.nab_table(found["nab"])}


def filled(page: str, name: str, text: str) -> str:
    """The page with the text in the place of that name.

    Raises: UsageError: If it has no such place.
    """
    place = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not place.search(page):
        raise UsageError(
            f"the page has no place for {name!r}", next_step=f"mark it: <!-- {name} --> and <!-- end -->, a line each"
        )
    return place.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page)


def charts(found: Mapping[str, Any]) -> dict[str, str]:
    """Name -> chart."""
    cards = found["scorecard"]["presets"]
    heats = [
        heat_of(f"{kind}s, {preset}", card)
        for kind, module in _HEATS
        for preset, modules in cards.items()
        if (card := modules[module].get(kind)) is not None
    ]
    return {
        "curves": curves_of({**found["scorecard"], "curves": found["curves"]}),
        "recall": heat_chart(
            "Planted events found, by size and duration",
            heats,
            alt="Tables of the share of planted events found, by size and duration, for each preset; the same figures "
            "are in the tables of docs/EVIDENCE.md.",
        ),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
