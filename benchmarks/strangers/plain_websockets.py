"""What one would write at first: `websockets` and `json`, one `@trade` stream, prices as floats."""

import asyncio
import json
import sys

import websockets
from counting import count

FEED = sys.argv[1]


async def main() -> None:
    """Listen until it is killed."""
    trades = []
    async with websockets.connect(f"{FEED}/ws/btcusdt@trade", proxy=None) as feed:
        async for message in feed:
            told = json.loads(message)
            side = "sell" if told["m"] else "buy"
            trades.append((told["s"], told["t"], float(told["p"]), float(told["q"]), side, told["T"]))
            count(1)


asyncio.run(main())
