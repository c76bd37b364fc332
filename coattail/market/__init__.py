"""Evidence: a seeded market that speaks the exchanges' wire formats, with the truth beside it.

```
market = Market(seed=7)
write(market, folder)                       binance.frames.zst, coinbase.frames.zst, truth.parquet, truth.json
market.frames(since, until)                 the same messages, one by one, and onward for as long as you ask
match(market.truth(), alerts)               what was found, how fast, and how many alarms were false
```
"""

from coattail.market.instruments import DEFAULT_INSTRUMENTS, Asset, Instrument
from coattail.market.matching import Matched, match
from coattail.market.planted import TRUTH_SCHEMA, Planted, PlantedBurst, PlantedSpread, PlantedWhale
from coattail.market.recording import Written, write
from coattail.market.simulation import Market
from coattail.market.wire import Frame

__all__ = [
    "DEFAULT_INSTRUMENTS",
    "TRUTH_SCHEMA",
    "Asset",
    "Frame",
    "Instrument",
    "Market",
    "Matched",
    "Planted",
    "PlantedBurst",
    "PlantedSpread",
    "PlantedWhale",
    "Written",
    "match",
    "write",
]
