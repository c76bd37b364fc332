"""Coinbase: `matches` of the Exchange feed, `market_trades` of the Advanced Trade feed.

`side` of a match is the **maker's**, so the taker did the opposite. The first message of a subscription is
`last_match`, a repeat of the newest trade: an ordinary trade here, its id tells the repeat. `sequence` counts
every event of the book and does not count trades.

A `market_trades` message holds many trades, newest first, and begins with a snapshot of the last hundred: ordinary
trades too. Its `side` is the maker's as well: docs/FORMATS.md has the count against the book that says so. Ids are
taken to be those of the Exchange feed, so a trade heard on both feeds counts once.

Sources: docs.cdp.coinbase.com/exchange/websocket-feed/channels (match: "side is the maker order side");
docs.cdp.coinbase.com/api-reference/advanced-trade-api/websocket/market-trades.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar, Literal

import msgspec

from coattail.connectors.base import (
    MAX_INT64,
    BaseConnector,
    LooseObject,
    MarketType,
    Samples,
    lines_of,
    string_of,
    text_of,
)
from coattail.connectors.batch import Batch
from coattail.connectors.history import History
from coattail.connectors.iso_time import iso_micros
from coattail.connectors.subscription import Notice, Subscription, groups
from coattail.errors import MalformedMessage
from coattail.records import Row, Shared, Source, Trade, trade_of

_Id = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT64)]


# Fields stand in the order of the wire, because the decoder looks for the next one first.
class _Match(msgspec.Struct, gc=False):
    type: str | None = None
    trade_id: _Id | None = None
    side: str | None = None
    size: str | None = None
    price: str | None = None
    product_id: str | None = None
    time: str | None = None


class _Outline(msgspec.Struct, gc=False):
    """The two keys that tell what a frame is."""

    type: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    channel: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Shown(msgspec.Struct, gc=False):
    """What tells a message from those of other exchanges."""

    type: str | None = None
    product_id: str | None = None
    sequence_num: int | None = None


class _Said(msgspec.Struct, gc=False):
    """What may be said besides trades."""

    type: str | None = None
    product_id: str | None = None
    last_trade_id: int | None = None
    message: str | None = None
    reason: str | None = None
    channel: str | None = None


class _Event(msgspec.Struct, gc=False):
    trades: list[msgspec.Raw] | None = None


class _MarketTrades(msgspec.Struct, gc=False):
    events: list[_Event] | None = None


class _UsualTrade(msgspec.Struct, gc=False):
    product_id: str | None
    trade_id: str
    price: str | None
    size: str | None
    time: str
    side: str | None = None


class _UsualEvent(msgspec.Struct, gc=False):
    trades: list[_UsualTrade]


class _UsualMarketTrades(msgspec.Struct, gc=False):
    channel: Literal["market_trades"]
    events: tuple[_UsualEvent]
    type: None = None


_match = msgspec.json.Decoder(_Match).decode
_market_trades = msgspec.json.Decoder(_MarketTrades).decode
_usual_market_trades = msgspec.json.Decoder(_UsualMarketTrades).decode
_shown = msgspec.json.Decoder(_Shown).decode
_said = msgspec.json.Decoder(_Said).decode
_outline = msgspec.json.Decoder(_Outline).decode

_MATCHES = ("match", "last_match")

TAKER: dict[str | None, str] = {"buy": "sell", "sell": "buy", "BUY": "sell", "SELL": "buy"}
"""The taker's side by the maker's."""

_LONGEST_ID = 19
"""Digits from which on an id may not fit 64 bits."""
_LINES = 10
"""Connections at most: the exchange allows 8 attempts a second and 20 at once."""


@dataclass(frozen=True, kw_only=True)
class CoinbaseConnector(BaseConnector):
    """`match`, `last_match` and `market_trades`; symbols are canonical already (`BTC-USD`)."""

    exchange: ClassVar[str] = "coinbase"
    ids_contiguous: ClassVar[bool] = True
    hosts: ClassVar[Mapping[str, MarketType]] = {"coinbase.com": "spot"}
    channels: ClassVar[Mapping[str, str]] = {
        "matches": "wss://ws-feed.exchange.coinbase.com",
        "market_trades": "wss://advanced-trade-ws.coinbase.com",
    }
    trade_mark: ClassVar[bytes] = b'"trade_id"'
    silence: ClassVar[timedelta | None] = timedelta(seconds=10)
    layouts: ClassVar[Mapping[str, Mapping[str, MarketType]]] = {
        "cryptofeed": {"COINBASE": "spot"},
        "tardis": {"coinbase": "spot"},
        "gdax-csv": {},
    }
    samples: ClassVar[Samples] = Samples(
        bought=(
            b'{"type":"match","trade_id":280232,"maker_order_id":"2a0d","taker_order_id":"3c82","side":"sell",'
            b'"size":"985","price":"0.00001305","product_id":"SKL-BTC","sequence":177100030,'
            b'"time":"2021-04-17T16:43:37.089723Z"}'
        ),
        sold=(
            b'{"type":"last_match","trade_id":881613,"maker_order_id":"27ff","taker_order_id":"1da6","side":"buy",'
            b'"size":"0.04","price":"14.7775","product_id":"BAND-GBP","sequence":333938798,'
            b'"time":"2021-04-17T16:43:30.244075Z"}'
        ),
        silent=(
            b'{"type":"subscriptions","channels":[]}',
            b'{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD","time":"x"}',
            b'{"type":"error","message":"Failed to unsubscribe","reason":"no product"}',
            b'{"type":"snapshot","product_id":"BTC-USD","asks":[["1","2"]],"bids":[]}',
            b'{"type":"l2update","product_id":"BTC-USD","changes":[["buy","1","2"]],"time":"x"}',
        ),
    )

    def subscriptions(self) -> list[Subscription]:
        """A connection for each product, as the exchange advises for busy ones; some for each beyond ten.

        A heartbeat a second tells a quiet market from a dead feed.
        """
        size = max(-(-len(self.symbols) // _LINES), 1)
        return [
            Subscription(
                self.address,
                own,
                tuple(self._asked(own)),
                singly=tuple(said for symbol in own for said in self._asked([symbol])),
            )
            for own in groups(self.symbols, size)
        ]

    def _asked(self, symbols: Sequence[str]) -> Iterator[str]:
        """What is said to hear these symbols: in one message on the Exchange feed, one a channel on Advanced Trade."""
        if self.listens_to == "matches":
            asked = [{"type": "subscribe", "product_ids": symbols, "channels": ["matches", "heartbeat"]}]
        else:
            asked = [
                {"type": "subscribe", "product_ids": symbols, "channel": "market_trades"},
                {"type": "subscribe", "channel": "heartbeats"},
            ]
        yield from (msgspec.json.encode(message).decode() for message in asked)

    def notice(self, message: bytes) -> Notice | None:
        """A heartbeat names the product's newest trade; an error refuses what was asked for."""
        try:
            said = _said(message)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if said.channel == "heartbeats":
            return Notice("heartbeat")
        if said.type == "heartbeat":
            newest = {said.product_id: said.last_trade_id} if said.product_id and said.last_trade_id else {}
            return Notice("heartbeat", newest=newest)
        if said.type != "error":
            return None
        return Notice("refused", ": ".join(part for part in (said.message, said.reason) if part))

    @classmethod
    def is_own(cls, message: bytes) -> bool:
        """A message about a product, a list of subscriptions, or one that Advanced Trade numbered."""
        try:
            shown = _shown(message)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return bool(shown.product_id) or shown.type == "subscriptions" or shown.sequence_num is not None

    def history(self, symbol: str) -> History:
        """Of every product."""
        from coattail.connectors.coinbase_rest import CoinbaseHistory

        return CoinbaseHistory()

    def normalize(
        self, message: bytes, received_at: int, *, source: Source = "replay", session: str = ""
    ) -> list[Trade]:
        """The trades of one frame, oldest first, or []; see `BaseConnector.normalize`.

        Raises: MalformedMessage: If the frame is not JSON, or any trade in it has a field of another type.
        """
        try:
            match = _match(message)
            payload = message.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._carefully(message, received_at, source, session)
        if match.type not in _MATCHES:
            return [] if match.type is not None else self._carefully(message, received_at, source, session)
        shared = Shared("coinbase", match.product_id, session, source)
        return [trade_of(_row(match, received_at), shared, payload)]

    def batch(
        self, messages: Sequence[bytes], received_at: Sequence[int], *, source: Source = "replay", session: str = ""
    ) -> Batch:
        """See `BaseConnector.batch`. Trades in their usual shape are never made into objects."""
        if lines_of(messages) is None:
            return super().batch(messages, received_at, source=source, session=session)
        batch = Batch("coinbase", source, session)
        for message, at in zip(messages, received_at, strict=True):
            try:
                if b'"market_trades"' in message:
                    _add_together(batch, message, at)
                    continue
                match = _match(message)
                row = _row(match, at) if match.type in _MATCHES else None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, MalformedMessage):
                self._add(batch, message, at)
                continue
            if row is not None:
                part = batch.part(match.product_id)
                part.rows.append(row)
                part.payloads.append(message)
            elif match.type is not None:
                batch.other += 1
            else:
                self._add(batch, message, at)
        return batch

    def _carefully(self, message: bytes, received_at: int, source: Source, session: str) -> list[Trade]:
        payload = text_of(message)
        try:
            outline = _outline(message)
        except msgspec.ValidationError:
            return []  # sound JSON, but not an object
        kind = string_of(outline.type)
        if kind not in _MATCHES:
            if string_of(outline.channel) != "market_trades":
                return []
            slices = reversed(_slices(message))
            return [_trade(raw.decode(), "market_trades", raw, received_at, source, session) for raw in slices]
        return [_trade(payload, kind, message, received_at, source, session)]


