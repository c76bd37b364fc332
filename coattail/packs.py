"""The pack: records of one instrument and session, or of several, as lines of JSON in one zstd frame.

    {"exchange":"binance","symbol":"BTC-USDT","session":"…","source":"replay","records":2,"payloads":2}
    {"received":1723161254087896,"trade_id":3735683259,"price":"61837.63000000","quantity":"0.02000000",…}
    {"received":1723161254087901,"trade_id":3735683260,…}
    {"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,…}            the frames as received, in order
    {"e":"trade",…}

`zstdcat` shows it. Where instruments of a lane have few records each, their groups of such lines follow one another in
one pack: ADR 0034. What is the same for all records stands once, and a frame is a line of its own, so that nothing
is escaped: ADR 0012 has the figures. A record whose payload is not a single line carries it inside, escaped.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import zstandard

from coattail.records import Record, Row, Shared, Source, payload_of, row_of, shared_by

Missed = tuple[int, int, str]
"""(first id, last id, why) of trade ids that are not there, as the producer knows it."""


class Group(NamedTuple):
    """Records of one instrument and session, with the payload of each (UTF-8), in order."""

    shared: Shared
    rows: Sequence[Row]
    payloads: Sequence[bytes]
    missed: Sequence[Missed] = ()


class PackHead(msgspec.Struct, omit_defaults=True):
    """The first line of a group: what all its records share, and how many of its lines follow."""

    exchange: str
    records: int
    payloads: int
    symbol: str | None = None
    session: str = ""
    source: Source = "live"
    missed: tuple[Missed, ...] = ()
    """Ids of the instrument that were found missing when these records came. Nothing but the words of the table
    `coverage` depends on it."""


_encode, _encode_lines = msgspec.json.Encoder().encode, msgspec.json.Encoder().encode_lines
_decode_head = msgspec.json.Decoder(PackHead).decode

# Level 1 that remembers little: lines this alike repeat the line before, and a longer memory finds worse matches.
_compress = zstandard.ZstdCompressor(
    compression_params=zstandard.ZstdCompressionParameters(
        strategy=zstandard.STRATEGY_FAST, window_log=20, hash_log=8, chain_log=8, min_match=7, target_length=0
    )
).compress
_one_at_a_time = threading.Lock()
"""Two threads that use a compressor at once spoil its frames; to make one for each pack takes longer than a pack."""


def encode_rows(shared: Shared, rows: Sequence[Row], payloads: Sequence[bytes]) -> bytes:
    """One pack of rows and their payloads (UTF-8), in order."""
    return encode_groups([Group(shared, rows, payloads)])


def encode_groups(groups: Sequence[Group]) -> bytes:
    """One pack of several groups, one after the other."""
    lines = b"".join(_lines(group) for group in groups)
    with _one_at_a_time:
        return _compress(lines)


def _lines(group: Group) -> bytes:
    shared, rows, payloads, missed = group
    if b"\n" in b"".join(payloads):
        pairs = zip(rows, payloads, strict=True)
        rows = [msgspec.structs.replace(row, payload=p.decode()) if b"\n" in p else row for row, p in pairs]
        payloads = [p for p in payloads if b"\n" not in p]
    head = PackHead(shared.exchange, len(rows), len(payloads), *shared[1:], tuple(missed))
    return b"\n".join([_encode(head), _encode_lines(rows)[:-1], *payloads, b""])


def encode_pack(records: Sequence[Record]) -> bytes:
    """One pack. The records agree in exchange, symbol, session and source."""
    return encode_rows(shared_by(records[0]), [row_of(r) for r in records], [payload_of(r) for r in records])


def encode_packs(records: Sequence[Record]) -> list[bytes]:
    """Packs of any records: neighbours that agree in exchange, symbol, session and source share one."""
    return [encode_pack(list(group)) for _, group in itertools.groupby(records, key=shared_by)]


def heads_of(pack: bytes) -> list[PackHead]:
    """What the groups of a pack say of themselves, in order; without Polars.

    Raises: ValueError: If the bytes are not a pack.
    """
    try:
        lines = zstandard.ZstdDecompressor().decompressobj().decompress(pack).split(b"\n")[:-1]
        heads, at = [], 0
        while at < len(lines):
            heads.append(_decode_head(lines[at]))
            at += 1 + heads[-1].records + heads[-1].payloads
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise ValueError(f"not a pack: {error}") from error
    return heads
