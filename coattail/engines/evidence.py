"""What an alert was computed from, written down so that anybody can compute it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import Any, get_type_hints

import numpy as np
import polars as pl
from numpy.typing import NDArray

from coattail import __version__
from coattail.alerts import Alert, alert_id, canonical_json
from coattail.detectors import DETECTORS, BaseDetector, Facts
from coattail.detectors.base import iso
from coattail.errors import StoreError
from coattail.records import micros
from coattail.values import read_value, write_value

Numbers = NDArray[Any]

_BAR_COLUMNS = ("bar_start", "first_trade_id", "last_trade_id", "trades", "quantity", "notional")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The inputs of a verdict: bars with since <= bar_start < until of the instruments it concerns, and settings.

    `inputs` is a hash of those bars, of what else the detector saw (an order) and of what it had learned before;
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
    rules: int | None = None
    """Version of the detector's rules (`BaseDetector.rules`); None where none was kept."""

    def json(self) -> str:
        """Canonical JSON: what the column `evidence` of `anomaly_alerts` holds."""
        return canonical_json({f.name: _written(getattr(self, f.name)) for f in fields(self)})

    @classmethod
    def read(cls, text: str) -> Evidence:
        """The evidence that `json` wrote.

        Raises: StoreError: If it is not evidence.
        """
        try:
            found = json.loads(text)
            times = {name: datetime.fromisoformat(found[name]) for name in ("since", "until")}
            return cls(**{"rules": None, **{f.name: found[f.name] for f in fields(cls) if f.name in found}} | times)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"the evidence of an alert cannot be read ({error})", next_step="reprocess its day to compute it anew"
            ) from error

    @property
    def of_these_rules(self) -> bool:
        """Whether this version has the detector, by the same rules and with these parameters."""
        kind = DETECTORS.get(self.preset, {}).get(self.module)
        if kind is None or self.rules not in (None, kind.rules):
            return False
        return not set(self.parameters) - {f.name for f in fields(kind)}

    def detector(self) -> BaseDetector:
        """The detector as it was configured.

        Raises: StoreError: If this version of coattail has no such detector or parameter.
        """
        if not self.of_these_rules:
            raise StoreError(
                f"this version ({__version__}) has no detector '{self.module}' of preset '{self.preset}' with the "
                f"parameters of version {self.code}",
                next_step=f"install coattail {self.code}, or reprocess the day",
            )
        kind = DETECTORS[self.preset][self.module]
        hints = get_type_hints(kind, include_extras=True)
        read = {n: v if isinstance(v, int | float) else read_value(v, hints[n]) for n, v in self.parameters.items()}
        return kind(preset=self.preset, **read)


