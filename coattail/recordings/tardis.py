"""Format `tardis`: trades as tardis.dev's data sets have them, one CSV per exchange, symbol and day.

Header and columns are always `exchange,symbol,timestamp,local_timestamp,id,side,price,amount`; times are µs, `side` is
the taker's. Only exchanges are read whose amounts and ids are known to mean what they mean in their own feeds.

Sources: docs.tardis.dev (downloadable CSV files, trades); github.com/tardis-dev/tardis-node (mappers: ids of Binance
are those of its `trade` stream).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from coattail.connectors.base import UnsupportedMessage
from coattail.connectors.contracts import coin_row
from coattail.errors import UsageError
from coattail.recordings.base import Frame, Layout
from coattail.recordings.bulk import Instrument, instrument
from coattail.recordings.lines import LineSource
from coattail.recordings.rows import BadRow, garbage, numbered, text_of, trade_id, whole
from coattail.records import Row

HEADER = b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
_COLUMNS = 8

_EXCHANGES: dict[str, tuple[str, Callable[[str], Instrument]]] = {
    "binance": ("binance", partial(instrument, market="spot")),
    "binance-futures": ("binance", partial(instrument, market="usdm")),
    "binance-delivery": ("binance", partial(instrument, market="coinm")),
    "binance-us": ("binance_us", partial(instrument, market="spot", exchange="binance_us")),
    "coinbase": ("coinbase", partial(Instrument, "coinbase")),
}
"""By tardis' name: the exchange's name here, and how a symbol of it is read."""

_SIDES = {"buy": "buy", "sell": "sell", "unknown": None, "": None}


def tardis_layout(source: LineSource, lines: Sequence[bytes], exchange: str | None) -> Layout:
    """Whose file it is, by its first row; `exchange` is what was told.

    Raises: UsageError: If it is of an exchange that is not known here, or of another one.
    """
    rows = [line for line in lines if line != HEADER]
    name = rows[0].split(b",", 1)[0].decode("utf-8", "replace") if rows else "binance"
    if name not in _EXCHANGES:
        raise UsageError(
            f"{source.path} holds trades of {name!r}, which this format is not read of",
            next_step=f"known: {', '.join(_EXCHANGES)}; if its amounts are coins and its ids rise by one, read it with "
            "--format table --exchange NAME --symbol BASE-QUOTE "
            "--columns time=timestamp,price=price,quantity=amount,id=id,side=side",
        )
    found = _EXCHANGES[name][0]
    if exchange is not None and exchange != found:
        raise UsageError(f"{source.path} holds trades of {found}, not of {exchange}", next_step="leave out --exchange")
    return Layout(format="tardis", exchange=found)


def read_tardis(source: LineSource, layout: Layout, wall: int) -> Iterator[Frame]:
    """A frame per line; `wall` is now (µs): no trade arrived later."""
    known: dict[tuple[str, str], Instrument] = {}
    for number, line in numbered(source):
        try:
            cells = text_of(line).split(",")
            if len(cells) != _COLUMNS:
                raise BadRow(f"{len(cells)} columns, not {_COLUMNS}")
            key = cells[0], cells[1]
            of = known.get(key)
            if of is None:
                if line == HEADER:
                    yield Frame(wall, line, "aside")
                    continue
                of = known[key] = _instrument(*key, layout.exchange)
            row = _fill(cells, of, wall)
            yield Frame(row.received, line, "row", "", row, of.symbol)
        except UnsupportedMessage as error:
            yield Frame(wall, line, "unsupported", error.kind)
        except BadRow as error:
            yield garbage(source, number, line, error, wall)


def _instrument(exchange: str, native: str, expected: str) -> Instrument:
    name, read = _EXCHANGES.get(exchange, (None, None))
    if name != expected or read is None:
        raise BadRow(f"a trade of {exchange[:60]!r} in a file of {expected}")
    return read(native.upper())


def _fill(cells: Sequence[str], of: Instrument, wall: int) -> Row:
    time = whole(cells[2], "timestamp") if cells[2] else None
    received = whole(cells[3], "local_timestamp") if cells[3] else time or wall
    side = _SIDES.get(cells[5], cells[5])  # another word is told by the check `side_unknown`
    row = Row(min(received, wall), trade_id(cells[4], "id"), None, cells[6] or None, cells[7] or None, None, side, time)
    return coin_row(row, of.exchange, of.symbol) if of.coin_margined else row
