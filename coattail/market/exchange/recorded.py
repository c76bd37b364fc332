"""Recordings on the tapes of their exchanges: each trade once, in order, with its message as it was recorded.

Read here are single trades of spot markets: Binance's `@trade`, Coinbase's matches and market trades, and rows with one
trade each. Nothing is taken from the connectors but the names of instruments, so that a mistake of theirs is seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec
import polars as pl

from coattail.connectors import CONNECTORS
from coattail.errors import UsageError
from coattail.market.exchange.tape import ListedInstrument, TradeTape
from coattail.recordings import RecordedLine, Recording
from coattail.records import micros

EXCHANGES = ("binance", "coinbase")
"""Whose recordings can be served."""

_UNITS = 10**8
_PAUSE_US = 1_000_000
"""Between the last trade of a recording and its first in the next round, µs."""
_MICROSECONDS_FROM = 10**14


class _Recorded(msgspec.Struct, gc=False):
    """One trade of a recording."""

    code: str
    id: int
    time: int
    """µs since 1970 UTC."""
    buy: bool
    price: str
    quantity: str
    sequence: int | None = None
    message: str | None = None
    """As the feed of single trades sent it, without an envelope."""


def recorded_tapes(recordings: Iterable[Recording], *, loop: bool = False) -> dict[str, TradeTape]:
    """The tape of every exchange that these recordings are of; a trade that stands in several of them is there once.

    `loop` goes on for ever: after the last trade all come again, later and with further ids.

    Raises: UsageError: If a recording is of another exchange or market, holds aggregates only, or no trade at all.
    """
    found: dict[str, dict[tuple[str, int], _Recorded]] = {}
    for recording in recordings:
        layout = recording.layout
        if layout is None:
            continue
        if layout.exchange not in EXCHANGES or layout.market != "spot":
            raise UsageError(
                f"{recording.path} is of {layout.exchange} {layout.market}, which is not served",
                next_step=f"give recordings of the spot markets of {' and '.join(EXCHANGES)}",
            )
        seen: Counter[str] = Counter()
        trades = found.setdefault(layout.exchange, {})
        for trade in _trades(recording.frames(), layout.exchange, seen):
            trades.setdefault((trade.code, trade.id), trade)
        if not seen["trade"]:
            what = "aggregated trades only" if seen["aggregate"] else "no trade"
            raise UsageError(f"{recording.path} holds {what}", next_step="give a recording of single trades")
    if not any(found.values()):
        raise UsageError("the recordings hold no trade", next_step="give a recording of single trades")
    times = [trade.time for trades in found.values() for trade in trades.values()]
    again = max(times) - min(times) + _PAUSE_US if loop else None
    return {exchange: _tape(exchange, list(trades.values()), again) for exchange, trades in found.items() if trades}


def _trades(lines: Iterable[RecordedLine], exchange: str, seen: Counter[str]) -> Iterator[_Recorded]:
    read = _of_binance if exchange == "binance" else _of_coinbase
    for line in lines:
        if line.kind == "row":
            row = line.row
            assert row is not None
            if row.last_trade_id not in (None, row.trade_id):
                seen["aggregate"] += 1
            elif line.symbol is not None and row.trade_id is not None and row.timestamp is not None:
                seen["trade"] += 1
                code = CONNECTORS[exchange].native(line.symbol)
                yield _Recorded(code, row.trade_id, row.timestamp, row.side == "buy", str(row.price), str(row.quantity))
        elif line.kind == "message":
            try:
                for trade in read(line.data):
                    seen["trade"] += 1
                    yield trade
            except _Aggregated:
                seen["aggregate"] += 1
            except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError):
                continue  # not a trade, or one that cannot be read: the real exchange never sent it so


class _Aggregated(Exception):
    """A message about several trades as one."""


_json = msgspec.json.Decoder()
_envelope = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _of_binance(message: bytes) -> list[_Recorded]:
    body = bytes(_envelope.decode(message).get("data", msgspec.Raw(message)))
    event = _json.decode(body)
    if not isinstance(event, dict) or event.get("e") not in ("trade", "aggTrade"):
        return []
    if event["e"] == "aggTrade":
        raise _Aggregated
    time = event["T"] if event["T"] >= _MICROSECONDS_FROM else event["T"] * 1000
    return [_Recorded(event["s"], event["t"], time, not event["m"], event["p"], event["q"], None, body.decode())]


def _of_coinbase(message: bytes) -> list[_Recorded]:
    told: dict[str, Any] = _json.decode(message)
    if told.get("type") in ("match", "last_match"):
        text = message.decode().strip().replace('"type":"last_match"', '"type":"match"')
        return [_match(told, told["sequence"], text)]
    if told.get("channel") == "market_trades":
        return [_match(trade, None, None) for event in told["events"] for trade in reversed(event["trades"])]
    return []


def _match(trade: dict[str, Any], sequence: int | None, message: str | None) -> _Recorded:
    """A trade as Coinbase tells it; the side is the maker's, so the taker bought where it says sell."""
    when = datetime.fromisoformat(trade["time"]).astimezone(UTC)
    bought = trade["side"].lower() == "sell"
    return _Recorded(
        trade["product_id"], int(trade["trade_id"]), micros(when), bought, trade["price"], trade["size"], sequence,
        message,
    )  # fmt: skip