class Inputs:
    """The facts of some alerts, by instrument, so that each alert's share is found without looking at all of them."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._bars: dict[tuple[Any, ...], list[Numbers]] = {}
        self._concerned: dict[bytes, list[tuple[Any, ...]]] = {}
        self._learned: dict[tuple[str, str, datetime, bytes], bytes] = {}
        self._hashed: dict[tuple[bytes, datetime, datetime], tuple[hashlib.blake2b, int]] = {}

    def concerned(self, condition: pl.Expr) -> list[tuple[Any, ...]]:
        """The instruments that fulfil a detector's condition; many alerts have the same one."""
        key = condition.meta.serialize()
        if key not in self._concerned:
            self._concerned[key] = self.instruments.filter(condition).rows()
        return self._concerned[key]

    def hashed(self, condition: pl.Expr, since: datetime, until: datetime) -> tuple[hashlib.blake2b, int]:
        """A hash, to go on with, of the bars of these instruments that begin in since <= t < until, and their number.

        A crash raises alerts by the hundred that were computed from the same thousands of markets.
        """
        key = (condition.meta.serialize(), since, until)
        if key not in self._hashed:
            digest, bars = hashlib.blake2b(digest_size=16), 0
            for instrument in self.concerned(condition):
                columns = self.bars(instrument)
                first, end = np.searchsorted(columns[0], [micros(since), micros(until)])
                digest.update(repr((*instrument, int(end - first))).encode())
                for column in columns:
                    digest.update(column[first:end].tobytes())
                bars += int(end - first)
            self._hashed[key] = digest, bars
        digest, bars = self._hashed[key]
        return digest.copy(), bars

    def learned(self, detector: BaseDetector, lesson: str, day: datetime, condition: pl.Expr) -> bytes:
        """What the detector had learned of them for a day, as text."""
        key = (detector.name, lesson, day, condition.meta.serialize())
        if key not in self._learned:
            rows = self.facts.learned(detector, lesson, day)
            mine = rows.filter(condition).sort("exchange", "symbol") if rows.height else None
            self._learned[key] = b"[]" if mine is None else mine.write_json().encode()
        return self._learned[key]

    @cached_property
    def instruments(self) -> pl.DataFrame:
        """Those that have bars, by name: exchange, symbol."""
        return self._by_instrument.select("exchange", "symbol")

    @cached_property
    def _by_instrument(self) -> pl.DataFrame:
        """The places of each instrument's bars: finding those takes a seventh of the time of sorting by names."""
        names = self.facts.bars.select("exchange", "symbol").with_row_index("places")
        return names.group_by("exchange", "symbol").agg("places").sort("exchange", "symbol")

    @cached_property
    def _number(self) -> dict[tuple[Any, ...], int]:
        return {names: number for number, names in enumerate(self.instruments.iter_rows())}

    @cached_property
    def _columns(self) -> list[Numbers]:
        return _numbers(self.facts.bars, _BAR_COLUMNS)

    def bars(self, instrument: tuple[Any, ...]) -> list[Numbers]:
        """The columns of an instrument's bars, by time."""
        if instrument not in self._bars:
            places = self._by_instrument["places"][self._number[instrument]].to_numpy()
            starts = self._columns[0][places]
            if (starts[1:] < starts[:-1]).any():
                places = places[np.argsort(starts)]
            self._bars[instrument] = [column[places] for column in self._columns]
        return self._bars[instrument]


def last_of(alert: Alert) -> datetime:
    """Until when the bars lie that an alert was computed from: to the end of its episode."""
    last = json.loads(alert.details).get("last_window_end")
    return datetime.fromisoformat(last) if last else alert.detected_at


def evidence_of(alert: Alert, detector: BaseDetector, inputs: Inputs, *, commit: int | None) -> Evidence:
    """What the detector computed the alert from, out of the facts that it saw."""
    until = last_of(alert)
    since = alert.detected_at - detector.window - detector.lookback
    condition = detector.concerns(alert)
    digest, bars = inputs.hashed(condition, since, until)
    for rows in detector.beside(alert, inputs.facts):
        for content in _bytes(rows):
            digest.update(content)
    for lesson, day in detector.learned_for(alert):
        digest.update(inputs.learned(detector, lesson, day, condition))
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
        bars=bars,
        inputs=digest.hexdigest(),
        rules=detector.rules,
    )


def parameters_of(detector: BaseDetector) -> dict[str, Any]:
    """Its parameters as they are written, without the preset that they came from."""
    return {f.name: write_value(getattr(detector, f.name)) for f in fields(detector) if f.init and f.name != "preset"}


def _numbers(rows: pl.DataFrame, columns: tuple[str, ...]) -> list[Numbers]:
    """The columns as numbers whose bytes no version of a library changes: exact sums as doubles."""
    plain = rows.select(pl.col(columns).to_physical())
    real = {name for name, dtype in plain.schema.items() if dtype == pl.Int128 or dtype.is_float()}
    whole = plain.select(pl.col(name).cast(pl.Float64 if name in real else pl.Int64) for name in columns)
    return [whole[name].to_numpy().astype("<f8" if name in real else "<i8") for name in columns]


def _bytes(rows: pl.DataFrame) -> Iterator[bytes]:
    """Every column of any rows, as bytes that no version of a library changes."""
    for column in rows:
        plain = column.to_physical()
        if not plain.dtype.is_numeric() or plain.null_count():
            yield repr(column.cast(pl.String).to_list()).encode()
        else:
            yield _numbers(rows, (column.name,))[0].tobytes()


def _written(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else value
