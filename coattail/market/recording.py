"""A market as files: one recording per exchange, as `replay` reads it, and the truth beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import zstandard

from coattail.market.simulation import Market


@dataclass(frozen=True, kw_only=True)
class Written:
    """What `write` left in the folder."""

    recordings: dict[str, Path]
    """Exchange -> its recording, `<exchange>.frames.zst`."""
    truth: Path
    """The planted events, `truth.parquet`; `truth.json` beside it is the same for people."""
    frames: dict[str, int]
    """Exchange -> number of frames."""


def write(
    market: Market,
    out_dir: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    progress: Callable[[float], None] | None = None,
) -> Written:
    """Write since <= t < until of a market (its whole duration when not told), replacing earlier files.

    A recording has one line per frame, `<receive ns> <message>`, by receive time, compressed with zstd. A file has its
    name only when it is complete. `progress` is told the share done, up to 1.0, a few times per simulated hour.
    """
    since, until = since or market.start, until or market.end
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = {exchange: out_dir / f"{exchange}.frames.zst" for exchange in market.exchanges}
    counts = dict.fromkeys(market.exchanges, 0)
    with ExitStack() as stack:
        sinks = {
            exchange: stack.enter_context(zstandard.open(_unfinished(path), "wb", cctx=zstandard.ZstdCompressor()))
            for exchange, path in paths.items()
        }
        for batch in market.batches(since, until):
            for exchange, sink in sinks.items():
                lines = [b"%d %s\n" % (f.received, f.data) for f in batch if f.exchange == exchange]
                sink.write(b"".join(lines))
                counts[exchange] += len(lines)
            if progress is not None:
                done = datetime.fromtimestamp(batch[-1].received / 1e9, UTC)
                progress(min((done - since) / (until - since), 1.0))
    for path in paths.values():
        _unfinished(path).replace(path)
    truth = _write_truth(market.truth(since, until), market, out_dir)
    if progress is not None:
        progress(1.0)
    return Written(recordings=paths, truth=truth, frames=counts)


def _write_truth(truth: pl.DataFrame, market: Market, out_dir: Path) -> Path:
    path = out_dir / "truth.parquet"
    truth.write_parquet(_unfinished(path))
    _unfinished(path).replace(path)
    events = [
        {
            **row,
            "start": row["start"].isoformat().replace("+00:00", "Z"),
            "end": row["end"].isoformat().replace("+00:00", "Z"),
            "detail": json.loads(row["detail"]),
        }
        for row in truth.iter_rows(named=True)
    ]
    lines = ",\n".join(f"  {json.dumps(event)}" for event in events)
    path.with_suffix(".json").write_text(f'{{"seed": {market.seed}, "events": [\n{lines}\n]}}\n')
    return path


def _unfinished(path: Path) -> Path:
    return path.with_name(path.name + ".part")
