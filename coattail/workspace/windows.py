"""What the detectors measured, window by window, and as charts: volumes, spreads, large orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from coattail.amounts import count
from coattail.errors import UsageError
from coattail.workspace.opening import Stores
from coattail.workspace.shown import Tabular, frame_table
from coattail.workspace.times import refuse_backwards

if TYPE_CHECKING:
    import polars as pl

    from coattail.charts.chart import Panels
    from coattail.engines.explain import Explained

_MOST_PAIRS = 4
_WINDOWS = 180
"""Of volume before an alert: three hours."""
_DAY = timedelta(days=1)
_BEFORE, _AFTER = timedelta(hours=2), timedelta(minutes=15)
"""Around an alert about a spread."""
_PAIR = ("exchange_a", "symbol_a", "exchange_b", "symbol_b")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Volumes(Tabular):
    """Windows of volume, by time. `rows` is the frame; `chart()` draws them against what is usual."""

    rows: pl.DataFrame
    """Columns of `volume_windows`, of one instrument."""
    alerts: pl.DataFrame
    """Columns of `anomaly_alerts`."""
    detector: Any
    """The volume detector of these settings, for its threshold; None where none runs."""

    def chart(self) -> Panels:
        """Windows against what is usual, and how rare each is.

        Raises: UsageError: If there is none.
        """
        from coattail.charts.windows import volume_panels

        _refuse_none(self.rows, "window of volume")
        budget, z = (getattr(self.detector, name, None) for name in ("budget", "z_threshold"))
        name = str(self.rows["exchange"][0]), str(self.rows["symbol"][0])
        threshold = None if not budget else 1 / budget
        return volume_panels(self.rows, name=name, alerts=self.alerts, threshold_days=threshold, z=z)

    def said(self) -> list[str]:
        """How many there are, and the last ten."""
        columns = ["window_start", "volume", "trades", "orders", "expected_orders", "return_days", "state"]
        return [f"{count(self.rows.height, 'window')}; the last:", frame_table(_known(self.rows, columns))]

    def to_polars(self) -> pl.DataFrame:
        """`rows`."""
        return self.rows


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Spreads(Tabular):
    """Spreads between venues, by pair and time. `rows` is the frame; `chart()` splits them into their parts."""

    rows: pl.DataFrame
    """Columns of `spread_windows`."""
    alerts: pl.DataFrame
    """Columns of `anomaly_alerts`."""

    def chart(self) -> Panels:
        """Raw, basis, net and fees of the four widest pairs, below each other.

        Raises: UsageError: If there is none.
        """
        import polars as pl

        from coattail.charts.chart import Panels
        from coattail.charts.windows import spread_chart

        size = pl.coalesce("net_pct", "spread_pct").abs()
        judged = self.rows.filter(size.is_not_null())
        _refuse_none(judged, "judged spread")
        widest = judged.group_by(_PAIR, maintain_order=True).agg(size.max().alias("size"))
        pairs = widest.sort("size", descending=True, maintain_order=True).head(_MOST_PAIRS)
        charts = []
        for key in pairs.select(_PAIR).iter_rows(named=True):
            own = judged.filter(*(pl.col(name) == value for name, value in key.items())).sort("window_start")
            legs = {f"{key['exchange_a']}:{key['symbol_a']}", f"{key['exchange_b']}:{key['symbol_b']}"}
            details = [pl.col("details").str.json_path_match(f"$.leg_{leg}") for leg in "ab"]
            about = self.alerts.filter(pl.all_horizontal(leg.is_in(sorted(legs)) for leg in details))
            name = f"{key['exchange_a']} {key['symbol_a']} against {key['exchange_b']} {key['symbol_b']}"
            charts.append(spread_chart(own, name=name, alerts=about))
        return Panels(tuple(charts))

    def said(self) -> list[str]:
        """How many there are, and the last ten."""
        columns = ["window_start", *_PAIR, "spread_pct", "basis_pct", "net_pct", "fees_pct", "state"]
        return [f"{count(self.rows.height, 'window')}; the last:", frame_table(_known(self.rows, columns))]

    def to_polars(self) -> pl.DataFrame:
        """`rows`."""
        return self.rows


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Orders(Tabular):
    """Large orders, by time. `rows` is the frame; `chart()` draws size, time and impact."""

    rows: pl.DataFrame
    """Columns of `whale_orders`, and dollars (quote units where no rate is known)."""

    def chart(self) -> Panels:
        """By time and size, and by size and how far they moved the price.

        Raises: UsageError: If there is none.
        """
        from coattail.charts.windows import orders_panels

        _refuse_none(self.rows, "large order")
        return orders_panels(self.rows)

    def said(self) -> list[str]:
        """How many there are, and the last ten."""
        columns = ["timestamp", "exchange", "symbol", "side", "fills", "dollars", "impact_bps", "share_pct"]
        return [f"{count(self.rows.height, 'large order')}; the last:", frame_table(_known(self.rows, columns))]

    def to_polars(self) -> pl.DataFrame:
        """`rows`."""
        return self.rows


def volumes(
    stores: Stores, symbol: str, *, exchange: str | None = None, since: datetime | None = None,
    until: datetime | None = None,
) -> Volumes:  # fmt: skip
    """The windows of volume of an instrument.

    exchange: None means the one where most was traded. since, until: Times of the market; None means no bound.
    Raises: UsageError: If the symbol or the exchange has never been seen.
    """
    import polars as pl

    from coattail.detectors import detectors_for

    rows = _of(stores, "volume_windows", "window_start", {"symbol": symbol, "exchange": exchange}, since, until)
    if exchange is None and rows.height:
        by_volume = rows.group_by("exchange").agg(pl.col("volume").sum()).sort("volume", "exchange", descending=True)
        rows = rows.filter(pl.col("exchange") == by_volume["exchange"][0])
    detector = next((d for d in detectors_for(stores.settings) if d.name == "volume-anomaly"), None)
    return Volumes(rows=rows, alerts=_alerts(stores, since, until), detector=detector)


def spreads(
    stores: Stores, symbol: str | None = None, *, since: datetime | None = None, until: datetime | None = None
) -> Spreads:
    """The spreads between venues of an asset.

    symbol: Like BTC-USD; None means all. since, until: Times of the market; None means no bound.
    Raises: UsageError: If there is no spread of such a symbol.
    """
    rows = _of(stores, "spread_windows", "window_start", {"symbol": symbol}, since, until)
    return Spreads(rows=rows, alerts=_alerts(stores, since, until))


def orders(
    stores: Stores, symbol: str | None = None, *, exchange: str | None = None, since: datetime | None = None,
    until: datetime | None = None,
) -> Orders:  # fmt: skip
    """The large orders.

    symbol, exchange: None means any. since, until: Times of the market; None means no bound.
    Raises: UsageError: If there is no large order of such a symbol or exchange.
    """
    rows = _of(stores, "whale_orders", "timestamp", {"symbol": symbol, "exchange": exchange}, since, until)
    return Orders(rows=with_dollars(rows))


def with_dollars(rows: pl.DataFrame) -> pl.DataFrame:
    """Orders with `dollars`, as the detector converted them, else quote units, and `impact_bps`, as it measured that;
    else from the first to the last price, in their direction."""
    import polars as pl

    from coattail.detectors.whale import with_impact

    if "notional_usd" not in rows.columns:
        rows = rows.with_columns(pl.lit(None, pl.Float64).alias("notional_usd"))
    return with_impact(rows).with_columns(
        pl.coalesce("notional_usd", pl.col("notional").cast(pl.Float64)).alias("dollars")
    )


def before_alert(found: Explained, stores: Stores | None) -> Panels:
    """What was measured in the hours before an alert, and at it: as it is computed now, else as it was stored.

    stores: Where the stored is read; None: it is not.
    Raises: UsageError: If nothing was kept that can be drawn.
    """
    import polars as pl

    from coattail.charts.windows import orders_panels, volume_panels
    from coattail.stores.current import alert_frame

    alert, rows, at = found.alert, found.rows, found.alert.detected_at
    details: dict[str, Any] = msgspec.json.decode(alert.details)
    this = alert_frame([alert], at)
    if "notional" in details:
        if stores is not None:
            until = at + timedelta(microseconds=1)
            day = orders(stores, alert.symbol, exchange=alert.exchange, since=until - _DAY, until=until).rows
            rows = day if day.height else rows
        if rows.height:
            return orders_panels(with_dollars(rows), chosen=at)
    elif "leg_a" in details and stores is not None:
        near = spreads(stores, alert.symbol, since=at - _BEFORE, until=at + _AFTER)
        a, b = (str(details[leg]).split(":", 1) for leg in ("leg_a", "leg_b"))
        ends = zip(("exchange_a", "symbol_a", "exchange_b", "symbol_b"), (*a, *b), strict=True)
        return Spreads(rows=near.rows.filter(*(pl.col(name) == end for name, end in ends)), alerts=this).chart()
    elif "volume" in details and alert.exchange is not None:
        if rows.is_empty() and stores is not None:
            rows = volumes(stores, alert.symbol, exchange=alert.exchange, since=at - _BEFORE, until=at + _AFTER).rows
        if rows.height:
            budget = details.get("budget_per_day")
            return volume_panels(
                rows.tail(_WINDOWS), name=(alert.exchange, alert.symbol), alerts=this, z=details.get("z_threshold"),
                threshold_days=1 / budget if budget else None,
            )  # fmt: skip
    raise UsageError(f"nothing is kept of {alert.alert_type} that can be drawn", next_step="print the explanation")


def _of(
    stores: Stores, view: str, time: str, wanted: Mapping[str, str | None], since: datetime | None,
    until: datetime | None,
) -> pl.DataFrame:  # fmt: skip
    """Rows of a view by time, of one preset: that of the settings, where it has any."""
    import polars as pl

    from coattail.symbols import refuse_unseen
    from coattail.workspace.queries import ask

    refuse_backwards(since, until)
    bounds = [f"{time} >= :since"] * (since is not None) + [f"{time} < :until"] * (until is not None)
    given = {name: when for name, when in (("since", since), ("until", until)) if when is not None}
    where = f" WHERE {' AND '.join(bounds)}" if bounds else ""
    rows = ask(stores, f'SELECT * FROM "{view}"{where} ORDER BY {time}', parameters=given).frame()
    for name, value in wanted.items():
        if value is not None:
            known = rows[name] if rows.height else ask(stores, f'SELECT DISTINCT {name} FROM "{view}"').frame()[name]
            refuse_unseen(name, value, known)
            rows = rows.filter(pl.col(name) == value)
    own = rows.filter(pl.col("preset") == stores.settings.preset)
    return own if own.height else rows


def _alerts(stores: Stores, since: datetime | None, until: datetime | None) -> pl.DataFrame:
    from coattail.stores.current import current_alerts

    return current_alerts(stores.lake, stores.hot, now=datetime.now(UTC), since=since, until=until)


def _known(rows: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    return rows.select(name for name in columns if name in rows.columns and rows[name].is_not_null().any())


def _refuse_none(rows: pl.DataFrame, what: str) -> None:
    if rows.is_empty():
        raise UsageError(f"no {what} in that time", next_step="ws.coverage() says what there is")
