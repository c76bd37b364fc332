"""Format `tardis`: trades as tardis.dev's data sets have them, one CSV per exchange, symbol and day.

Header and columns are always `exchange,symbol,timestamp,local_timestamp,id,side,price,amount`; times are µs, `side` is
the taker's. Only exchanges are read whose amounts and ids are known to mean what they mean in their own feeds.

Sources: docs.tardis.dev (downloadable CSV files, trades); github.com/tardis-dev/tardis-node (mappers: ids of Binance
are those of its `trade` stream).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coattail.connectors import CONNECTORS
from coattail.connectors.base import UnsupportedMessage
from coattail.connectors.contracts import Listing
from coattail.errors import UsageError
from coattail.recordings.base import Layout, RecordedLine
from coattail.recordings.lines import LineSource
from coattail.recordings.rows import BadRow, garbage, numbered, text_of, trade_id, whole
from coattail.records import Row

HEADER = b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
_COLUMNS = 8

_CALLED = {
    name: (connector, market)
    for connector in CONNECTORS.values()
    for name, market in connector.layouts.get("tardis", {}).items()
}
"""Connector and market by tardis' name of them."""

_SIDES = {"buy": "buy", "sell": "sell", "unknown": None, "": None}


def tardis_layout(source: LineSource, lines: Sequence[bytes], exchange: str | None) -> Layout:
    """Whose file it is, by its first row; `exchange` is the option's.

    Raises: UsageError: If it is of an exchange that is not known here, or of another one.
    """
    rows = [line for line in lines if line != HEADER]
    name = rows[0].split(b",", 1)[0].decode("utf-8", "replace") if rows else next(iter(_CALLED))
    if name not in _CALLED:
        raise UsageError(
            f"{source.path} holds trades of {name!r}, which is not read from this format",
            next_step=f"known: {', '.join(_CALLED)}; if its amounts are coins and its ids rise by one, read it with "
            "--format table --exchange NAME --symbol BASE-QUOTE "
            "--columns time=timestamp,price=price,quantity=amount,id=id,side=side",
        )
    found = _CALLED[name][0].exchange
    if exchange is not None and exchange != found:
        raise UsageError(f"{source.path} holds trades of {found}, not of {exchange}", next_step="leave out --exchange")
    return Layout(format="tardis", exchange=found)


def read_tardis(source: LineSource, layout: Layout, wall: int) -> Iterator[RecordedLine]:
    """A frame per line; `wall` is now (µs): no trade arrived later."""
    known: dict[tuple[str, str], Listing] = {}
    for number, line in numbered(source):
        try:
            cells = text_of(line).split(",")
            if len(cells) != _COLUMNS:
                raise BadRow(f"{len(cells)} columns, not {_COLUMNS}")
            key = cells[0], cells[1]
            of = known.get(key)
            if of is None:
                if line == HEADER:
                    yield RecordedLine(wall, line, "aside")
                    continue
                of = known[key] = _listing(*key, layout.exchange)
            row = _fill(cells, of, wall)
            yield RecordedLine(row.received, line, "row", "", row, of.symbol)
        except UnsupportedMessage as error:
            yield RecordedLine(wall, line, "unsupported", error.kind)
        except BadRow as error:
            yield garbage(source, number, line, error, wall)


def _listing(name: str, native: str, expected: str) -> Listing:
    connector, market = _CALLED.get(name, (None, None))
    if connector is None or market is None or connector.exchange != expected:
        raise BadRow(f"a trade of {name[:60]!r} in a file of {expected}")
    return connector.listing(native.upper(), market)


def _fill(cells: Sequence[str], of: Listing, wall: int) -> Row:
    time = whole(cells[2], "timestamp") if cells[2] else None
    received = whole(cells[3], "local_timestamp") if cells[3] else time or wall
    side = _SIDES.get(cells[5], cells[5])  # the check `side_unknown` rejects another word
    row = Row(min(received, wall), trade_id(cells[4], "id"), None, cells[6] or None, cells[7] or None, None, side, time)
    return of.row(row)
