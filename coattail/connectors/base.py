"""What every exchange's connector promises, and the lenient reading of one JSON value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Literal, NamedTuple

import msgspec

from coattail.connectors.batch import Batch
from coattail.connectors.contracts import Listing
from coattail.connectors.history import History
from coattail.connectors.subscription import Notice, Subscription
from coattail.errors import MalformedMessage, UsageError
from coattail.records import Malformed, Source, Trade
from coattail.symbols import is_perpetual

MarketType = Literal["spot", "usdm", "coinm"]
"""`spot`; `usdm`: futures margined and settled in a dollar stablecoin; `coinm`: in the coin itself."""

MAX_INT64 = 2**63 - 1
"""Ids and times beyond this fit no column."""

MAX_FRAME = 256 << 10
"""Longest trade frame that is taken for one (bytes): real ones have 150 to 400. A longer one becomes a
`Malformed` record whose payload is cut here, so that a record always fits the stream."""


class UnsupportedMessage(MalformedMessage):
    """A sound message of a kind that this version does not read, for example a delivery future.

    A replay counts it under `kind` and names the kind. It descends from `MalformedMessage`, so that code which
    knows nothing of it still keeps the frame as a rejected row instead of losing it.
    """

    def __init__(self, kind: str) -> None:
        """`kind` names what was not read, the same words for every such message."""
        super().__init__(
            f"unsupported message: {kind}",
            next_step="leave it out of the recording or the subscription, or replay it with a version that reads it",
        )
        self.kind = kind


class Samples(NamedTuple):
    """Messages of one exchange in their real shapes, from which its contract tests are made."""

    bought: bytes
    """One trade whose taker bought."""
    sold: bytes
    """One trade whose taker sold."""
    silent: tuple[bytes, ...]
    """Messages without a trade: acknowledgements, heartbeats, the book, errors."""


@dataclass(frozen=True, kw_only=True)
class BaseConnector(ABC):
    """One exchange: all that is known about it. The instance is its configuration.

    `normalize` is pure: no clock, no network, no memory of earlier frames.
    """

    exchange: ClassVar[str]
    """Name in every record and in `CONNECTORS`."""
    ids_contiguous: ClassVar[bool]
    """True: trade ids rise by one per instrument, so a missing id is a missed trade. False: ids are only unique."""
    ids_remembered: ClassVar[timedelta] = timedelta(hours=24)
    """Event time, counted back from an instrument's newest trade, within which a repeated id is noticed, where ids are
    only unique; older trades are rejected, because nothing tells them from repeats. 24 h: what a reconnect or a replay
    of today's recording repeats; it takes 16 bytes per trade."""
    hosts: ClassVar[Mapping[str, MarketType]] = {}
    """Its domains, by which a URL in a capture shows whose it is -> the market of each; the longest that fits."""
    channels: ClassVar[Mapping[str, str]] = {}
    """Its feeds of trades, the best first -> scheme, host and port; none where it cannot be listened to."""
    elsewhere: ClassVar[str | None] = None
    """Another address of the feed, for countries that are refused."""
    trade_mark: ClassVar[bytes] = b""
    """Bytes that every message with a trade holds; only messages without them are looked at for a `notice`."""
    silence: ClassVar[timedelta | None] = None
    """A connection that says nothing for longer is dead, because a sound one sends heartbeats, say. None: the exchange
    promises none, and only pings are answered."""
    layouts: ClassVar[Mapping[str, Mapping[str, MarketType]]] = {}
    """Layouts of recordings that name exchanges, or hold only some exchange's files (`recordings.Format`) -> what this
    exchange is called there, and the market each name means. `frames` and `table` need no entry: they are for all."""
    samples: ClassVar[Samples]
    """Its messages in their real shapes."""

    market: MarketType = "spot"
    """Market of the messages that do not say it themselves."""
    symbols: tuple[str, ...] = ()
    """Canonical symbols to listen to; `normalize` reads every symbol that arrives."""
    channel: str = ""
    """Which of its feeds of trades is listened to, one of `channels`; empty means the first."""
    websocket_host: str | None = None
    """Scheme, host and port of the feed; None means the exchange's own."""
    rest_host: str | None = None
    """Scheme and host of the REST service; None means the exchange's own."""

    @classmethod
    def is_own(cls, message: bytes) -> bool:
        """Whether this message shows that a recording is of this exchange: no other exchange known here sends its like.

        By default a message that holds a trade does. Of two exchanges that speak the same language, one says False.
        """
        try:
            return bool(cls().normalize(message, 0))
        except MalformedMessage:
            return False

    @classmethod
    def market_shown(cls, message: bytes) -> MarketType | None:
        """The market that one of its messages shows; None where it does not. By default there is only one."""
        return cls.market

    @classmethod
    def listing(cls, native: str, market: MarketType) -> Listing:
        """The instrument that the exchange calls `native` in this market. By default the name is canonical already.

        Raises: UnsupportedMessage: If instruments of its kind are not read.
        """
        return Listing(cls.exchange, native)

    @classmethod
    def native(cls, symbol: str) -> str:
        """What the exchange calls the instrument of this canonical symbol. By default the same."""
        return symbol

    def subscriptions(self) -> list[Subscription]:
        """The connections that together hear the trades of all `symbols`. By default none: it cannot be listened to."""
        return []

    def _refuse_futures(self) -> None:
        """For `subscriptions` of an exchange whose feeds of futures are not listened to.

        Raises: UsageError: If one of `symbols` is a perpetual future.
        """
        if futures := [symbol for symbol in self.symbols if is_perpetual(symbol)]:
            raise UsageError(
                f"{futures[0]} is a future, and live only spot markets of {self.exchange} are heard",
                next_step="leave it out; which recordings of futures are read, docs/FORMATS.md says",
            )

    def notice(self, message: bytes) -> Notice | None:
        """What a message without a trade says that a listener must know; None for the others. By default none does."""
        return None

    @property
    def listens_to(self) -> str:
        """The feed that is listened to.

        Raises: UsageError: If it has no such feed.
        """
        if self.channel and self.channel not in self.channels:
            raise UsageError(
                f"{self.exchange} has no feed {self.channel!r}", next_step=f"it has: {', '.join(self.channels)}"
            )
        return self.channel or next(iter(self.channels))

    @property
    def address(self) -> str:
        """Scheme, host and port of the feed that is listened to, without a slash at the end."""
        return (self.websocket_host or self.channels[self.listens_to]).rstrip("/")

    async def stream(self) -> AsyncGenerator[Trade]:
        """The trades of `symbols` as they are heard, for ever: connections that break are made anew.

        Delivery: what is missed while a connection is down is not here; a `Producer` fetches it by the ids.
        """
        from coattail.connectors.listening import heard

        async with aclosing(heard(self)) as trades:
            async for trade in trades:
                yield trade

    def history(self, symbol: str) -> History:
        """How the exchange is asked for past trades of this canonical symbol.

        Raises: UsageError: If this version does not know how; by default it does not.
        """
        raise UsageError(
            f"past trades of {symbol} at {self.exchange} cannot be asked for: this version does not know how",
            next_step="leave it out",
        )

    @abstractmethod
    def normalize(
        self, message: bytes, received_at: int, *, source: Source = "replay", session: str = ""
    ) -> list[Trade]:
        """The trades of one frame; [] for acks, heartbeats, snapshots, book messages and errors.

        `received_at` is µs since 1970 UTC, not a datetime, because this is the hot path of a replay. It is
        carried, never compared: a receiver's clock may be behind the exchange's.

        A field that is missing or null becomes None; a price or size sent as a JSON number is taken as its text;
        a trade id sent as a string of digits is taken as the number.

        Raises:
            MalformedMessage: If the frame is not JSON, or is a trade with a field of another type.
            UnsupportedMessage: If the frame is sound, but of a kind that this version does not read.
        """

    def records(
        self, message: bytes, received_at: int, *, source: Source = "replay", session: str = ""
    ) -> list[Trade] | list[Malformed]:
        """As `normalize`, but a malformed or oversized frame is a `Malformed` record: nothing is lost, nothing stops.

        Raises: UnsupportedMessage: As `normalize` does.
        """
        try:
            trades = self.normalize(message, received_at, source=source, session=session)
            if not trades or len(message) <= MAX_FRAME:
                return trades
            problem = "a trade frame of an impossible length"
        except UnsupportedMessage:
            raise
        except MalformedMessage as error:
            problem = error.message
        return [malformed(self.exchange, problem, message, received_at, source=source, session=session)]

    def batch(
        self, messages: Sequence[bytes], received_at: Sequence[int], *, source: Source = "replay", session: str = ""
    ) -> Batch:
        """What `records` says of each message, together: the same trades, in the same order per instrument.

        A connector may override it with something faster.
        """
        batch = Batch(self.exchange, source, session)
        for message, at in zip(messages, received_at, strict=True):
            self._add(batch, message, at)
        return batch

    def _add(self, batch: Batch, message: bytes, received_at: int) -> None:
        try:
            batch.add(self.records(message, received_at, source=batch.source, session=batch.session))
        except UnsupportedMessage as error:
            batch.unsupported[error.kind] += 1


