"""The port: where alerts go, and which of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from coattail.alerts import PROVISIONAL, SEVERITIES, Alert
from coattail.errors import ConfigError
from coattail.notify.message import Message
from coattail.values import Positive, Symbol


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What came of a delivery."""

    outcome: Literal["delivered", "refused", "failed"]
    """refused: it will be refused again, so it is not tried again; failed: it may succeed later."""
    detail: str
    """In words, without a secret: `200 OK`, `no answer within 10 s`."""
    retry_after: timedelta | None = None
    """How long the other side asks to be left alone; None: it does not say."""


@dataclass(frozen=True, kw_only=True)
class AlertSink(ABC):
    """Where alerts go. Its parameters are keys of `notify.sinks.<name>`.

    Delivery: at least once; one alert has one key, by which a receiver can tell a repetition.
    Raises: ConfigError: If it cannot work as it is configured; the message says what to change, and no secret.
    """

    kind: ClassVar[str]
    """How the configuration names it."""

    name: str
    """The sink's own name: the key under `notify.sinks`."""
    types: tuple[str, ...] | None = None
    """Types of alerts, like volume_spike; None: all."""
    symbols: tuple[Symbol, ...] | None = None
    """Symbols, like BTC-USDT; None: all."""
    exchanges: tuple[str, ...] | None = None
    """Exchanges, like binance; None: all, and alerts about several exchanges too."""
    min_severity: str = "medium"
    """This level and above: low, medium, high, critical. What an alarm's budget means to raise is medium."""
    provisional: bool = False
    """Whether alerts of windows that are still open are sent: sooner, and some are taken back."""
    retractions: bool = False
    """Whether it is said when an alert that was sent is taken back."""
    rises: bool = False
    """Whether it is said when the severity of an alert that was sent rises."""
    max_delay: Positive[timedelta] | None = None
    """How long after it happened in the market an alert may be written and still be sent; None: any time, so what
    a backfill or a replay finds about old days is sent too."""
    max_per_minute: Positive[int] = 20
    """Deliveries in any minute: chat services allow 20 to 60. The rest waits."""
    attempts: Positive[int] = 12
    """Tries before a delivery is given up: about 25 minutes with the waits between them."""
    timeout: Positive[timedelta] = timedelta(seconds=10)
    """How long one delivery may take."""

    def __post_init__(self) -> None:
        if self.min_severity not in SEVERITIES:
            raise self.mistake("min_severity", f"{self.min_severity!r} is unknown", f"known: {', '.join(SEVERITIES)}")

    def mistake(self, key: str, what: str, step: str) -> ConfigError:
        """The error about one key of this sink's configuration."""
        return ConfigError(f"{self.at(key)} {what}", next_step=step)

    def at(self, key: str) -> str:
        """How the configuration names a key of this sink."""
        return f"notify.sinks.{self.name}.{key}"

    def wants(self, alert: Alert, written: datetime) -> bool:
        """Whether an alert, as it stands since `written`, is to be sent."""
        return (
            (self.max_delay is None or written - alert.detected_at <= self.max_delay)
            and (self.provisional or alert.status != PROVISIONAL)
            and (self.types is None or alert.alert_type in self.types)
            and (self.symbols is None or alert.symbol in self.symbols)
            and (self.exchanges is None or alert.exchange in self.exchanges)
            and SEVERITIES.index(alert.severity) >= SEVERITIES.index(self.min_severity)
        )

    @property
    @abstractmethod
    def goes_to(self) -> str:
        """Where it leads, in a word or two and without a secret: a host, a program."""

    @abstractmethod
    def deliver(self, message: Message) -> Receipt:
        """Hand a message over, within `timeout`. Whatever goes wrong on the way is an answer, not an exception."""
