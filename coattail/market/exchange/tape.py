"""What one exchange has traded and will trade: every trade in the order in which it becomes public.

A trade's place on the tape is its *position*: 0, 1, 2 … over all instruments of the exchange. Nothing here knows how
far the tape has been let out; whoever asks says up to which position it may look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl

from coattail.market.prices import Ints

NO_TRADES = pl.DataFrame(
    schema={
        "position": pl.Int64, "time": pl.Int64, "listing": pl.UInt32, "code": pl.String, "id": pl.Int64,
        "sequence": pl.Int64, "order": pl.Int64, "aggregate": pl.Int64, "first": pl.Int64, "closes": pl.Boolean,
        "buy": pl.Boolean, "price": pl.String, "quantity": pl.String, "total_e8": pl.Int64, "message": pl.String,
    }
)  # fmt: skip
"""Trades of a tape. Columns: position on the tape; time (µs since 1970 UTC); listing (which of the tape's listings) and
its code; trade id; message counter of the product (Coinbase's); id of the order's first fill; number of the aggregate
(Binance's), its first trade id, and whether this trade closes it; whether the taker bought; price and quantity as the
exchange writes them; quantity of the whole aggregate in 1e-8 base units; the message as it was recorded, or null."""


class ListedInstrument(NamedTuple):
    """One instrument as its exchange lists it."""

    code: str
    """The exchange's own name: `BTCUSDT`, `BTC-USD`."""
    base: str
    quote: str
    tick: str = "0.01"
    """Smallest price step, in quote units, as a decimal."""
    lot: str = "0.00000001"
    """Smallest quantity step, in base units, as a decimal."""


@dataclass
class TapeBlock:
    """Consecutive trades of a tape."""

    start: int
    """Position of the first."""
    trades: pl.DataFrame
    time: Ints
    """When each is due, µs since 1970 UTC: when it happened, but not before one that stands before it."""
    _rows: dict[int, Ints] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """Position after the last."""
        return self.start + self.trades.height

    def rows(self, listing: int) -> Ints:
        """Rows of one listing, ascending."""
        if not self._rows:
            listings = self.trades["listing"].to_numpy()
            order = np.argsort(listings, kind="stable")
            found, starts = np.unique(listings[order], return_index=True)
            parts = np.split(order, starts[1:])
            self._rows = {int(number): part for number, part in zip(found, parts, strict=True)}
        return self._rows.get(listing, _NONE)


_NONE: Ints = np.array([], np.int64)


class TradeTape:
    """The trades of one exchange, drawn further when somebody asks for later ones."""

    def __init__(self, listings: Sequence[ListedInstrument], more: Callable[[], bool]) -> None:
        """`more`, called from any thread, appends the next trades to all tapes it feeds, or returns False: no more."""
        self.listings = tuple(listings)
        self.numbers: Mapping[str, int] = {listing.code: number for number, listing in enumerate(self.listings)}
        self.blocks: list[TapeBlock] = []
        self.complete = False
        self._more = more
        self._aggregates: dict[int, int] = {}

    @property
    def end(self) -> int:
        """Position after the last trade drawn so far."""
        return self.blocks[-1].end if self.blocks else 0

    @property
    def drawn_until(self) -> int:
        """Time of the last trade drawn so far, µs since 1970 UTC; 0 before the first."""
        return int(self.blocks[-1].time[-1]) if self.blocks else 0

    def append(self, trades: pl.DataFrame) -> None:
        """Take the next trades, in the order of release, each listing's ids rising; their aggregates are added."""
        if not trades.height:
            return
        numbered = trades.with_columns(
            pl.Series("position", np.arange(self.end, self.end + trades.height)),
            pl.Series("code", [listing.code for listing in self.listings], dtype=pl.String).gather(trades["listing"]),
        )
        aggregate, closes = self._aggregated(numbered)
        numbered = (
            numbered.with_columns(aggregate=aggregate, closes=closes)
            .with_columns(
                first=pl.col("id").min().over("listing", "aggregate"),
                total_e8=pl.col("quantity_e8").sum().over("listing", "aggregate"),
            )
            .select(NO_TRADES.columns)
        )
        self.blocks.append(TapeBlock(self.end, numbered, np.maximum.accumulate(numbered["time"].to_numpy())))

    def _aggregated(self, trades: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
        """The number of each trade's aggregate, and whether the trade is its last.

        An aggregate is what one order took at one price and time: neighbours in id whose order, price, time and side
        are equal.
        """
        alike = pl.struct("order", "price", "time", "buy")
        first = (alike != alike.shift(1)).over("listing").fill_null(True)
        last = (alike != alike.shift(-1)).over("listing").fill_null(True)
        counted = trades.select(
            "listing", "id", first=first, last=last, count=first.cast(pl.Int64).cum_sum().over("listing")
        )
        for listing, smallest in counted.group_by("listing").agg(pl.col("id").min()).iter_rows():
            self._aggregates.setdefault(listing, smallest * 3 // 5)
        base = counted["listing"].replace_strict(self._aggregates, return_dtype=pl.Int64) if counted.height else 0
        numbers = (counted["count"] + base).alias("aggregate")
        for listing, largest in counted.select("listing", numbers).group_by("listing").agg(pl.max("aggregate")).rows():
            self._aggregates[listing] = largest
        return numbers, counted["last"]

    def draw(self, *, position: int | None = None, time: int | None = None) -> None:
        """Draw at least up to this position, or beyond this time (µs), or to the end."""
        while not self.complete:
            if position is not None and self.end >= position:
                return
            if time is not None and self.drawn_until > time:
                return
            self.complete = not self._more()

    def position_at(self, time: int) -> int:
        """How many trades happened up to and at this time (µs since 1970 UTC), of those drawn."""
        for block in reversed(self.blocks):
            if block.time[0] <= time:
                return block.start + int(np.searchsorted(block.time, time, side="right"))
        return 0

    def time_of(self, position: int) -> int:
        """When the trade at this position happened, µs since 1970 UTC."""
        block = self.block_of(position)
        return int(block.time[position - block.start])

    def block_of(self, position: int) -> TapeBlock:
        """The block that holds a position that has been drawn."""
        low, high = 0, len(self.blocks) - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.blocks[middle].start <= position else (low, middle - 1)
        return self.blocks[low]

    def slice(self, start: int, stop: int) -> pl.DataFrame:
        """The trades at positions start <= p < stop."""
        parts = [
            block.trades.slice(max(start - block.start, 0), min(stop, block.end) - max(start, block.start))
            for block in self.blocks
            if block.start < stop and block.end > start
        ]
        return pl.concat(parts) if parts else NO_TRADES

    def oldest(self, code: str, released: int, where: pl.Expr, limit: int) -> pl.DataFrame:
        """The first `limit` trades of one instrument that fit, below a position, oldest first."""
        return self._some(self.blocks, code, released, where, limit, newest=False)

    def newest(self, code: str, released: int, where: pl.Expr, limit: int) -> pl.DataFrame:
        """The last `limit` trades of one instrument that fit, below a position, oldest first."""
        return self._some(reversed(self.blocks), code, released, where, limit, newest=True)

    def _some(
        self, blocks: Iterable[TapeBlock], code: str, released: int, where: pl.Expr, limit: int, *, newest: bool
    ) -> pl.DataFrame:
        listing = self.numbers[code]
        found: list[pl.DataFrame] = []
        missing = limit
        for block in blocks:
            if missing <= 0:
                break
            if block.start >= released:
                continue
            rows = block.rows(listing)
            rows = rows[: np.searchsorted(rows, released - block.start)]
            part = block.trades[rows].filter(where)
            part = part.tail(missing) if newest else part.head(missing)
            missing -= part.height
            found.append(part)
        return pl.concat(reversed(found) if newest else found) if found else NO_TRADES

    def last(self, listing: int, below: int) -> dict[str, object] | None:
        """The newest trade of a listing (by number) before a position; None where there is none."""
        for block in reversed(self.blocks):
            if block.start < below:
                rows = block.rows(listing)
                count = int(np.searchsorted(rows, below - block.start))
                if count:
                    return block.trades.row(int(rows[count - 1]), named=True)
        return None
