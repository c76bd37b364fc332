"""What an alert was computed from, written down so that anybody can compute it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, get_type_hints

import polars as pl

from coattail import __version__
from coattail.alerts import Alert, alert_id, canonical_json
from coattail.detectors import DETECTORS, BaseDetector, Facts
from coattail.detectors.base import iso
from coattail.errors import StoreError
from coattail.values import read_value, write_value

_BAR_COLUMNS = ("exchange", "symbol", "bar_start", "first_trade_id", "last_trade_id", "trades", "quantity", "notional")
_ORDER_COLUMNS = ("exchange", "symbol", "trade_id", "last_trade_id", "timestamp", "side", "fills", "notional")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The inputs of a verdict: bars with since <= bar_start < until of the instruments it concerns, and settings.

    `inputs` is a hash of those bars (of the order, for a verdict about one) and of what had been learned before;
    `config` one of the detector's name, preset and parameters; `commit` the commit of raw_trades that it saw.
    """

    module: str
    preset: str
    parameters: Mapping[str, Any]
    """As they are written in a configuration."""
    config: str
    code: str
    """Version of coattail."""
    commit: int | None
    since: datetime
    until: datetime
    bars: int
    inputs: str

    def json(self) -> str:
        """Canonical JSON: what the column `evidence` of `anomaly_alerts` holds."""
        return canonical_json({f.name: _written(getattr(self, f.name)) for f in fields(self)})

    @classmethod
    def read(cls, text: str) -> Evidence:
        """The evidence that `json` wrote.

        Raises: StoreError: If it is none.
        """
        try:
            found = json.loads(text)
            times = {name: datetime.fromisoformat(found[name]) for name in ("since", "until")}
            return cls(**{f.name: found[f.name] for f in fields(cls)} | times)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"the evidence of an alert cannot be read ({error})", next_step="reprocess its day to compute it anew"
            ) from error

    def detector(self) -> BaseDetector:
        """The detector as it was configured.

        Raises: StoreError: If this version of coattail has no such detector or parameter.
        """
        kind = DETECTORS.get(self.preset, {}).get(self.module)
        if kind is None or set(self.parameters) - {f.name for f in fields(kind)}:
            raise StoreError(
                f"this version ({__version__}) has no detector '{self.module}' of preset '{self.preset}' with the "
                f"parameters of version {self.code}",
                next_step=f"install coattail {self.code}, or reprocess the day",
            )
        hints = get_type_hints(kind, include_extras=True)
        read = {n: v if isinstance(v, int | float) else read_value(v, hints[n]) for n, v in self.parameters.items()}
        return kind(preset=self.preset, **read)


def evidence_of(alert: Alert, detector: BaseDetector, facts: Facts, *, commit: int | None) -> Evidence:
    """What the detector computed the alert from, out of the facts that it saw."""
    last = json.loads(alert.details).get("last_window_end")
    until = datetime.fromisoformat(last) if last else alert.detected_at
    since = alert.detected_at - detector.window - detector.lookback
    concerned = detector.concerns(alert)
    bars = facts.bars.filter(concerned & pl.col("bar_start").is_between(since, until, closed="left"))
    digest = hashlib.blake2b(digest_size=16)
    digest.update(_text(bars, _BAR_COLUMNS))
    if not detector.window:
        at = concerned & (pl.col("timestamp") == alert.detected_at)
        digest.update(_text(facts.orders.filter(at), _ORDER_COLUMNS))
    if detector.history:
        day = (alert.detected_at - detector.window).replace(hour=0, minute=0, second=0, microsecond=0)
        fit = facts.fit(detector, day)
        digest.update(fit.filter(concerned).sort("exchange", "symbol").write_json().encode() if fit.width else b"")
    parameters = parameters_of(detector)
    return Evidence(
        module=detector.name,
        preset=detector.preset,
        parameters=parameters,
        config=alert_id({"module": detector.name, "preset": detector.preset, "parameters": parameters})[:16],
        code=__version__,
        commit=commit,
        since=since,
        until=until,
        bars=bars.height,
        inputs=digest.hexdigest(),
    )


def parameters_of(detector: BaseDetector) -> dict[str, Any]:
    """Its parameters as they are written, without the preset that they came from."""
    return {f.name: write_value(getattr(detector, f.name)) for f in fields(detector) if f.init and f.name != "preset"}


def _text(rows: pl.DataFrame, columns: tuple[str, ...]) -> bytes:
    """The rows in one order, as text that no version of a library changes: sums and times as integers."""
    exact = pl.col("quantity", "notional") if "quantity" in columns else pl.col("notional")
    return (
        rows.select(columns)
        .sort(columns[:3])
        .with_columns(exact.to_physical(), pl.col(columns[2], columns[4]).to_physical())
        .write_csv()
        .encode()
    )


def _written(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else value
