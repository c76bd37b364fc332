"""How raw_trades would stand after some commits, as its metadata says it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from coattail.stores.outline import Outline

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)


def table(*commits: tuple[float, int, int], gone: int = 0, own: bool = True) -> Outline:
    """raw_trades after commits (hours after noon, landed and rejected so far), of which the first `gone` are gone."""
    snapshots: list[dict[str, Any]] = []
    for number, (hours, landed, rejected) in enumerate(commits, start=1):
        totals = {"received": landed + rejected + 1, "landed": landed, "rejected": rejected, "duplicates": 1, "late": 2}
        own_words = {"coattail.commit": str(number), "coattail.totals": msgspec.json.encode(totals).decode()}
        snapshots.append({
            "snapshot-id": number, "parent-snapshot-id": number - 1 or None, "sequence-number": number,
            "timestamp-ms": int((NOON + timedelta(hours=hours)).timestamp() * 1000),
            "summary": {"operation": "append", **(own_words if own else {})},
        })  # fmt: skip
    log = [{"snapshot-id": one["snapshot-id"], "timestamp-ms": one["timestamp-ms"]} for one in snapshots]
    said = {
        "location": "s3://b/raw_trades", "snapshots": snapshots[gone:], "snapshot-log": log[gone:],
        "current-snapshot-id": len(snapshots) or -1,
    }  # fmt: skip
    return Outline.read(msgspec.json.encode(said))
