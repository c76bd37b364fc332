"""The historical loader: past trades of an instrument into files of a bucket, as many as an invocation has time for.

Handler: `coattail.aws.lambdas.loader.handler`. An answer with `done` false has in `next` the event to go on with, after
`wait_seconds`: what the exchange asked for. An invocation that is repeated, or was killed, does no harm: what is there
is known by the names of the files. The job `backfill` with `source` files lands them.

Environment: `COATTAIL_HISTORICAL`, s3://BUCKET/FOLDER?region=…, or a folder.
"""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime, timedelta

import msgspec

from coattail.aws.lambdas.invoked import HISTORICAL, Invocation, function, variable
from coattail.connectors.asking import Asker
from coattail.connectors.base import BaseConnector
from coattail.connectors.history import Blocked, Unreachable
from coattail.connectors.named import connector_named
from coattail.errors import UsageError
from coattail.intervals import Intervals
from coattail.producer.backfill import span_of
from coattail.producer.filing import SHARE, Filing, file_history
from coattail.stores.filed import history_files
from coattail.values import RestHost, read_value
from coattail.workspace.times import parse_when, refuse_backwards

RESERVE_SECONDS = 20.0
"""Before the end of an invocation: for the last file, the last listing and the answer."""
PATIENCE = timedelta(seconds=45)
"""How long an exchange is asked again while it does not answer; a longer pause that it asks for is the workflow's."""
_DAYS = {"today": 0, "yesterday": 1}


