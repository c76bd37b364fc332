"""Candles of a symbol: a frame that draws itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from coattail.alerts import DISCLAIMER
from coattail.amounts import count
from coattail.errors import UsageError
from coattail.values import format_duration, parse_duration
from coattail.workspace.opening import Stores
from coattail.workspace.shown import Tabular, frame_table
from coattail.workspace.times import refuse_backwards

if TYPE_CHECKING:
    import polars as pl

    from coattail.charts.chart import Chart, Panels, Shade

_BAR = timedelta(seconds=10)
_SHOWN = 10


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Candles(Tabular):
    """Prices and volumes of one symbol. `rows` is the frame; `chart()` draws it with its alerts and gaps."""

    symbol: str
    every: timedelta
    rows: pl.DataFrame
    """Columns: those of `coattail.charts.candles.candles_of`, by exchange and start."""
    alerts: pl.DataFrame
    """The current alerts of that time; columns of `anomaly_alerts`."""
    shades: Sequence[Shade]
    """Where trades are missing."""

    def chart(self) -> Panels:
        """Price above volume, with alerts marked and gaps shaded.

        Raises: UsageError: If there is nothing to draw.
        """
        from coattail.charts.candles import candle_panels
        from coattail.symbols import quote_of

        self._refuse_none()
        unit = quote_of(self.symbol) or "quote units"
        return candle_panels(self.rows, self.every, alerts=self.alerts, shades=list(self.shades), unit=unit)

    def flow(self) -> Chart:
        """The share of the volume in which the taker bought, all venues together.

        Raises: UsageError: If there is nothing to draw.
        """
        from coattail.charts.windows import flow_chart

        self._refuse_none()
        return flow_chart(self.rows, self.every, name=self.symbol)

    def _refuse_none(self) -> None:
        if self.rows.is_empty():
            raise UsageError(f"no trade of {self.symbol} in that time", next_step="ws.coverage() says what there is")

    def to_polars(self) -> pl.DataFrame:
        """`rows`."""
        return self.rows

    def __len__(self) -> int:
        return self.rows.height

    def said(self) -> list[str]:
        """What they are of, and the last ten."""
        return [f"{self._words()}; the last {min(_SHOWN, len(self))}:", frame_table(self.rows, most=_SHOWN), DISCLAIMER]

    def _words(self) -> str:
        venues = ", ".join(sorted(set(self.rows["exchange"]))) or "no venue"
        gaps = sum(shade.kind == "gap" for shade in self.shades)
        said = f"{count(len(self), 'candle')} of {format_duration(self.every)}, {self.symbol} on {venues}"
        return f"{said}, {count(gaps, 'gap') if gaps else 'no gap'} in the record"


def candles(
    stores: Stores,
    symbol: str | None,
    every: str | timedelta = "1m",
    *,
    exchange: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Candles:
    """Prices and volumes of a symbol, from the bars and from the trades that landed after them.

    symbol: None means the one with most trades in that time, of which there must be one.
    every: How long a candle is, a multiple of 10 seconds.
    exchange: None means every venue that trades it.
    since, until: Times of the market; None means no bound.
    Raises: UsageError: If the symbol or the exchange has never been seen, or `every` cannot be.
    """
    import polars as pl

    from coattail.charts.candles import candles_of
    from coattail.charts.chart import ms
    from coattail.charts.said import unknown
    from coattail.engines.reduction import bars_now
    from coattail.landing.bars import merge_bars
    from coattail.reports.facts import Span, covered_in
    from coattail.stores.current import current_alerts
    from coattail.symbols import refuse_unseen
    from coattail.tables import BARS, COVERAGE

    length = _length(every)
    refuse_backwards(since, until)
    coverage = stores.lake.scan(COVERAGE)
    if symbol is not None:
        symbol = symbol.upper() if symbol.isascii() else symbol
        refuse_unseen("symbol", symbol, coverage["symbol"])
    bars = bars_now(stores.lake, since=since, until=until)
    symbol = symbol if symbol is not None else _busiest(bars)
    wanted = pl.col("symbol") == symbol
    if exchange is not None:
        refuse_unseen("exchange", exchange, coverage.filter(wanted)["exchange"])
        wanted &= pl.col("exchange") == exchange
    bars = bars.filter(wanted)
    bars = merge_bars(bars, histograms=False) if bars.height else BARS.empty()
    rows = candles_of(bars, length)
    alerts = current_alerts(stores.lake, stores.hot, now=datetime.now(UTC), since=since, until=until)
    shades: list[Shade] = []
    if rows.height:
        span = Span(since=rows["start"].min(), until=rows["start"].max() + length)  # type: ignore[arg-type, operator]
        shades = unknown(covered_in(coverage.filter(wanted), bars, span), ms(span.since), ms(span.until))
    return Candles(symbol=symbol, every=length, rows=rows, alerts=alerts, shades=shades)


def _busiest(bars: pl.DataFrame) -> str:
    """The symbol with most trades."""
    import polars as pl

    return str(bars.group_by("symbol").agg(pl.col("trades").sum()).sort("trades", "symbol")["symbol"][-1])


def _length(every: str | timedelta) -> timedelta:
    try:
        length = parse_duration(every) if isinstance(every, str) else every
    except ValueError:
        raise UsageError(f"every {every!r} is not a duration", next_step="write it like 10s, 1m, 1h or 1d") from None
    if length < _BAR or length % _BAR:
        step = "candles are made of bars of 10 seconds: give a multiple of 10s"
        raise UsageError(f"every {format_duration(length)} cannot be", next_step=step)
    return length
