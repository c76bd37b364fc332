"""Recordings reduced to what detectors may know of them, by the landing kernels and without a lake."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import polars as pl

import coattail.landing
import coattail.recordings
from coattail.errors import DamagedInput
from coattail.landing import Checks, Coverage, land
from coattail.landing.bars import merge_bars
from coattail.landing.orders import join_orders
from coattail.producer.replay import ReplayDamaged, replay
from coattail.recordings.chosen import Chosen
from coattail.scoring.evaluation import keep, kept
from coattail.streams.base import Pack
from coattail.tables import BARS, ORDERS
from coattail.versions import version_of

_PARTS = 2_000_000
"""Rows of partial bars that are held before they are added up: some 400 MB."""
_HISTOGRAMS = ("histogram_buckets", "histogram_trades")
_FRAMES = ("bars", "orders", "spans", "sessions")


class RecordCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the records."""

    trades: int
    duplicates: int
    rejected: dict[str, int]
    """Reason -> records."""


@dataclass(frozen=True, kw_only=True)
class Reduced:
    """What recordings add up to."""

    bars: pl.DataFrame
    """Merged (schema of `bars`), without histograms."""
    orders: pl.DataFrame
    """Joined large orders (schema of `large_trades`)."""
    spans: pl.DataFrame
    """Stretches without a missing id: as `coattail.landing.Coverage.spans`."""
    sessions: pl.DataFrame
    """exchange, symbol, session: which recording holds trades of which market."""
    counts: RecordCounts
    files: dict[str, str]
    """Name of each file -> SHA-256 of its bytes."""
    damage: DamagedInput | None = None
    """Of the first file that cannot be read to its end; what could be read is in the frames."""


def reduced(
    chosen: Chosen,
    checks: Checks,
    *,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Reduced:
    """The recordings' bars, orders and stretches of ids, as if they had landed in a home of their own.

    Trades are held by the batch and bars by the instrument, so a recording may be larger than memory. `cache`, a
    folder, keeps the frames: the same files, read in the same way by the same version, are not read again. `progress`
    is called with (bytes read, bytes in all).

    Raises: UsageError, DamagedInput: As `coattail.producer.replay.replay`; of a file that is damaged further on,
        `damage` of what comes back tells.
    """
    files = digests(chosen.paths)
    folder = None if cache is None else cache / _key(chosen, files)
    if folder is not None and (frames := kept(folder, _FRAMES)) is not None:
        counts = msgspec.json.decode((folder / "counts.json").read_bytes(), type=RecordCounts)
        return _of(frames, counts, files)
    landing = _Landing(checks)
    damage = None
    try:
        replay(
            chosen.paths, landing, format=chosen.format, exchange=chosen.exchange, market=chosen.market,
            hints=chosen.hints, symbols=chosen.symbols, progress=progress,
        )  # fmt: skip
    except ReplayDamaged as error:
        damage = error
    frames = landing.frames()
    if folder is not None and damage is None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "counts.json").write_bytes(msgspec.json.encode(landing.counts))
        keep(frames, folder)
    return _of(frames, landing.counts, files, damage)


def _of(
    frames: Mapping[str, pl.DataFrame], counts: RecordCounts, files: dict[str, str], damage: DamagedInput | None = None
) -> Reduced:
    return Reduced(
        bars=frames["bars"], orders=frames["orders"], spans=frames["spans"], sessions=frames["sessions"], counts=counts,
        files=files, damage=damage,
    )  # fmt: skip


@dataclass
class _Landing:
    """Where packs land at once: a sink of `replay`."""

    checks: Checks
    coverage: Coverage = field(default_factory=Coverage)
    bars: list[pl.DataFrame] = field(default_factory=lambda: [BARS.empty()])
    orders: list[pl.DataFrame] = field(default_factory=lambda: [ORDERS.empty()])
    seen: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)

    def append(self, packs: Sequence[tuple[int, bytes]]) -> None:
        """Land the packs, and keep what they add up to."""
        if not packs:
            return
        landed = land([Pack(lane, "0", data) for lane, data in packs], self.coverage, self.checks)
        self.coverage = landed.coverage
        self.bars.append(landed.bars.with_columns(pl.lit(None, BARS.schema[name]).alias(name) for name in _HISTOGRAMS))
        self.orders.append(landed.orders)
        self.seen.update(trades=landed.trades.height, duplicates=landed.duplicates)
        self.rejected.update(landed.rejected["reason"].to_list())
        if sum(part.height for part in self.bars[1:]) > _PARTS:
            self.bars = [merge_bars(pl.concat(self.bars), histograms=False)]
            self.orders = [join_orders(pl.concat(self.orders))]

    @property
    def counts(self) -> RecordCounts:
        return RecordCounts(
            trades=self.seen["trades"], duplicates=self.seen["duplicates"], rejected=dict(sorted(self.rejected.items()))
        )

    def frames(self) -> dict[str, pl.DataFrame]:
        return {
            "bars": merge_bars(pl.concat(self.bars), histograms=False),
            "orders": join_orders(pl.concat(self.orders)),
            "spans": self.coverage.spans(),
            "sessions": self.coverage.sessions().select("exchange", "symbol", "session"),
        }


def digests(paths: Sequence[Path]) -> dict[str, str]:
    """Name of each file (its path, where two have the same name) -> SHA-256 of its bytes."""
    names = Counter(path.name for path in paths)
    found = {}
    for path in paths:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found[path.name if names[path.name] == 1 else str(path)] = digest
    return found


def _key(chosen: Chosen, files: dict[str, str]) -> str:
    """Names what the frames depend on: the files, how they are read, and the code that reduces them."""
    how = (sorted(files.items()), chosen.format, chosen.exchange, chosen.market, repr(chosen.hints), chosen.symbols)
    symbols = None if chosen.symbols is None else sorted(chosen.symbols)
    digest = hashlib.blake2b(repr((*how[:-1], symbols)).encode(), digest_size=8)
    digest.update(version_of(coattail.recordings, coattail.landing))
    return f"recorded-{digest.hexdigest()}"