def _tape(exchange: str, trades: list[_Recorded], again: int | None) -> TradeTape:
    """All trades, in order of id per instrument and of time between them; and `again` µs later once more, for ever."""
    codes = sorted({trade.code for trade in trades})
    numbers = {code: number for number, code in enumerate(codes)}
    frame = pl.DataFrame(
        {
            "time": [trade.time for trade in trades],
            "listing": pl.Series([numbers[trade.code] for trade in trades], dtype=pl.UInt32),
            "id": [trade.id for trade in trades],
            "sequence": pl.Series([trade.sequence for trade in trades], dtype=pl.Int64),
            "buy": [trade.buy for trade in trades],
            "price": [trade.price for trade in trades],
            "quantity": [trade.quantity for trade in trades],
            "quantity_e8": [int(Decimal(trade.quantity) * _UNITS) for trade in trades],
            "message": pl.Series([trade.message for trade in trades], dtype=pl.String),
        }
    )
    frame = _with_orders(frame.sort("listing", "id")).sort(pl.col("time").cum_max().over("listing"), "listing", "id")
    rounds = count() if again else iter((0,))

    def more() -> bool:
        number = next(rounds, None)
        if number is None:
            return False
        tape.append(_shifted(frame, number, (again or 0) * number) if number else frame)
        return True

    tape = TradeTape([_listed(exchange, code, frame.filter(listing=numbers[code])) for code in codes], more)
    return tape


def _shifted(trades: pl.DataFrame, number: int, later: int) -> pl.DataFrame:
    """The trades of a further round: ids go on after those of the one before, times are `later` µs later."""
    further = (pl.col("id").max() - pl.col("id").min() + 1).over("listing") * number
    counted = (pl.col("sequence").max() - pl.col("sequence").min() + 1).over("listing") * number
    return trades.with_columns(
        pl.col("id") + further,
        pl.col("order") + further,
        pl.col("sequence") + counted,
        pl.col("time") + later,
        message=pl.lit(None, pl.String),
    )


def _with_orders(trades: pl.DataFrame) -> pl.DataFrame:
    """The same with `order`: neighbours in id with equal time and side are taken for fills of one order."""
    apart = pl.col("id") != pl.col("id").shift(1) + 1
    for name in ("listing", "time", "buy"):
        apart |= pl.col(name) != pl.col(name).shift(1)
    began = pl.when(apart.fill_null(True)).then("id").forward_fill()
    return trades.with_columns(order=began, sequence=pl.coalesce("sequence", "id"))


def _listed(exchange: str, code: str, trades: pl.DataFrame) -> ListedInstrument:
    """The instrument, with the steps that its trades show."""
    base, _, quote = CONNECTORS[exchange].listing(code, "spot").symbol.partition("-")
    return ListedInstrument(code, base, quote or "USD", _step(trades["price"]), _step(trades["quantity"]))


def _step(amounts: pl.Series) -> str:
    """One unit of the last decimal place in which any of these amounts has a digit."""
    places = amounts.str.extract(r"\.(\d*?)0*$", 1).str.len_chars().max()
    return f"{10.0 ** -int(str(places or 0)):.{int(str(places or 0))}f}"
