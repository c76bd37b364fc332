"""Listening to exchanges: which, and the producer that feeds the stream of a home."""

from __future__ import annotations

import asyncio
import difflib
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from coattail.config import Settings
from coattail.connectors import BaseConnector
from coattail.connectors.asking import Asker
from coattail.connectors.base import UnsupportedMessage
from coattail.connectors.history import AskFailed
from coattail.connectors.named import connector_named
from coattail.errors import UsageError
from coattail.home import Home
from coattail.producer.gathering import gathering_loop
from coattail.producer.journal import ProducerState
from coattail.producer.live import Producer
from coattail.sections import ExchangeSettings
from coattail.service_url import BucketUrl
from coattail.streams.opening import open_stream
from coattail.values import SYMBOL

_LIST_WITHIN = timedelta(seconds=2)


def connectors(settings: Settings, symbols: Sequence[str] = ()) -> list[BaseConnector]:
    """The connectors of the exchanges that the settings name, with the instruments that are wanted.

    symbols: Instruments instead of those of the settings: `binance:BTC-USDT`, or `BTC-USDT` on every exchange whose
    settings have it.
    Raises: UsageError: If there is no such exchange, or a symbol says no exchange and none has it.
    """
    wanted: dict[str, list[str]] = {}
    if not symbols:
        wanted = {name: list(own.symbols) for name, own in settings.exchanges.items() if own.symbols}
    for asked in symbols:
        name, colon, symbol = asked.rpartition(":")
        names = [name] if colon else [name for name, own in settings.exchanges.items() if symbol in own.symbols]
        if not names:
            raise UsageError(
                f"{symbol} is on no exchange that the settings name", next_step=f"say which: binance:{symbol}"
            )
        if not SYMBOL.fullmatch(symbol.upper()):
            raise UsageError(f"{asked!r} names no symbol", next_step="write it like binance:BTC-USDT or BTC-USDT")
        for exchange in names:
            wanted.setdefault(exchange, []).append(symbol.upper())
    found = []
    for name, own_symbols in wanted.items():
        own = settings.exchanges.get(name) or ExchangeSettings()
        hosts = {"websocket_host": own.websocket_host, "rest_host": own.rest_host}
        found.append(connector_named(name, tuple(dict.fromkeys(own_symbols)), channel=own.channel, **hosts))
    return found


def listened_to(settings: Settings, symbols: Sequence[str] = ()) -> list[BaseConnector]:
    """The same, of what can be heard live.

    Raises: UsageError: As `connectors`; and if an exchange or an instrument cannot be listened to.
    """
    found = connectors(settings, symbols)
    for connector in found:
        if not connector.channels:
            raise UsageError(
                f"{connector.exchange} cannot be listened to", next_step="leave it out, or replay recordings of it"
            )
        connector.subscriptions()  # refuses what makes no sense before anything runs
    return found


def unlisted(connectors: Sequence[BaseConnector]) -> list[str]:
    """A sentence for each instrument that its exchange does not list or no longer trades, with the nearest it lists.

    An exchange that gives no answer is left out: it may yet be heard. So is one whose ids are only unique.
    """
    return asyncio.run(_unlisted(connectors))


async def _unlisted(connectors: Sequence[BaseConnector]) -> list[str]:
    async with Asker(patience=_LIST_WITHIN, on_trouble=lambda _: None) as asker:
        said = await asyncio.gather(*(_unlisted_at(connector, asker) for connector in connectors))
    return [sentence for sentences in said for sentence in sentences]


async def _unlisted_at(connector: BaseConnector, asker: Asker) -> list[str]:
    if not connector.ids_contiguous:
        return []  # no past trades are asked for; its feed refuses what it does not list
    history = connector.history(connector.symbols[0])
    host = connector.rest_host or history.host
    try:
        listed = await asker.ask(host, history, history.listed(), lambda body, _: history.read_listed(body))
    except AskFailed:
        return []
    names: dict[str, bool] = {}
    for name, trades in listed.items():
        with suppress(UnsupportedMessage):  # an instrument of a kind that is not read
            names[connector.listing(name, connector.market).symbol] = trades
    said = []
    for symbol in connector.symbols:
        if symbol not in names:
            near = difflib.get_close_matches(symbol, names, n=3)
            what = f"; it lists {', '.join(near)}" if near else ""
            said.append(f"{connector.exchange} does not list {symbol}{what}")
        elif not names[symbol]:
            said.append(f"{connector.exchange} lists {symbol} as not trading")
    return said


def produce(
    home: Home,
    settings: Settings,
    connectors: Sequence[BaseConnector],
    *,
    record: Path | BucketUrl | None = None,
    stop: threading.Event | None = None,
    on_state: Callable[[ProducerState], None] = lambda state: None,
) -> tuple[ProducerState, str]:
    """Listen until `stop` is set; returns the last state, and why it stopped by itself (empty where it did not).

    record: A folder for raw frames, here or in a bucket, which `replay` reads back to the same trades; None keeps none.
    on_state: Called every second.
    Raises: HomeError: If another producer runs on the home. UsageError: If there is nothing to listen to.
    """
    stop = stop or threading.Event()
    with home.producer_lock("produce"):
        producer = Producer(
            open_stream(settings.stream.url, home.stream),
            connectors,
            journal=home.live_file,
            record=record,
            resume_within=settings.live.resume_within,
            least_free=settings.live.least_free,
        )
        try:
            with asyncio.Runner(loop_factory=gathering_loop) as runner:
                runner.run(_until(producer, stop, on_state))
        except BaseExceptionGroup as group:
            error: BaseException = group
            while isinstance(error, BaseExceptionGroup):  # what failed first is what a person can mend
                error = error.exceptions[0]
            raise error from group
        return producer.state(stopped=True), producer.stopping


async def _until(producer: Producer, stop: threading.Event, on_state: Callable[[ProducerState], None]) -> None:
    async def heed() -> None:
        while not await asyncio.to_thread(stop.wait, 0.2):
            on_state(producer.state())
        producer.stop()

    heeding = asyncio.create_task(heed())
    try:
        await producer.run()
    finally:
        heeding.cancel()


def named(connectors: Sequence[BaseConnector]) -> str:
    """What is listened to, in words: `binance BTC-USDT, ETH-USDT and coinbase BTC-USD`."""
    each = [f"{connector.exchange} {', '.join(_few(connector.symbols))}" for connector in connectors]
    return " and ".join(each)


def _few(symbols: Sequence[str], most: int = 6) -> list[str]:
    return [*symbols] if len(symbols) <= most else [*symbols[: most - 1], f"{len(symbols) - most + 1} more"]
