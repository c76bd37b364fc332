"""Which recordings a person means, and how to read them, checked before anything is changed."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from coattail.connectors import CONNECTORS
from coattail.connectors.base import UnsupportedMessage
from coattail.errors import CoattailError, DamagedInput, NotARecording, UsageError
from coattail.recordings import Format, MarketType, Recording, RowHints, TimeUnit

_MOST_NAMED = 20
_BESIDE = ("truth.json", "truth.parquet")
"""What `coattail simulate` writes beside its recordings."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Recordings that can be read, and how: what `producer.replay` takes."""

    paths: list[Path]
    """The recordings, in the order given; those of a folder by name."""
    skipped: dict[Path, CoattailError]
    """Files that are left out, and why: those that are not recordings, and those of a folder that lack something."""
    damage: DamagedInput | None
    """Of the first recording from which nothing can be read; None if every recording can be."""
    total_bytes: int
    """Of all recordings, as they are stored."""
    format: Format | Literal["auto"]
    """One format for all, or `auto`: each file shows its own."""
    exchange: str | None
    """Whose recordings they are; None: each file shows it."""
    market: MarketType | None
    """None: each file shows it, or it is spot."""
    hints: RowHints
    """What a file of rows does not say itself."""
    symbols: frozenset[str] | None
    """Only these canonical symbols; None: all."""


def choose(
    paths: Sequence[Path],
    *,
    format: str = "auto",
    exchange: str | None = None,
    market: str | None = None,
    hints: RowHints | None = None,
    symbols: Collection[str] | None = None,
) -> Chosen:
    """The recordings among `paths` (files, or folders of them), opened once to see what they are.

    What is not a recording is passed over beside others. A recording in a folder that lacks something, its market say,
    counts as damaged.

    Raises:
        UsageError: If a format, exchange, market, unit of time, file or symbol is unknown, or there is no recording.
        DamagedInput: If nothing of any file can be read.
    """
    form = one_of(format, ("auto", *get_args(Format)), "format")
    kind = None if market is None else one_of(market, get_args(MarketType), "market")
    hints = hints or RowHints()
    if hints.time_unit is not None:
        one_of(hints.time_unit, get_args(TimeUnit), "time unit")
    recordings: list[Recording] = []
    skipped: dict[Path, CoattailError] = {}
    damage: DamagedInput | None = None
    for path in paths:
        inside = _files(path) if path.is_dir() else [path]
        for file in inside:
            try:
                recordings.append(Recording(file, format=form, exchange=exchange, market=kind, hints=hints))  # type: ignore[arg-type]
            except DamagedInput as error:
                damage = damage or error
            except NotARecording as error:
                if len(paths) == 1 and not path.is_dir():
                    raise
                skipped[file] = error
            except UsageError as error:
                if not path.is_dir():
                    raise
                skipped[file] = error
                damage = damage or DamagedInput(error.message, next_step=error.next_step)
    if not recordings:
        raise _nothing(paths, skipped, damage)
    tables = [r.layout.format == "table" if r.layout else hints.columns is not None for r in recordings]
    if exchange is not None and not all(tables):
        one_of(exchange, tuple(CONNECTORS), "exchange")  # only a table may be of any
    return Chosen(
        paths=[recording.path for recording in recordings],
        skipped=skipped,
        damage=damage,
        total_bytes=sum(recording.total_bytes for recording in recordings),
        format=form,  # type: ignore[arg-type]
        exchange=exchange,
        market=kind,  # type: ignore[arg-type]
        hints=hints,
        symbols=None if symbols is None else _known(frozenset(symbols), recordings),
    )


def _nothing(paths: Sequence[Path], skipped: dict[Path, CoattailError], damage: DamagedInput | None) -> CoattailError:
    """Why none of the paths gives a recording: the reason of the file that lacks least."""
    wanting = [error for error in skipped.values() if not isinstance(error, NotARecording)]
    if wanting or damage is not None:
        return wanting[0] if wanting else damage  # type: ignore[return-value]
    where = ", ".join(map(str, paths))
    if not skipped and (deeper := next((found for path in paths for found in _deeper(path)), None)):
        return UsageError(f"the files of {where} lie in folders within", next_step=f"name the folder: {deeper}")
    largest = max(skipped, key=lambda path: path.stat().st_size, default=None)
    step = "name a recording, or make one with `coattail simulate --out DIR`"
    if largest is None:
        return UsageError(f"there is no recording in {where}", next_step=step)
    why = skipped[largest]
    return UsageError(f"there is no recording in {where}: {why.message}", next_step=why.next_step or step)


def _deeper(folder: Path) -> Iterator[Path]:
    """The folders within that hold a file which may be a recording, by name; links are not followed."""
    for path, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        if names and _files(Path(path)):
            yield Path(path)


def one_of(value: str, known: Sequence[str], what: str) -> str:
    """The value, if it is among those known.

    Raises: UsageError: If not; the message lists them.
    """
    if value not in known:
        raise UsageError(f"unknown {what} {value!r}", next_step=f"known: {', '.join(known)}")
    return value


def _files(folder: Path) -> list[Path]:
    """The files in a folder that may be recordings, sorted by name."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and path.suffix != ".part" and path.name not in _BESIDE
    )


def _known(wanted: frozenset[str], recordings: Sequence[Recording]) -> frozenset[str]:
    """The symbols, each of which some recording has; reads only as far as it takes to have met them all."""
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
    connector = recording.connector()
    try:
        for frame in recording.frames():
            if frame.row is not None:
                met |= {frame.symbol} - {None}  # type: ignore[arg-type]
                if wanted <= met:
                    break
            if frame.kind != "message" or connector is None:
                continue
            try:
                records = connector.records(frame.data, frame.received)
            except UnsupportedMessage:
                continue
            met |= {symbol for record in records if (symbol := getattr(record, "symbol", None))}
            if wanted <= met:
                break
    except DamagedInput:
        pass  # the replay reports it
    return met
