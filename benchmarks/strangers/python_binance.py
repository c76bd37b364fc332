"""python-binance: one `@trade` stream, its own way of connecting."""

import asyncio
import json
import sys

from binance import AsyncClient, BinanceSocketManager
from counting import COUNTING, count

FEED, REST = sys.argv[1:3]


async def main() -> None:
    """Listen until it is killed."""
    AsyncClient.API_URL = f"{REST}/api"
    manager = BinanceSocketManager(await AsyncClient.create())
    manager.STREAM_URL = f"{FEED}/"
    async with manager.trade_socket("BTCUSDT") as stream:
        while True:
            told = await stream.recv()
            if told.get("e") != "trade":
                print(json.dumps(told), file=sys.stderr, flush=True)
                continue
            if COUNTING:
                count(1)
                continue
            side = "sell" if told["m"] else "buy"
            print(json.dumps([told["t"], told["t"], told["p"], told["q"], side, told["T"]]), flush=True)


asyncio.run(main())
