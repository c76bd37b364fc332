"""Evidence: a seeded market that speaks the exchanges' wire formats, with the truth beside it.

```
market = Market(seed=7)
write(market, folder)                       binance.frames.zst, coinbase.frames.zst, truth.parquet, truth.json
market.frames(since, until)                 the same messages, one by one, and onward for as long as you ask
market_facts(market, since, until)          bars, orders and coverage, as if the frames had landed
long_run(THIN, instrument, days=120)        bars of a market in which nothing is planted, months in seconds
match(market.truth(), alerts)               what was found, how fast, and how many alarms were false
```
"""

from coattail.market.character import (
    BUSY,
    BY_PACE,
    CALM,
    CHARACTERS,
    CROWDED,
    LIVELY,
    MIDDLE,
    QUIET,
    SMALL,
    THIN,
    Character,
)
from coattail.market.crash import PlantedCrash
from coattail.market.facts import MarketFacts, market_facts, market_trades
from coattail.market.feed import (
    PlantedBacklog,
    PlantedDuplicates,
    PlantedGap,
    PlantedLag,
    PlantedRefilledGap,
    PlantedSkew,
    PlantedStall,
)
from coattail.market.instruments import DEFAULT_INSTRUMENTS, Asset, SimulatedInstrument
from coattail.market.long_run import long_run
from coattail.market.matching import Matched, match
from coattail.market.plan import planted_week
from coattail.market.planted import (
    Planted,
    PlantedBurst,
    PlantedDrought,
    PlantedOutlier,
    PlantedRegime,
    PlantedSideFlip,
    PlantedWash,
    PlantedWhale,
)
from coattail.market.pump import PlantedPump
from coattail.market.rare import PLANS, planted_crashes, planted_pumps, planted_regimes
from coattail.market.recording import WrittenMarket, identity_of, write, write_truth
from coattail.market.shifts import PlantedDepeg, PlantedRunaway, PlantedSpread
from coattail.market.simulation import Market
from coattail.market.truth import TRUTH_SCHEMA
from coattail.market.wire import Frame

__all__ = [
    "BUSY",
    "BY_PACE",
    "CALM",
    "CHARACTERS",
    "CROWDED",
    "DEFAULT_INSTRUMENTS",
    "LIVELY",
    "MIDDLE",
    "PLANS",
    "QUIET",
    "SMALL",
    "THIN",
    "TRUTH_SCHEMA",
    "Asset",
    "Character",
    "Frame",
    "Market",
    "MarketFacts",
    "Matched",
    "Planted",
    "PlantedBacklog",
    "PlantedBurst",
    "PlantedCrash",
    "PlantedDepeg",
    "PlantedDrought",
    "PlantedDuplicates",
    "PlantedGap",
    "PlantedLag",
    "PlantedOutlier",
    "PlantedPump",
    "PlantedRefilledGap",
    "PlantedRegime",
    "PlantedRunaway",
    "PlantedSideFlip",
    "PlantedSkew",
    "PlantedSpread",
    "PlantedStall",
    "PlantedWash",
    "PlantedWhale",
    "SimulatedInstrument",
    "WrittenMarket",
    "identity_of",
    "long_run",
    "market_facts",
    "market_trades",
    "match",
    "planted_crashes",
    "planted_pumps",
    "planted_regimes",
    "planted_week",
    "write",
    "write_truth",
]
