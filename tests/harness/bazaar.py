"""Bazaar, a made-up exchange whose trade ids are random: a connector as somebody would add it, in one file.

{"deal":{"pair":"SOL/USD","no":913447286115,"cost":"150.25","amount":"1","taker":"ask","at":1741089600123}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from coattail.connectors.base import BaseConnector, LooseObject, MarketType, Samples, text_of
from coattail.connectors.contracts import Listing
from coattail.records import Row, Shared, Source, Trade, trade_of


class _Outer(msgspec.Struct):
    deal: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_outer = msgspec.json.Decoder(_Outer).decode


@dataclass(frozen=True, kw_only=True)
class BazaarConnector(BaseConnector):
    """`taker` says what the taker hit: the ask means that it bought."""

    exchange: ClassVar[str] = "bazaar"
    ids_contiguous: ClassVar[bool] = False
    hosts: ClassVar[Mapping[str, MarketType]] = {"bazaar.example": "spot"}
    layouts: ClassVar[Mapping[str, Mapping[str, MarketType]]] = {"cryptofeed": {"BAZAAR": "spot"}}
    samples: ClassVar[Samples] = Samples(
        bought=b'{"deal":{"pair":"SOL/USD","no":913447286115,"cost":"150.25","amount":"1","taker":"ask",'
        b'"at":1741089600123}}',
        sold=b'{"deal":{"pair":"BTC/EUR","no":5,"cost":"61000","amount":"0.002","taker":"bid","at":1741089601000}}',
        silent=(b'{"hello":"bazaar"}', b'{"quote":{"pair":"SOL/USD","ask":"150.3","bid":"150.2"}}'),
    )

    @classmethod
    def listing(cls, native: str, market: MarketType) -> Listing:
        """`SOL-USD` of `SOL/USD`."""
        return Listing(cls.exchange, native.replace("/", "-"))

    @classmethod
    def native(cls, symbol: str) -> str:
        """`SOL/USD` of `SOL-USD`."""
        return symbol.replace("-", "/")

    def normalize(
        self, message: bytes, received_at: int, *, source: Source = "replay", session: str = ""
    ) -> list[Trade]:
        """See `BaseConnector.normalize`."""
        payload = text_of(message)
        try:
            deal = _outer(message).deal
        except msgspec.ValidationError:
            return []
        if isinstance(deal, msgspec.UnsetType):
            return []
        fields = LooseObject(bytes(deal), "bazaar deal")
        pair, time = fields.text("pair"), fields.whole("at")
        row = Row(
            received_at,
            fields.trade_id("no"),
            None,
            fields.number_text("cost"),
            fields.number_text("amount"),
            None,
            {"ask": "buy", "bid": "sell"}.get(fields.text("taker") or ""),
            None if time is None else time * 1000,
        )
        symbol = None if pair is None else self.listing(pair, self.market).symbol
        return [trade_of(row, Shared(self.exchange, symbol, session, source), payload)]
