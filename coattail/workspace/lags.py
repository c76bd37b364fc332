"""How late trades arrived: from the exchange's own time to when their frame was received."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from coattail.errors import UsageError
from coattail.workspace.opening import Stores
from coattail.workspace.shown import Tabular, frame_table
from coattail.workspace.times import refuse_backwards

if TYPE_CHECKING:
    import polars as pl

    from coattail.charts.chart import Chart


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Lags(Tabular):
    """Lags of each exchange. `rows` is the frame; `chart()` draws how they are spread."""

    rows: pl.DataFrame
    """Columns: exchange, trades, half_ms, p99_ms, longest_ms, early (trades whose time is after their arrival: one of
    the two clocks is wrong), by exchange."""
    counted: pl.DataFrame
    """Columns: exchange, lag_ms, trades."""

    def chart(self) -> Chart:
        """The share of trades by how long they took, of each exchange.

        Raises: UsageError: If there is no trade.
        """
        from coattail.charts.lags import lag_chart

        if self.counted.is_empty():
            raise UsageError("no trade in that time", next_step="ws.coverage() says what there is")
        return lag_chart(self.counted)

    def said(self) -> list[str]:
        """Half, 99 of 100 and the longest, by exchange."""
        return ["from the trade to its arrival, milliseconds:", frame_table(self.rows)]

    def to_polars(self) -> pl.DataFrame:
        """`rows`."""
        return self.rows


def lags(
    stores: Stores,
    *,
    exchange: str | None = None,
    source: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Lags:
    """How late trades arrived. A backfilled one is as late as it was fetched.

    exchange: None means every one. source: live, backfill or replay; None means any.
    since, until: Times of the market; None means no bound.
    Raises: UsageError: If the exchange has never been seen, or the source is none.
    """
    import polars as pl

    from coattail.charts.lags import quantile
    from coattail.symbols import refuse_unseen
    from coattail.tables import COVERAGE, RAW_TRADES

    refuse_backwards(since, until)
    if source not in (None, *_SOURCES):
        raise UsageError(f"source {source!r} is unknown", next_step=f"known: {', '.join(_SOURCES)}")
    if exchange is not None:
        refuse_unseen("exchange", exchange, stores.lake.scan(COVERAGE, columns=["exchange"])["exchange"])
    columns = ["exchange", "source", "timestamp", "ingestion_timestamp"]
    trades = stores.lake.scan(RAW_TRADES, columns=columns, since=since, until=until)
    wanted = pl.lit(value=True) if exchange is None else pl.col("exchange") == exchange
    wanted &= pl.lit(value=True) if source is None else pl.col("source") == source
    lag = ((pl.col("ingestion_timestamp") - pl.col("timestamp")).dt.total_microseconds() / 1000).alias("lag_ms")
    counted = trades.filter(wanted).group_by("exchange", lag).agg(pl.len().alias("trades")).sort("exchange", "lag_ms")
    found = [
        {
            "exchange": name,
            "trades": int(own["trades"].sum()),
            "half_ms": quantile(own, 0.5),
            "p99_ms": quantile(own, 0.99),
            "longest_ms": float(own["lag_ms"].max()),  # type: ignore[arg-type]
            "early": int(own.filter(pl.col("lag_ms") < 0)["trades"].sum()),
        }
        for (name,), own in counted.group_by("exchange", maintain_order=True)
    ]
    schema = {"exchange": pl.String, "trades": pl.Int64, "half_ms": pl.Float64, "p99_ms": pl.Float64,
              "longest_ms": pl.Float64, "early": pl.Int64}  # fmt: skip
    return Lags(rows=pl.DataFrame(found, schema=schema), counted=counted)


_SOURCES = ("live", "backfill", "replay")
