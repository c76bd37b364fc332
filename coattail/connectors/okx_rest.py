"""OKX's REST service: past trades of an instrument, paged downwards by id, of the last three months.

`side` is the taker's, as in the feed. Errors come with status 200, and with a code that is not 0.

Source: okx.com/docs-v5 (GET / Trades history: 20 requests in 2 s, 100 trades a page; GET / Instruments).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from coattail.connectors.history import (
    Ask,
    AskFailed,
    DownwardHistory,
    Limits,
    TradePage,
    UnknownSymbol,
    WrongAnswer,
    shown,
)
from coattail.connectors.okx import row_of_trade
from coattail.errors import MalformedMessage
from coattail.records import Row

_NO_SUCH_INSTRUMENT = "51001"


class _Answer(msgspec.Struct):
    code: str
    msg: str = ""
    data: list[msgspec.Raw] = []


class _Instrument(msgspec.Struct):
    instId: str
    state: str = "live"


_answer = msgspec.json.Decoder(_Answer).decode
_instrument = msgspec.json.Decoder(_Instrument).decode


class OkxHistory(DownwardHistory):
    """`/api/v5/market/history-trades?after=`: the trades below an id, newest first."""

    host: ClassVar[str] = "https://www.okx.com"
    elsewhere: ClassVar[str] = "it does not serve this country"
    limits: ClassVar[Limits] = Limits(20, 2.0)
    page_size: ClassVar[int] = 100

    way: ClassVar[str] = "history-trades"

    def below(self, native: str, key: int | None, limit: int) -> Ask:
        """`after` an id means below it."""
        after = "" if key is None else f"&after={key}"
        return Ask(f"/api/v5/market/history-trades?instId={native}{after}&limit={limit}", 1)

    def read(self, body: bytes, received_at: int, way: str) -> TradePage:
        """See `History.read`.

        Raises: UnknownSymbol: If the exchange says that it does not list the instrument.
        """
        return TradePage.of([_read(raw, received_at) for raw in _data(body)])

    def refusal(self, status: int, body: bytes) -> AskFailed | None:
        """What a code of the exchange means; None for what none says."""
        try:
            answer = _answer(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return _refused(answer)

    def listed(self) -> Ask:
        """The instruments of spot."""
        return Ask("/api/v5/public/instruments?instType=SPOT", 1)

    def read_listed(self, body: bytes) -> Mapping[str, bool]:
        """`live` or not."""
        try:
            instruments = [_instrument(raw) for raw in _data(body)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise WrongAnswer(f"not a list of instruments: {shown(body)}") from None
        return {instrument.instId: instrument.state == "live" for instrument in instruments}


def _refused(answer: _Answer) -> AskFailed:
    said = f"it answers {answer.code} {answer.msg}".strip()
    return UnknownSymbol(said) if answer.code == _NO_SUCH_INSTRUMENT else AskFailed(said)


def _data(body: bytes) -> list[bytes]:
    try:
        answer = _answer(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise WrongAnswer(f"not an answer of OKX: {shown(body)}") from None
    if answer.code == "0":
        return [bytes(raw).strip() for raw in answer.data]
    refused = _refused(answer)
    raise refused if isinstance(refused, UnknownSymbol) else WrongAnswer(refused.message)


def _read(raw: bytes, received_at: int) -> tuple[int, Row, bytes]:
    try:
        raw.decode()
        _, row = row_of_trade(raw, received_at)
    except (MalformedMessage, UnicodeDecodeError) as error:
        raise WrongAnswer(f"not a trade of OKX: {error}") from error
    if row.trade_id is None or row.last_trade_id is not None:
        raise WrongAnswer(f"not a trade with an id: {shown(raw)}")
    return row.trade_id, row, raw
