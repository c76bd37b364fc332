"""Ours: the live producer with a stream on disk. A trade counts once its pack is in the stream.

Takes the addresses of the feed and of REST, the exchange, its channel, symbols joined by commas, and a folder. With
COATTAIL_WAITED set, it says at the last count how long records waited between their receipt and the moment at which
their segment could be read: a line `waited {"p50": …, "p99": …, "most": …}`, in ms, those of the first second left out.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from counting import count

from coattail.connectors import CONNECTORS
from coattail.producer.gathering import gathering_loop
from coattail.producer.live import Producer
from coattail.streams.local import LocalStream

FEED, REST, EXCHANGE, CHANNEL, SYMBOLS, FOLDER = sys.argv[1:7]
LAST = int(os.environ["COATTAIL_COUNTS"].split(",")[-1])


class TimedStream(LocalStream):
    """Remembers when each segment could be read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.appended: list[tuple[int, list[bytes]]] = []

    def append(self, packs: Sequence[tuple[int, bytes]]) -> None:
        super().append(packs)
        if packs and "COATTAIL_WAITED" in os.environ:
            self.appended.append((time.time_ns() // 1000, [data for _, data in packs]))


def waited(appended: list[tuple[int, list[bytes]]]) -> dict[str, float]:
    """ms between receipt and the stream."""
    import numpy as np

    from coattail.unpacking import rows_frame, sections_of

    begun = appended[0][0] + 1_000_000
    spans = [
        done - rows_frame([section for pack in packs for section in sections_of(pack)])["received"].to_numpy()
        for done, packs in appended
        if done > begun
    ]
    p50, p99, most = np.percentile(np.concatenate(spans) / 1e3, [50, 99, 100])
    return {"p50": p50, "p99": p99, "most": most}


async def main() -> None:
    """Listen until it is killed."""
    connector = CONNECTORS[EXCHANGE](
        symbols=tuple(SYMBOLS.split(",")), channel=CHANNEL, websocket_host=FEED, rest_host=REST
    )
    folder = Path(FOLDER)
    stream = TimedStream(folder / "stream")
    producer = Producer(stream, [connector], journal=folder / "live.json")
    running = asyncio.create_task(producer.run())
    sent = 0
    while not running.done():
        await asyncio.sleep(0.05)
        before, sent = sent, producer.sent.records
        count(sent - before)
        if before < LAST <= sent and stream.appended:
            print(f"waited {json.dumps(waited(stream.appended))}", flush=True)
    await running


with asyncio.Runner(loop_factory=gathering_loop) as runner:
    runner.run(main())
