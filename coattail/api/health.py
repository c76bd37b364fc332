"""How the system is, out of the engine's heartbeat and the facts it keeps in the hot store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache

import msgspec

from coattail import __version__
from coattail.api.source import HotSource
from coattail.records import when
from coattail.reports.scorecards import read_scorecards
from coattail.stores.hot import HotStore
from coattail.stores.served import MarketFact
from coattail.workspace.documents.serving import (
    BeatDocument,
    ConservedDocument,
    ServingHealthDocument,
    SeverityCounts,
    Status,
    TrackRecordDocument,
    VenueHealthDocument,
)

SILENT = timedelta(seconds=90)
"""An engine whose last report is older does not run: it reports every few seconds, and every minute while it catches
up."""
STALE = timedelta(seconds=60)
"""Where an engine runs, and the newest trade is older than this at its report, no trades come."""


class _Beat(msgspec.Struct):
    """The fact `engine`."""

    command: str | None = None
    engine: str | None = None
    commit: int | None = None
    watermark: int = 0
    backlog_bytes: int | None = None
    totals: dict[str, int] | None = None


def health(source: HotSource, hot: HotStore) -> ServingHealthDocument:
    """How engine, venues and alerts are."""
    said, market = hot.fact("engine"), source.market(hot)
    beat, at = (msgspec.convert(said[0], _Beat), said[1]) if said is not None else (_Beat(), None)
    newest = market.newest if market is not None else None
    simulated = market is not None and market.simulated
    lag = (at - newest).total_seconds() if at is not None and newest is not None and not simulated else None
    engine = _engine(source, beat, at)
    counts: dict[str, int] = {}
    for count in source.tally(hot):
        counts[count.severity] = counts.get(count.severity, 0) + count.count
    return ServingHealthDocument(
        status=_status(engine, beat, lag),
        engine=engine,
        newest_trade=newest,
        watermark=when(beat.watermark) if beat.watermark else None,
        lag_seconds=lag,
        backlog_bytes=beat.backlog_bytes,
        totals=None if beat.totals is None else _conserved(beat.totals),
        quality_score=market.quality_score if market else None,
        coverage_pct=market.coverage_pct if market else None,
        open_gaps=market.open_gaps if market else 0,
        missing=market.missing if market else 0,
        symbols=market.symbols if market else 0,
        venues=_venues(market),
        alerts_24h=SeverityCounts(**counts),
        simulated=simulated,
        preset=market.preset if market else None,
        track_record=_track_record(market.preset) if market else [],
        version=__version__,
    )


def _engine(source: HotSource, beat: _Beat, at: datetime | None) -> BeatDocument:
    runs = source.engine_runs() if source.engine_runs is not None else at is not None and source.clock() - at <= SILENT
    return BeatDocument(
        state="running" if runs else "never" if at is None else "stopped",
        command=beat.command,
        kind=beat.engine,
        commit=beat.commit,
        heartbeat_at=at,
    )


def _status(engine: BeatDocument, beat: _Beat, lag: float | None) -> Status:
    if not (beat.totals or {}).get("received"):
        return "empty"
    if engine.state != "running":
        return "stopped"
    return "stale" if lag is not None and lag > STALE.total_seconds() else "live"


def _conserved(totals: Mapping[str, int]) -> ConservedDocument:
    said = {name: totals.get(name, 0) for name in ("received", "landed", "rejected", "duplicates", "late")}
    holds = said["received"] == said["landed"] + said["rejected"] + said["duplicates"]
    return ConservedDocument(**said, holds=holds)


def _venues(market: MarketFact | None) -> list[VenueHealthDocument]:
    if market is None or market.newest is None:
        return []
    newest = market.newest
    return [
        VenueHealthDocument(
            exchange=venue.exchange, newest=venue.newest, behind_seconds=(newest - venue.newest).total_seconds(),
            symbols=venue.symbols, trades_1h=venue.trades_1h, missing=venue.missing,
        )
        for venue in market.venues
    ]  # fmt: skip


@cache
def _track_record(preset: str) -> list[TrackRecordDocument]:
    """What the package's scorecards say of the detectors of a preset."""
    modules = read_scorecards().get(preset)
    return [
        TrackRecordDocument(module=module, preset=preset, figures={name: str(said) for name, said in figures.items()})
        for module, figures in (modules.items() if isinstance(modules, Mapping) else ())
        if isinstance(figures, Mapping)
    ]
