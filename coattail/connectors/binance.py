"""Binance: spot, USDT-margined and coin-margined futures.

Frames come bare or in the combined stream's envelope `{"stream": ..., "data": ...}`. A frame says itself which
market it is of: futures trades carry `X`, spot trades carry `M`; where neither is there (futures' `aggTrade`),
`market` decides. A coin-margined perpetual is known by its symbol (`BTCUSD_PERP`): its `q` counts contracts.

Sources: github.com/binance/binance-spot-api-docs (web-socket-streams.md); the futures' `trade` stream is not
documented, its shape is taken from recordings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from coattail.connectors.base import (
    BaseConnector,
    LooseObject,
    MarketType,
    Samples,
    UnsupportedMessage,
    lines_of,
    text_of,
)
from coattail.connectors.batch import Batch, InstrumentTrades
from coattail.connectors.binance_wire import (
    MICROSECONDS_FROM,
    TRADE_KINDS,
    fills_of,
    holds_none,
    ids_of,
    kind_and_body,
    notice_of,
    row_of_fill,
    shown_by,
    strictly,
)
from coattail.connectors.contracts import Listing
from coattail.connectors.history import History
from coattail.connectors.subscription import Notice, Subscription, groups
from coattail.errors import UsageError
from coattail.records import OFF_BOOK, Row, Shared, Source, Trade, trade_of
from coattail.symbols import PERPETUAL_SUFFIX, base_of, is_perpetual, quote_of, split_native

_QUOTES = (
    "FDUSD", "USDSB", "USDT", "USDC", "BUSD", "TUSD", "USDP", "USDS", "USD1", "USDE", "XUSD", "RLUSD", "BFUSD",
    "BIDR", "IDRT", "BKRW", "BVND", "EURI", "DOGE", "DAI", "UST", "VAI", "PAX", "BTC", "ETH", "BNB", "XRP", "TRX",
    "SOL", "DOT", "NGN", "EUR", "GBP", "AUD", "BRL", "TRY", "RUB", "UAH", "ZAR", "JPY", "ARS", "MXN", "COP", "CZK",
    "PLN", "RON",
)  # fmt: skip
# `AEUR` is a quote too, but ADAEUR is ADA-EUR and GALAEUR is GALA-EUR: its own pairs are exceptions below.

_ODD_SYMBOLS = {
    "BTCAEUR": ("BTC", "AEUR"),
    "ETHAEUR": ("ETH", "AEUR"),
    "EURAEUR": ("EUR", "AEUR"),
    "AEURUSDT": ("AEUR", "USDT"),
}

_SAMPLES = Samples(
    bought=(
        b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,'
        b'"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":false,"M":true}}'
    ),
    sold=(
        b'{"e":"aggTrade","E":1617566591315,"s":"BTCUSDT","a":665076760,"p":"58001.03000000","q":"0.08620500",'
        b'"f":745522877,"l":745522879,"T":1617566591314,"m":true,"M":true}'
    ),
    silent=(
        b'{"result":null,"id":1}',
        b'{"error":{"code":3,"msg":"Invalid JSON"},"id":1}',
        b'{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"1","B":"2","a":"3","A":"4"}}',
        b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]}}',
        b'{"lastUpdateId":1,"bids":[["1","2"]],"asks":[]}',
    ),
)

_COIN_MARGINED_SUFFIX = "USD_PERP"
_SYMBOLS_OF_A_LINE = 200
"""Of 1,024 that a connection may have: one message of 4 kB asks for them."""
_CACHED_SYMBOLS = 10_000
_LONGEST_SYMBOL = 32


@dataclass(frozen=True, kw_only=True)
class BinanceConnector(BaseConnector):
    """Binance's `trade` and `aggTrade` streams. `m` is "the buyer is the maker": true means the taker sold.

    `timestamp` is the trade's own time `T`, not the event's `E`. An aggregate covers the ids `f` to `l`.

    `X` other than `MARKET` (`INSURANCE_FUND`, `ADL`, `NA`) marks a futures fill that never met the order book: it
    has a trade id, but a price that nobody quoted, and Binance leaves it out of its own aggregates. Its side is
    `OFF_BOOK`, which the check `off_book` rejects: it moves no bar, and its id is accounted for.
    """

    exchange: ClassVar[str] = "binance"
    ids_contiguous: ClassVar[bool] = True
    hosts: ClassVar[Mapping[str, MarketType]] = {
        "binance.com": "spot",
        "binance.vision": "spot",
        "fstream.binance.com": "usdm",
        "fapi.binance.com": "usdm",
        "dstream.binance.com": "coinm",
        "dapi.binance.com": "coinm",
    }
    layouts: ClassVar[Mapping[str, Mapping[str, MarketType]]] = {
        "cryptofeed": {"BINANCE": "spot", "BINANCE_FUTURES": "usdm", "BINANCE_DELIVERY": "coinm"},
        "tardis": {"binance": "spot", "binance-futures": "usdm", "binance-delivery": "coinm"},
        "binance-bulk": {},
    }
    channels: ClassVar[Mapping[str, str]] = {
        "trade": "wss://stream.binance.com:9443",
        "aggTrade": "wss://stream.binance.com:9443",
    }
    elsewhere: ClassVar[str | None] = "wss://data-stream.binance.vision"
    trade_mark: ClassVar[bytes] = b'rade"'
    samples: ClassVar[Samples] = _SAMPLES
    quotes: ClassVar[Sequence[str]] = sorted(_QUOTES, key=len, reverse=True)
    """Quote assets by which its symbols are split, longest first."""
    odd_symbols: ClassVar[Mapping[str, tuple[str, str]]] = _ODD_SYMBOLS
    """Symbols that the quotes would split wrongly -> (base, quote)."""

    _spot: ClassVar[dict[str, str]] = {}
    _perpetual: ClassVar[dict[str, str]] = {}
    # Canonical symbols already worked out, by market; bounded, because a feed can invent symbols.

    @classmethod
    def is_own(cls, message: bytes) -> bool:
        """An event, a message of a stream, or a snapshot of the book."""
        shown = shown_by(message)
        return shown is not None and shown.is_event

    @classmethod
    def market_shown(cls, message: bytes) -> MarketType | None:
        """A futures trade carries `X`, a spot trade `M`, a futures aggregate neither; some events only futures have."""
        shown = shown_by(message)
        return shown.market if shown is not None else None

    @classmethod
    def listing(cls, native: str, market: MarketType) -> Listing:
        """`BTC-USDT` of `BTCUSDT`, `BTC-USDT-PERP` of it as a future, `BTC-USD-PERP` of `BTCUSD_PERP`.

        The name itself where no known quote ends it (a check may then reject it).

        Raises: UnsupportedMessage: If it is a delivery contract.
        """
        if "_" in native or market == "coinm":
            base = native.removesuffix(_COIN_MARGINED_SUFFIX)
            if base and base != native:
                return Listing(cls.exchange, f"{base}-USD{PERPETUAL_SUFFIX}", coin_margined=True)
            kind = "coin-margined delivery" if native.partition("_")[0].endswith("USD") else "delivery"
            raise UnsupportedMessage(f"{cls.exchange} {kind} futures")
        parts = split_native(native, cls.quotes, cls.odd_symbols)
        symbol = "-".join(parts) + ("" if market == "spot" else PERPETUAL_SUFFIX) if parts else native
        return Listing(cls.exchange, symbol)

    @classmethod
    def native(cls, symbol: str) -> str:
        """`BTCUSDT` of `BTC-USDT` and of `BTC-USDT-PERP`, `BTCUSD_PERP` of `BTC-USD-PERP`."""
        if is_perpetual(symbol) and quote_of(symbol) == "USD":
            return base_of(symbol) + _COIN_MARGINED_SUFFIX
        return symbol.removesuffix(PERPETUAL_SUFFIX).replace("-", "")

    def subscriptions(self) -> list[Subscription]:
        """One connection for up to 200 symbols, to which one message subscribes; its combined stream.

        Raises: UsageError: If one of them is a perpetual future: the feeds of futures are not listened to.
        """
        self._refuse_futures()
        found = []
        for number, symbols in enumerate(groups(self.symbols, _SYMBOLS_OF_A_LINE), 1):
            streams = [f"{self.native(symbol).lower()}@{self.listens_to}" for symbol in symbols]
            asked = msgspec.json.encode({"method": "SUBSCRIBE", "params": streams, "id": number}).decode()
            found.append(Subscription(f"{self.address}/stream", symbols, (asked,)))
        return found

    def notice(self, message: bytes) -> Notice | None:
        """`serverShutdown` closes; an error refuses what was asked for."""
        return notice_of(message)

    def history(self, symbol: str) -> History:
        """Of the spot market: trades of futures by id are not public.

        Raises: UsageError: If it is a future.
        """
        from coattail.connectors.binance_rest import BinanceHistory

        if is_perpetual(symbol):
            raise UsageError(
                f"past trades of {symbol} cannot be asked for: {self.exchange} wants a key for those of futures",
                next_step="take its daily files (--source bulk)",
            )
        return BinanceHistory()

    def normalize(
        self, message: bytes, received_at: int, *, source: Source = "replay", session: str = ""
    ) -> list[Trade]:
        """The trade of one frame, or []; see `BaseConnector.normalize`.

        Raises:
            MalformedMessage: If the frame is not JSON, or is a trade with a field of another type.
            UnsupportedMessage: If it is a trade of a delivery contract.
        """
        fill = strictly(message)
        row = row_of_fill(fill, received_at)
        try:
            payload = message.decode()
        except UnicodeDecodeError:
            return self._carefully(message, received_at, source, session)
        if fill is None or row is None:
            return [] if holds_none(message) else self._carefully(message, received_at, source, session)
        spot = fill.X is None and (self.market == "spot" or fill.M is not None)
        known = self._spot if spot else self._perpetual
        symbol = known.get(fill.s)
        if symbol is None:
            listing = self._listing(fill.s, known)
            symbol, row = listing.symbol, listing.row(row)
        return [trade_of(row, Shared(self.exchange, symbol, session, source), payload)]

    def batch(
        self, messages: Sequence[bytes], received_at: Sequence[int], *, source: Source = "replay", session: str = ""
    ) -> Batch:
        """See `BaseConnector.batch`. Trades in their usual shape are never made into objects."""
        lines = lines_of(messages)
        if lines is None:
            return super().batch(messages, received_at, source=source, session=session)
        batch = Batch(self.exchange, source, session)
        spot, perpetual = dict[str, InstrumentTrades](), dict[str, InstrumentTrades]()
        fills, unsaid_is_spot = fills_of(messages, lines), self.market == "spot"
        for fill, row, message, at in zip(
            fills, map(row_of_fill, fills, received_at), messages, received_at, strict=True
        ):
            if fill is None or row is None:
                if holds_none(message):
                    batch.other += 1
                else:
                    self._add(batch, message, at)
                continue
            parts = spot if fill.X is None and (unsaid_is_spot or fill.M is not None) else perpetual
            part = parts.get(fill.s)
            if part is None:
                try:
                    listing = self._listing(fill.s, self._perpetual if parts is perpetual else self._spot)
                except UnsupportedMessage as error:
                    batch.unsupported[error.kind] += 1
                    continue
                part = batch.part(listing.symbol)
                if listing.coin_margined:
                    row = listing.row(row)  # never remembered in `parts`: every row comes by here
                else:
                    parts[fill.s] = part
            part.rows.append(row)
            part.payloads.append(message)
        return batch

    def _listing(self, native: str, known: dict[str, str]) -> Listing:
        listing = self.listing(native, "usdm" if known is self._perpetual else "spot")
        if not listing.coin_margined and len(native) <= _LONGEST_SYMBOL and len(known) < _CACHED_SYMBOLS:
            known[native] = listing.symbol
        return listing

    def _carefully(self, message: bytes, received_at: int, source: Source, session: str) -> list[Trade]:
        payload = text_of(message)
        kind, body = kind_and_body(message)
        if kind not in TRADE_KINDS:
            return []
        fields = LooseObject(body, f"{self.exchange} {kind}")
        native, time = fields.text("s"), fields.whole("T")
        maker_bought, order = fields.flag("m"), fields.text("X")
        price, quantity = fields.number_text("p"), fields.number_text("q")
        first, last = ids_of(fields, kind)
        side = None if maker_bought is None else "sell" if maker_bought else "buy"
        if order is not None and order != "MARKET":
            side = OFF_BOOK
        if time is not None and abs(time) < MICROSECONDS_FROM:
            time *= 1000
        row = Row(received_at, first, last, price, quantity, None, side, time)
        symbol = None
        if native is not None:
            spot = order is None and ("M" in fields or self.market == "spot")
            listing = self._listing(native, self._spot if spot else self._perpetual)
            symbol, row = listing.symbol, listing.row(row)
        return [trade_of(row, Shared(self.exchange, symbol, session, source), payload)]
