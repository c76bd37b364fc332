"""Which shards may be read: parents before their children, so that a lane stays in order through every reshard.

A partition key goes to one shard at a time. A split or a merge closes that shard and opens children; what the closed
one still holds is older than anything in them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

SHARD_END = "SHARD_END"
"""Offset of a shard that is closed and was read to its end; kept until the shard has left the listing."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard as listed."""

    shard_id: str
    parents: tuple[str, ...] = ()
    """None, the one it was split from, or the two it was merged from; they may have left the listing."""


def shard_of(listed: Mapping[str, object]) -> Shard:
    """A shard from its description in ListShards."""
    parents = (listed.get("ParentShardId"), listed.get("AdjacentParentShardId"))
    return Shard(str(listed["ShardId"]), tuple(str(p) for p in parents if p))


def readable(shards: Iterable[Shard], reached: Mapping[str, str]) -> list[str]:
    """Ids of the shards to read now, sorted: not at their end, and either begun or with every listed parent drained."""
    listed = {shard.shard_id: shard for shard in shards}
    drained = {shard_id for shard_id, offset in reached.items() if offset == SHARD_END}
    return sorted(
        shard_id
        for shard_id, shard in listed.items()
        if shard_id not in drained
        and (shard_id in reached or all(p in drained or p not in listed for p in shard.parents))
    )


def vanished(listed: Collection[str], reached: Mapping[str, str]) -> dict[str, str]:
    """Shards that left the listing before they had been read to their end -> the last number read."""
    return {s: offset for s, offset in reached.items() if s not in listed and offset != SHARD_END}