class LoadedSpan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All ids that are wanted, once they are known."""

    first_id: int
    last_id: int


class LoaderEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wanted of the past."""

    exchange: str
    symbol: str
    """Like BTC-USDT."""
    since: str
    """Like 2025-03-04T00:00:00Z, or 26h before now; `yesterday` and `today` are the first moments of days in UTC."""
    until: str | None = None
    """None: up to now."""
    rest_host: str | None = None
    """None: the exchange's own; Binance serves some countries at https://data-api.binance.vision only."""
    cursor: LoadedSpan | None = None
    """Of an answer before; None at the beginning."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """How far it has come."""

    done: bool
    """Whether the files account for every id; which was looked up by listing them."""
    wait_seconds: int
    """Before the next invocation: what the exchange asked for; 0: go on."""
    next: LoaderEvent
    """The event to go on with."""
    exchange: str
    symbol: str
    first_id: int | None
    """None, like `last_id`, where there was no trade in this time."""
    last_id: int | None
    wanted: int
    """Ids."""
    filed: int
    """Of these, the ids that files account for."""
    lacking: int
    """Of these, the ids that the exchange does not have."""
    trades: int
    """In the files; an aggregated one covers several ids."""
    files: int
    written: int
    """Of the files, those of this invocation."""
    size_bytes: int
    requests: int
    """Of this invocation, to the exchange."""
    files_from: str
    """Where they are: what the job that lands them is told."""


def load(asked: LoaderEvent, call: Invocation) -> Loaded:
    """Fetch what no file has yet, for as long as there is time.

    Raises:
        UsageError: If there is no such exchange or symbol, or no such time. UnknownSymbol: If it does not list it.
        Unreachable, Blocked: If it does not answer, or not this address. StoreError: If the bucket cannot be used.
    """
    where = variable(HISTORICAL, "name a folder in it, s3://BUCKET/FOLDER?region=…")
    asked, connector = absolute(asked, datetime.now(UTC)), _connector(asked)
    return asyncio.run(_load(asked, connector, where, call))


async def _load(asked: LoaderEvent, connector: BaseConnector, where: str, call: Invocation) -> Loaded:
    left = call.until - time.monotonic()
    until = call.until - min(RESERVE_SECONDS, left / 5)
    files, patience = history_files(HISTORICAL, where), min(PATIENCE, timedelta(seconds=max(left, 0.0) / 4))
    async with Asker(share=SHARE, patience=patience, on_trouble=lambda said: call.say(said, level="WARNING")) as asker:
        try:
            async with asyncio.timeout(max(until - time.monotonic(), 0.0)):
                wanted = await _wanted(asked, connector, asker)
        except Blocked as error:
            if error.wait_seconds is None:
                raise
            return _answer(asked, None, Filing(wanted=Intervals(), wait_seconds=error.wait_seconds), asker.asked, where)
        except TimeoutError:
            raise _nothing_came(asked) from None
        cursor = LoadedSpan(first_id=wanted.firsts[0], last_id=wanted.lasts[-1]) if len(wanted) else None
        filing = await file_history(connector, asked.symbol, wanted, files, asker, until=until)
        if len(filing.left) and not filing.written and not filing.wait_seconds:
            raise _nothing_came(asked)
        return _answer(asked, cursor, filing, asker.asked, where, searched=True)


def _nothing_came(asked: LoaderEvent) -> Unreachable:
    return Unreachable(
        f"nothing came of {asked.exchange} {asked.symbol} in the time of an invocation",
        next_step="give the function more time, or go on later",
    )


def _answer(
    asked: LoaderEvent, cursor: LoadedSpan | None, filing: Filing, requests: int, where: str, *, searched: bool = False
) -> Loaded:
    wanted, left = (sum(b - a + 1 for a, b in ids) for ids in (filing.wanted, filing.left))
    files = [one for one in filing.files if len(filing.wanted.meeting(one.first, one.last))]
    done = searched and not left
    return Loaded(
        done=done, wait_seconds=0 if done else math.ceil(filing.wait_seconds),
        next=msgspec.structs.replace(asked, cursor=cursor), exchange=asked.exchange, symbol=asked.symbol,
        first_id=cursor.first_id if cursor else None, last_id=cursor.last_id if cursor else None,
        wanted=wanted, filed=wanted - left,
        lacking=sum(one.lacking for one in files), trades=sum(one.trades for one in files), files=len(files),
        written=filing.written, size_bytes=sum(one.size for one in files), requests=requests, files_from=where,
    )  # fmt: skip


async def _wanted(asked: LoaderEvent, connector: BaseConnector, asker: Asker) -> Intervals:
    if asked.cursor is not None:
        return Intervals([asked.cursor.first_id], [asked.cursor.last_id])
    until = None if asked.until is None else parse_when(asked.until, "until")
    return await span_of(connector, asked.symbol, parse_when(asked.since, "since"), until, asker)


def _connector(asked: LoaderEvent) -> BaseConnector:
    host = asked.rest_host
    if host is not None:
        try:
            read_value(host, RestHost)
        except ValueError as error:
            raise UsageError(f"rest_host = {host!r} {error}", next_step="leave it out for the exchange's own") from None
    if asked.cursor is not None and asked.cursor.first_id > asked.cursor.last_id:
        raise UsageError(f"the cursor ends before it begins: {asked.cursor}", next_step="hand on `next` as it was")
    return connector_named(asked.exchange, [asked.symbol], rest_host=host)


def absolute(asked: LoaderEvent, now: datetime) -> LoaderEvent:
    """The same event, whose times are the same whenever it is read.

    Raises: UsageError: If a time is none, or the stretch is empty, or has not begun.
    """

    def moment(text: str, name: str) -> datetime:
        if text in _DAYS:
            return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=_DAYS[text])
        return parse_when(text, name, now=now)

    since = moment(asked.since, "since")
    until = None if asked.until is None else moment(asked.until, "until")
    refuse_backwards(since, until)
    if since > now:
        raise UsageError(f"since {since:%Y-%m-%d %H:%M} has not come yet", next_step="give a time in the past")
    written = {"since": since.isoformat(), "until": until and until.isoformat()}
    return msgspec.structs.replace(asked, **written)


handler = function("loader", LoaderEvent, load)
