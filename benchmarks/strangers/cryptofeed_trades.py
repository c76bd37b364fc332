"""cryptofeed 2.4: Binance's aggregated trades, or Coinbase's Advanced Trade (third argument: binance or coinbase).

Binance's ids are ranges: those of the aggregate's trades. Coinbase's side is passed on as it comes: the maker's.
"""

import json
import sys

from counting import COUNTING, count
from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import TRADES
from cryptofeed.exchanges import Binance, Coinbase

FEED, REST, EXCHANGE = sys.argv[1:4]


async def keep(trade: object, received: float) -> None:
    """One trade, or one aggregate of trades."""
    raw = trade.raw  # type: ignore[attr-defined]
    data = raw.get("data", raw)
    if COUNTING:
        count(1)
        return
    first, last = (data["f"], data["l"]) if EXCHANGE == "binance" else (int(trade.id), int(trade.id))  # type: ignore[attr-defined]
    time = round(trade.timestamp * 1_000_000) // 1000  # type: ignore[attr-defined]
    told = [first, last, str(trade.price), str(trade.amount), trade.side, time]  # type: ignore[attr-defined]
    print(json.dumps(told), flush=True)


handler = FeedHandler(config={"log": {"filename": "cryptofeed.log", "level": "WARNING"}})
if EXCHANGE == "binance":
    Binance.websocket_endpoints = [WebsocketEndpoint(FEED)]
    Binance.rest_endpoints = [RestEndpoint(REST, routes=Routes("/api/v3/exchangeInfo"))]
    handler.add_feed(Binance(symbols=["BTC-USDT"], channels=[TRADES], callbacks={TRADES: keep}))
else:
    keys = {"coinbase": {"key_id": "x", "key_secret": "x"}}
    Coinbase.websocket_endpoints = [WebsocketEndpoint(FEED)]
    Coinbase.rest_endpoints = [RestEndpoint(f"{REST}/api/v3/brokerage", routes=Routes("/products"))]
    handler.add_feed(Coinbase(config=keys, symbols=["BTC-USD"], channels=[TRADES], callbacks={TRADES: keep}))
handler.run()
