"""What a replay was asked for, checked before anything is changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from coattail.connectors import CONNECTORS
from coattail.connectors.base import UnsupportedMessage
from coattail.errors import DamagedInput, UsageError
from coattail.producer import connector_for
from coattail.recordings import FIELDS, Format, Market, Recording, TimeUnit, Told

_MOST_NAMED = 20
_BESIDE = ("truth.json", "truth.parquet")
"""What `coattail simulate` writes beside its recordings."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Recordings that can be read, and how."""

    paths: list[Path]
    skipped: list[Path]
    """Files of a folder that are no recordings."""
    damage: DamagedInput | None
    """The first file of which nothing can be read."""
    total_bytes: int
    format: Format | Literal["auto"]
    exchange: str | None
    market: Market | None
    told: Told
    symbols: frozenset[str] | None
    speed: float | None


def chosen(
    paths: Sequence[Path],
    *,
    exchange: str | None,
    format: str,
    market: str | None,
    symbols: str | None,
    speed: str,
    columns: str | None = None,
    symbol: str | None = None,
    time_unit: str | None = None,
    make_ids: bool = False,
) -> Chosen:
    """The recordings and options, understood.

    Raises: UsageError: If an option, a file or a symbol is unknown.
    """
    form = _one_of(format, ("auto", *get_args(Format)), "format")
    kind = None if market is None else _one_of(market, get_args(Market), "market")
    told = Told(
        columns=None if columns is None else _columns(columns),
        symbol=symbol,
        time_unit=None if time_unit is None else _one_of(time_unit, get_args(TimeUnit), "time unit"),  # type: ignore[arg-type]
        make_ids=make_ids,
    )
    pace = _speed(speed)
    recordings: list[Recording] = []
    skipped: list[Path] = []
    damage: DamagedInput | None = None
    for path in paths:
        inside = _files(path) if path.is_dir() else [path]
        for file in inside:
            try:
                recordings.append(Recording(file, format=form, exchange=exchange, market=kind, told=told))  # type: ignore[arg-type]
            except DamagedInput as error:
                damage = damage or error
            except UsageError:
                if not path.is_dir():
                    raise
                skipped.append(file)
    if not recordings and damage is not None:
        raise damage
    if not recordings:
        raise UsageError(
            f"there is no recording in {', '.join(map(str, paths))}",
            next_step="name a recording, or make one with `coattail simulate --out DIR`",
        )
    if exchange is not None and any(r.layout is None or r.layout.format != "table" for r in recordings):
        _one_of(exchange, tuple(CONNECTORS), "exchange")  # only a table may be of any
    return Chosen(
        paths=[recording.path for recording in recordings],
        skipped=skipped,
        damage=damage,
        total_bytes=sum(recording.total_bytes for recording in recordings),
        format=form,  # type: ignore[arg-type]
        exchange=exchange,
        market=kind,  # type: ignore[arg-type]
        told=told,
        symbols=None if symbols is None else _symbols(symbols, recordings),
        speed=pace,
    )


def _columns(text: str) -> dict[str, str]:
    """Column by field, of `time=ts,price=px`."""
    found: dict[str, str] = {}
    for pair in text.split(","):
        field, equals, column = (part.strip() for part in pair.partition("="))
        if not (field and equals and column) or field in found:
            raise UsageError(
                f"--columns {text!r} is no list of FIELD=COLUMN, each field once",
                next_step=f"write it like time=ts,price=px,quantity=qty,id=trade_id; fields: {', '.join(FIELDS)}",
            )
        found[field] = column
    return found


def _one_of(value: str, known: Sequence[str], what: str) -> str:
    if value not in known:
        raise UsageError(f"unknown {what} {value!r}", next_step=f"known: {', '.join(known)}")
    return value


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = math.nan
    if not (math.isfinite(speed) and speed > 0):
        raise UsageError(f"--speed {text!r} is no speed", next_step="write max, 1x, 20x or 0.5x")
    return speed


def _files(folder: Path) -> list[Path]:
    """The files in a folder that may be recordings, sorted by name."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and path.suffix != ".part" and path.name not in _BESIDE
    )


def _symbols(text: str, recordings: Sequence[Recording]) -> frozenset[str]:
    """The symbols named, each of which some recording has; reads only as far as it takes to have met them all."""
    wanted = frozenset(name.strip() for name in text.split(",") if name.strip())
    if not wanted:
        raise UsageError(f"--symbols {text!r} names none", next_step="write them like BTC-USDT,ETH-USDT")
    met: set[str] = set()
    for recording in recordings:
        if wanted <= met:
            break
        met |= _symbols_of(recording, wanted - met)
    if missing := sorted(wanted - met):
        names = sorted(met)
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        known = f"{', '.join(names[:_MOST_NAMED])}{more}" if names else "it has no trades"
        raise UsageError(f"no recording has trades of {', '.join(missing)}", next_step=f"known there: {known}")
    return wanted


def _symbols_of(recording: Recording, wanted: frozenset[str]) -> set[str]:
    met: set[str] = set()
    connector = connector_for(recording)
    try:
        for frame in recording.frames():
            if frame.row is not None:
                met |= {frame.symbol} - {None}  # type: ignore[arg-type]
                if wanted <= met:
                    break
            if frame.kind != "message":
                continue
            try:
                records = connector.records(frame.data, frame.received)
            except UnsupportedMessage:
                continue
            met |= {symbol for record in records if (symbol := getattr(record, "symbol", None))}
            if wanted <= met:
                break
    except DamagedInput:
        pass  # told when it is replayed
    return met
