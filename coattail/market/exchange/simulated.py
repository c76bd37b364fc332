"""A simulated market on the tapes of its exchanges."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from coattail.market.exchange.tape import ListedInstrument, TradeTape
from coattail.market.simulation import Market
from coattail.market.tape import Tape, joined
from coattail.market.wire import fixed, trimmed


def simulated_tapes(market: Market, until: datetime | None = None) -> dict[str, TradeTape]:
    """The tape of every exchange of a market, drawn as it is asked for: its trades, not what its line does to them.

    `until` None ends with the market's duration. Planted gaps, duplicates, backlogs and skews are faults of a line:
    here a fault script has them, and the tape holds every trade.
    """
    places = {
        name: [number for number, instrument in enumerate(market.traded) if instrument.exchange == name]
        for name in market.exchanges
    }
    chunks = market.tapes(market.start, until or market.end)

    drawing = threading.Lock()

    def more() -> bool:
        with drawing:
            chunk = next(chunks, None)
            if chunk is None:
                return False
            for name, numbers in places.items():
                tapes[name].append(_trades(name, [chunk[1][number] for number in numbers]))
            return True

    def listing(number: int) -> ListedInstrument:
        instrument = market.traded[number]
        tick, lot = (f"{step:.8f}".rstrip("0") for step in (instrument.tick, instrument.lot))
        return ListedInstrument(instrument.code, instrument.asset.name, instrument.quote, tick, lot)

    tapes = {name: TradeTape([listing(number) for number in numbers], more) for name, numbers in places.items()}
    return tapes


def _trades(exchange: str, tapes: Sequence[Tape]) -> pl.DataFrame:
    """One chunk of an exchange's instruments, in order of time."""
    together = joined(tapes)
    listing = np.repeat(np.arange(len(tapes), dtype=np.uint32), [len(tape.time) for tape in tapes])
    order = np.lexsort((together.trade_id, listing, together.time))
    written = fixed if exchange == "binance" else trimmed
    return pl.DataFrame(
        {
            "time": together.time,
            "listing": listing,
            "id": together.trade_id,
            "sequence": together.sequence,
            "order": together.order,
            "buy": together.buy,
            "price_e8": together.price_e8,
            "quantity_e8": together.quantity_e8,
        }
    )[order].with_columns(price=written("price_e8"), quantity=written("quantity_e8"), message=pl.lit(None, pl.String))
