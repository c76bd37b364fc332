"""Ours: the live producer with a stream on disk. A trade counts once its pack is in the stream.

Takes the addresses of the feed and of REST, the exchange, its channel, symbols joined by commas, and a folder.
"""

import asyncio
import sys
from pathlib import Path

from counting import count

from coattail.connectors import CONNECTORS
from coattail.producer.gathering import gathering_loop
from coattail.producer.live import Producer
from coattail.streams.local import LocalStream

FEED, REST, EXCHANGE, CHANNEL, SYMBOLS, FOLDER = sys.argv[1:7]


async def main() -> None:
    """Listen until it is killed."""
    connector = CONNECTORS[EXCHANGE](
        symbols=tuple(SYMBOLS.split(",")), channel=CHANNEL, websocket_host=FEED, rest_host=REST
    )
    folder = Path(FOLDER)
    producer = Producer(LocalStream(folder / "stream"), [connector], journal=folder / "live.json")
    running = asyncio.create_task(producer.run())
    sent = 0
    while not running.done():
        await asyncio.sleep(0.05)
        count(producer.sent.records - sent)
        sent = producer.sent.records
    await running


with asyncio.Runner(loop_factory=gathering_loop) as runner:
    runner.run(main())