def _add_together(batch: Batch, message: bytes, received_at: int) -> None:
    """Add the trades of a `market_trades` message in its usual shape: one event, one product.

    Raises: MalformedMessage, msgspec.DecodeError: If its shape is another one: it may be read step by step then.
    """
    (event,) = _usual_market_trades(message).events
    if not event.trades:
        raise MalformedMessage("no trade")
    rows: list[Row] = []
    product, text, time = event.trades[0].product_id, None, None
    for trade in reversed(event.trades):
        number = trade.trade_id
        usual = len(number) < _LONGEST_ID and number.isdigit() and number.isascii()
        if not usual or trade.product_id != product:
            raise MalformedMessage("not market_trades in their usual shape")
        if trade.time != text:  # the fills of an order have one
            text = trade.time
            time = iso_micros(text)
        rows.append(Row(received_at, int(number), None, trade.price, trade.size, None, TAKER.get(trade.side), time))
    part = batch.part(product)
    part.rows += rows
    part.payloads += reversed(_slices(message))


def _slices(message: bytes) -> list[bytes]:
    """The JSON of each trade of a `market_trades` message, newest first.

    Raises: MalformedMessage: If it is built in another way.
    """
    try:
        events = _market_trades(message).events or []
    except msgspec.ValidationError as error:
        raise MalformedMessage(f"coinbase market_trades: {error}") from error
    return [bytes(raw) for event in events for raw in event.trades or []]


def _trade(payload: str, kind: str, raw: bytes, received_at: int, source: Source, session: str) -> Trade:
    """The trade of one JSON object, read leniently.

    Raises: MalformedMessage: If a field has another type.
    """
    fields = LooseObject(raw, f"coinbase {kind}")
    time = fields.text("time")
    row = Row(
        received_at,
        fields.trade_id("trade_id"),
        None,
        fields.number_text("price"),
        fields.number_text("size"),
        None,
        TAKER.get(fields.text("side")),
        None if time is None else iso_micros(time),
    )
    return trade_of(row, Shared("coinbase", fields.text("product_id"), session, source), payload)


def _row(match: _Match, received_at: int) -> Row:
    """How the fields of a match map.

    Raises: MalformedMessage: If its time is not one.
    """
    time = None if match.time is None else iso_micros(match.time)
    return Row(received_at, match.trade_id, None, match.price, match.size, None, TAKER.get(match.side), time)