def malformed(
    exchange: str, error: str, message: bytes, received_at: int, *, source: Source = "replay", session: str = ""
) -> Malformed:
    """The record of a frame that could not be read: text as far as it is text, `\\xNN` where it is not."""
    if len(message) > MAX_FRAME:
        error = f"{error} (payload cut after {MAX_FRAME:,} of {len(message):,} bytes)"
    payload = message[:MAX_FRAME].decode("utf-8", "backslashreplace")
    return Malformed(
        exchange=exchange, error=error, payload=payload, received=received_at, source=source, session=session
    )


class LooseObject:
    """The fields of one JSON object, read leniently. The slow path, for frames the typed decoder refuses."""

    _decode = msgspec.json.Decoder(dict[str, msgspec.Raw])

    def __init__(self, raw: bytes, what: str) -> None:
        """`raw` is the JSON of the object, `what` its name in an error."""
        self._what = what
        try:
            self._fields = {name: bytes(value).strip() for name, value in self._decode.decode(raw).items()}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedMessage(f"{what} is not a JSON object: {error}") from error

    def __contains__(self, name: str) -> bool:
        """Whether the object has the field, null or not."""
        return name in self._fields

    def _value(self, name: str) -> bytes | None:
        value = self._fields.get(name)
        return None if value == b"null" else value

    def _wrong(self, name: str, wanted: str) -> MalformedMessage:
        value = self._fields[name][:60].decode("utf-8", "backslashreplace")
        return MalformedMessage(f"{self._what}: {name} is {value}, not {wanted}")

    def text(self, name: str) -> str | None:
        """A string; None where it is missing or null."""
        value = self._value(name)
        if value is None:
            return None
        if not value.startswith(b'"'):
            raise self._wrong(name, "a string")
        return msgspec.json.decode(value, type=str)

    def number_text(self, name: str) -> str | None:
        """The wire's text of a number, sent as a string or as a JSON number."""
        value = self._value(name)
        if value is not None and value[:1] in b"-0123456789":
            return value.decode()
        return self.text(name)

    def whole(self, name: str) -> int | None:
        """A whole number that fits 64 bits."""
        value = self._value(name)
        if value is None:
            return None
        if not value.removeprefix(b"-").isdigit() or len(value) > 20 or abs(int(value)) > MAX_INT64:
            raise self._wrong(name, "a whole number of 64 bits")
        return int(value)

    def trade_id(self, name: str) -> int | None:
        """A whole number, or a string of digits; None for a negative one, which Binance sends for "no trade"."""
        value = self._value(name)
        if value is not None and value.startswith(b'"'):
            digits = value[1:-1]
            if not digits.isdigit() or len(digits) > 19 or int(digits) > MAX_INT64:
                raise self._wrong(name, "a trade id")
            return int(digits)
        number = self.whole(name)
        return None if number is None or number < 0 else number

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value = self._value(name)
        if value is None:
            return None
        if value not in (b"true", b"false"):
            raise self._wrong(name, "true or false")
        return value == b"true"


def string_of(raw: msgspec.Raw | msgspec.UnsetType) -> str | None:
    """The text of a JSON string; None where it is another value or none."""
    if isinstance(raw, msgspec.UnsetType):
        return None
    try:
        return msgspec.json.decode(raw, type=str)
    except msgspec.ValidationError:
        return None


_validate = msgspec.json.Decoder(msgspec.Raw).decode


def text_of(message: bytes) -> str:
    """The frame as text, where it is one complete JSON value in UTF-8.

    Raises: MalformedMessage: If it is not.
    """
    try:
        _validate(message)
        return message.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessage(f"the frame is not JSON: {error}") from error


def lines_of(messages: Sequence[bytes]) -> bytes | None:
    """All messages, a newline between two; None where one is not UTF-8 or is of an impossible length."""
    if max(map(len, messages), default=0) > MAX_FRAME:
        return None
    lines = b"\n".join(messages)
    if not lines.isascii():
        try:
            lines.decode()
        except UnicodeDecodeError:
            return None
    return lines
