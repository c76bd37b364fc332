"""A chunk as the frames in which it arrives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import polars as pl

from coattail.market.faults import arrivals, on_the_line
from coattail.market.feed import PlantedStall
from coattail.market.instruments import SimulatedInstrument
from coattail.market.planted import Planted, concerns
from coattail.market.prices import Ints
from coattail.market.tape import CHUNK_US, Chunk, Tape, joined
from coattail.market.wire import binance_trades, coinbase_heartbeats, coinbase_matches, coinbase_opening, trade_before
from coattail.records import micros

_HEARTBEAT_NS = 900
"""A heartbeat arrives this much after the trades of the same µs."""
_OPENING_NS = 10_000
"""What Coinbase sends first arrives this many ns apart."""


class Drawn(NamedTuple):
    """A chunk with what was drawn for it."""

    chunk: Chunk
    tapes: Sequence[Tape]
    events: Sequence[Planted]
    """All that touch the chunk or the moments at which its frames arrive."""


def sent(group: Sequence[Drawn], heartbeat: timedelta | None) -> Iterator[pl.DataFrame]:
    """Per chunk, all frames whose events lie in it, instrument by instrument.

    Columns: arrived (ns since 1970 UTC, by a right clock), received (by the receiver's), exchange, connection, data.
    Messages of a group are written together, which is faster than chunk by chunk and gives the same.
    """
    trades = [_messages(i, [d.tapes[n] for d in group]) for n, i in enumerate(group[0].chunk.instruments)]
    beats = [_heartbeats(i, n, group, heartbeat) for n, i in enumerate(group[0].chunk.instruments)]
    for number, (chunk, tapes, events) in enumerate(group):
        frames = [] if chunk.index else [_opening(chunk, heartbeat)]
        for instrument, tape, written, beating in zip(chunk.instruments, tapes, trades, beats, strict=True):
            here = [e for e in events if concerns(e, instrument)]
            row, arrived, received, connection = arrivals(chunk.seed, chunk.index, tape, here, instrument.key)
            messages = written[number].gather(row) if here else written[number]
            frames.append(_frames(instrument.exchange, arrived, received, connection, messages))
            frames += beating[number : number + 1]
        yield pl.concat(frames)


def _messages(instrument: SimulatedInstrument, tapes: Sequence[Tape]) -> list[pl.Series]:
    """The messages of the trades of some tapes, tape by tape."""
    write = binance_trades if instrument.exchange == "binance" else coinbase_matches
    return _cut(write(instrument, joined(tapes)), [len(tape.time) for tape in tapes])


def _cut(messages: pl.Series, lengths: Sequence[int]) -> list[pl.Series]:
    ends = list(accumulate(lengths, initial=0))
    return [messages.slice(start, length) for start, length in zip(ends, lengths, strict=False)]


def trades_before(chunk: Chunk) -> list[Tape]:
    """Per instrument, what Coinbase's `last_match` repeats of the time before the first chunk: one trade, or none."""
    tapes = []
    coinbase = 0
    for instrument, last in zip(chunk.instruments, chunk.before.last, strict=True):
        own = instrument.exchange == "coinbase"
        coinbase += own
        received = np.array([chunk.start * 1000 + coinbase * _OPENING_NS])
        tapes.append(trade_before(instrument, last, chunk.start, received).where(slice(0, int(own))))
    return tapes


def _opening(chunk: Chunk, heartbeat: timedelta | None) -> pl.DataFrame:
    """Coinbase's acknowledgement and each product's last trade before the market began."""
    pairs = zip(chunk.instruments, chunk.before.last, strict=True)
    coinbase = [(instrument, last) for instrument, last in pairs if instrument.exchange == "coinbase"]
    messages = coinbase_opening(coinbase, chunk.start, heartbeats=heartbeat is not None)
    messages = messages if coinbase else messages.clear()
    received = chunk.start * 1000 + np.arange(len(messages)) * _OPENING_NS
    return _frames("coinbase", received, received, np.zeros(len(messages), np.int64), messages)


def _heartbeats(
    instrument: SimulatedInstrument, number: int, group: Sequence[Drawn], every: timedelta | None
) -> list[pl.DataFrame]:
    """Per chunk, the heartbeats of one product, with its newest id and sequence; none of Binance's."""
    if instrument.exchange != "coinbase" or every is None:
        return []
    times, ids, sequences = [], [], []
    for chunk, tapes, events in group:
        time = _beats(chunk, every, [e for e in events if concerns(e, instrument)])
        last_id, last_sequence = chunk.before.last[number]
        seen = np.searchsorted(tapes[number].time, time, side="right")
        times.append(time)
        ids.append(last_id + seen)
        sequences.append(np.concatenate(([last_sequence], tapes[number].sequence))[seen])
    together = coinbase_heartbeats(instrument, *(np.concatenate(c) for c in (times, ids, sequences)))
    frames = []
    for (chunk, _, events), time, messages in zip(
        group, times, _cut(together, [len(time) for time in times]), strict=True
    ):
        lines = [e for e in events if concerns(e, instrument)]
        arrived, received = on_the_line(chunk.received("coinbase", time) + _HEARTBEAT_NS, lines)
        frames.append(_frames("coinbase", arrived, received, np.zeros(len(time), np.int64), messages))
    return frames


def _beats(chunk: Chunk, every: timedelta, here: Sequence[Planted]) -> Ints:
    """When a product's heartbeats are sent in a chunk: at multiples of `every` since the market began."""
    step = every // timedelta(microseconds=1)
    since = chunk.index * CHUNK_US
    time: Ints = np.arange(-(-since // step), -(-(since + CHUNK_US) // step)) * step + (chunk.start - since)
    for event in here:
        if isinstance(event, PlantedStall):
            time = time[(time < micros(event.start)) | (time >= micros(event.end))]
    return time


def _frames(exchange: str, arrived: Ints, received: Ints, connection: Ints, messages: pl.Series) -> pl.DataFrame:
    return pl.DataFrame(
        {"arrived": arrived, "received": received, "connection": connection, "data": messages}
    ).with_columns(pl.lit(exchange).alias("exchange"))
