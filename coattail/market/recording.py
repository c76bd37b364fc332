"""A market as files: one recording per exchange, as `replay` reads it, and the truth beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import polars as pl
import zstandard

from coattail.market.simulation import Market

_IDENTITY = "coattail.market"
"""Key of the market's identity in the metadata of truth.parquet."""
_TOGETHER = 12
"""Chunks that are written at once: an hour."""


@dataclass(frozen=True, kw_only=True)
class WrittenMarket:
    """What `write` left in the folder."""

    recordings: dict[str, Path]
    """Exchange -> its recording, `<exchange>.frames.zst`; what came by another connection is a recording of its own:
    `binance-1` -> `binance-1.frames.zst`."""
    truth: Path
    """The planted events, `truth.parquet`; `truth.json` beside it is the same for people."""
    frames: dict[str, int]
    """The same names -> number of frames."""


def write(
    market: Market,
    out_dir: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    progress: Callable[[float], None] | None = None,
) -> WrittenMarket:
    """Write since <= t < until of a market (its whole duration by default), replacing earlier files.

    A recording has one line per frame, `<receive ns> <message>`, by receive time, compressed with zstd. A file has its
    name only when it is complete. `progress` is called with the share done, up to 1.0, a few times per simulated hour.
    """
    since, until = since or market.start, until or market.end
    out_dir.mkdir(parents=True, exist_ok=True)
    paths: dict[str, Path] = {}
    counts: dict[str, int] = {}
    with ExitStack() as stack:
        sinks: dict[tuple[str, int], IO[bytes]] = {}

        def sink_of(exchange: str, connection: int) -> IO[bytes]:
            if (exchange, connection) not in sinks:
                name = exchange if connection == 0 else f"{exchange}-{connection}"
                paths[name] = out_dir / f"{name}.frames.zst"
                opened = zstandard.open(_unfinished(paths[name]), "wb", cctx=zstandard.ZstdCompressor(threads=1))
                sinks[exchange, connection] = stack.enter_context(opened)
                counts[name] = 0
            return sinks[exchange, connection]

        for exchange in market.exchanges:
            sink_of(exchange, 0)
        for table in market.tables(since, until, together=_TOGETHER):
            lines = table.select("exchange", "connection", pl.concat_str("received", pl.lit(" "), "data").alias("line"))
            for (exchange, connection), part in lines.group_by("exchange", "connection", maintain_order=True):
                sink = sink_of(str(exchange), int(str(connection)))
                sink.write(f"{part['line'].str.join(chr(10)).item()}\n".encode())
                counts[str(exchange) if connection == 0 else f"{exchange}-{connection}"] += part.height
            if progress is not None:
                done = datetime.fromtimestamp(table["arrived"][-1] / 1e9, UTC)
                progress(min((done - since) / (until - since), 1.0))
    for path in paths.values():
        _unfinished(path).replace(path)
    for exchange in market.exchanges:
        for path in set(out_dir.glob(f"{exchange}-*.frames.zst")) - set(paths.values()):
            path.unlink()
    truth = write_truth(market, out_dir, since=since, until=until)
    if progress is not None:
        progress(1.0)
    return WrittenMarket(recordings=paths, truth=truth, frames=counts)


def write_truth(market: Market, out_dir: Path, *, since: datetime, until: datetime) -> Path:
    """Write what was planted from `since` to `until`: `truth.parquet`, which is returned, and the same as JSON."""
    truth, path = market.truth(since, until), out_dir / "truth.parquet"
    truth.write_parquet(_unfinished(path), metadata={_IDENTITY: json.dumps(market.identity)})
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
    head = json.dumps(market.identity)[1:-1]
    path.with_suffix(".json").write_text(f'{{{head}, "events": [\n{lines}\n]}}\n')
    return path


def identity_of(truth: Path) -> dict[str, object]:
    """The market that a `truth.parquet` is about (`Market.identity`); {} where it does not say.

    Recordings of another market have another one, and must not be held against this truth.
    """
    text = pl.read_parquet_metadata(truth).get(_IDENTITY)
    identity: dict[str, object] = json.loads(text) if text else {}
    return identity


def _unfinished(path: Path) -> Path:
    return path.with_name(path.name + ".part")
