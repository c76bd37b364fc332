"""OKX's REST service: past trades of an instrument, paged downwards by id, of the last three months.

`side` is the taker's, as in the feed. Errors come with status 200, and with a code that is not 0.

Source: okx.com/docs-v5 (GET / Trades history: 20 requests in 2 s, 100 trades a page; GET / Instruments).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec

from coattail.connectors.history import (
    Ask,
    AskFailed,
    History,
    Known,
    Limits,
    Search,
    TradePage,
    UnknownSymbol,
    WrongAnswer,
    shown,
    smallest_key,
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


class OkxHistory(History):
    """`/api/v5/market/history-trades?after=`: the trades below an id, newest first."""

    host: ClassVar[str] = "https://www.okx.com"
    elsewhere: ClassVar[str] = "it does not serve this country"
    limits: ClassVar[Limits] = Limits(20, 2.0)
    page_size: ClassVar[int] = 100

    def ways(self, host: str) -> Sequence[str]:
        """Single trades."""
        return ("history-trades",)

    def page(self, native: str, first: int, last: int, way: str) -> Ask:
        """`after` an id means below it."""
        return _ask(native, f"&after={last + 1}&limit={max(min(last - first + 1, self.page_size), 1)}")

    def read(self, body: bytes, received_at: int, way: str) -> TradePage:
        """See `History.read`.

        Raises: UnknownSymbol: If the exchange says that it does not list the instrument.
        """
        return TradePage.of([_read(raw, received_at) for raw in _data(body)])

    def newest(self, native: str) -> Search[int | None]:
        """The first of the newest page."""
        page = self.read((yield _ask(native, "&limit=1")), 0, "history-trades")
        return page.keys[-1] if page.keys else None

    def first_id_at(self, native: str, at: int) -> Search[int | None]:
        """By looking for it among the ids; of a time more than three months ago, the first id that there is."""

        def known(body: bytes) -> list[Known]:
            page = self.read(body, 0, "history-trades")
            times = ((key, row.timestamp) for key, row in zip(page.keys, page.rows, strict=True))
            return [(key, time) for key, time in times if time is not None]

        size = self.page_size
        return (
            yield from smallest_key(
                at,
                _ask(native, f"&limit={size}"),
                lambda key: _ask(native, f"&after={key + 1 + size // 2}&limit={size}"),
                known,
            )
        )

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


def _ask(native: str, rest: str) -> Ask:
    return Ask(f"/api/v5/market/history-trades?instId={native}{rest}", 1)


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
