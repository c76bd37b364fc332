"""Fault scripts: what goes wrong on an exchange and when, as data that a person can read and write.

```yaml
- {at_trade: 2000, do: reset}                                  # after 2,000 trades every connection is reset
- {at_second: 30, do: silence, for: 20}                        # 30 s of market time after the opening
- {at_trade: 5000, do: drop, trades: 100, exchange: binance}   # 100 trades are never told of
```

When: `at_trade` counts the exchange's trades since the opening, over all its instruments; `at_second` is market time
since the opening. How long: `for` is in seconds by the wall clock, as a client's timeouts are; `trades` counts the
exchange's trades. `exchange` None strikes all that are served.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import yaml

from coattail.errors import UsageError


class _Loader(yaml.SafeLoader):
    """YAML as people write it: `on` is a word, as since YAML 1.2, and not `true`."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    """One step of a script."""

    at_trade: int | None = None
    at_second: float | None = None
    exchange: Literal["binance", "coinbase", "advanced"] | None = None


class LastingFault(Fault, frozen=True, kw_only=True):
    """One that has an end."""

    seconds: float = msgspec.field(name="for")


class MessageFault(Fault, frozen=True, kw_only=True):
    """One that changes what is said about the next trades; REST is right all along."""

    trades: int = 1
    symbol: str | None = None
    """Only messages of this instrument (the exchange's own name); None: of all."""


class Reset(Fault, frozen=True, kw_only=True, tag="reset"):
    """Every WebSocket connection is reset (TCP RST); what had not been sent is lost."""


class Silence(LastingFault, frozen=True, kw_only=True, tag="silence"):
    """Half-open: open connections send and hear nothing, pings neither; after that time they are reset."""


class Stall(LastingFault, frozen=True, kw_only=True, tag="stall"):
    """Open connections stand still for that time; then everything arrives, late."""


class MutedConnections(Fault, frozen=True, kw_only=True, tag="mute"):
    """Open connections are told of no trade any more, and look alive: pings are answered, heartbeats come."""


class Drip(LastingFault, frozen=True, kw_only=True, tag="drip"):
    """Open connections send one byte at a time; what is left after that time is sent at once."""

    bytes_per_second: float = 500.0


class TruncatedFrame(Fault, frozen=True, kw_only=True, tag="truncated_frame"):
    """A WebSocket frame breaks off in its middle, and the connection ends there."""


class Garbage(Fault, frozen=True, kw_only=True, tag="garbage"):
    """Open connections are sent something senseless."""

    what: Literal["text", "not_utf8", "bytes"] = "text"
    """`text`: a message that is not JSON; `not_utf8`: a text frame that is not text; `bytes`: what is no frame."""


class Close(Fault, frozen=True, kw_only=True, tag="close"):
    """Every WebSocket is closed in good order, as after 24 hours."""

    code: int = 1001
    reason: str = ""


class Shutdown(Fault, frozen=True, kw_only=True, tag="shutdown"):
    """The exchange says that it is going down (Binance's `serverShutdown`), and closes (1001) a while later."""

    after: float = 5.0
    """Seconds between the two."""


class Drop(MessageFault, frozen=True, kw_only=True, tag="drop"):
    """Trades are never told of."""


class Duplicate(MessageFault, frozen=True, kw_only=True, tag="duplicate"):
    """Every message about the trades is sent twice."""


class Reorder(MessageFault, frozen=True, kw_only=True, tag="reorder"):
    """Messages are held until the last of the trades, then sent in reverse."""


class TruncatedJson(MessageFault, frozen=True, kw_only=True, tag="truncated_json"):
    """Messages are cut in the middle of their JSON; the frame is sound."""


class ChangedType(MessageFault, frozen=True, kw_only=True, tag="changed_type"):
    """A field of the message has another type."""

    field: str
    """As the exchange calls it: `p`, `t`, `price`, `trade_id`."""
    to: Literal["number", "text", "null", "list", "object", "missing"] = "null"


class Refuse(LastingFault, frozen=True, kw_only=True, tag="refuse"):
    """Nobody listens on the port; open connections stay."""


class SlowHandshake(LastingFault, frozen=True, kw_only=True, tag="slow_handshake"):
    """New connections wait before TLS begins, or before a plain request is read."""

    delay: float = 5.0
    """Seconds each waits."""


class AnswerWith(LastingFault, frozen=True, kw_only=True, tag="answer"):
    """Requests are answered with a status and nothing else: 429, 418, 451, 503."""

    status: int = 503
    retry_after: int | None = None
    """Seconds, in the header `Retry-After`; None: there is none."""
    on: Literal["rest", "websocket", "both"] = "both"


class Skew(LastingFault, frozen=True, kw_only=True, tag="skew"):
    """The exchange's clock is wrong: in the time of events and heartbeats and in REST's; trades keep their own time."""

    by: float
    """Seconds it is fast; negative: slow."""


class RefuseSubscriptions(LastingFault, frozen=True, kw_only=True, tag="refuse_subscriptions"):
    """Who subscribes to some instruments is refused (Coinbase), or acknowledged and told nothing (Binance)."""

    symbols: list[str]
    """The exchange's own names."""


class Delist(Fault, frozen=True, kw_only=True, tag="delist"):
    """An instrument is no more: nothing is told of it, and REST does not know it."""

    symbol: str
    """The exchange's own name."""


class ShiftedPages(Fault, frozen=True, kw_only=True, tag="shifted_pages"):
    """REST pages of trades begin at a wrong place: `by` ids early, so that they overlap, or late, so that they skip."""

    by: int
    """Trade ids (Binance's aggTrades: aggregate ids); below 0 overlaps, above 0 skips."""
    requests: int = 1
    """How many pages that are asked for by id are wrong."""


class OtherPages(Fault, frozen=True, kw_only=True, tag="other_pages"):
    """REST pages of trades that are asked for by id are those of another instrument."""

    symbol: str
    """Whose (the exchange's own name)."""
    requests: int = 1
    """How many pages."""


AnyFault = (
    Reset | Silence | Stall | MutedConnections | Drip | TruncatedFrame | Garbage | Close | Shutdown | Drop | Duplicate
    | Reorder | TruncatedJson | ChangedType | Refuse | SlowHandshake | AnswerWith | Skew | RefuseSubscriptions | Delist
    | ShiftedPages | OtherPages
)  # fmt: skip


def read_faults(path: Path) -> list[AnyFault]:
    """The steps of a script in YAML.

    Raises: UsageError: If it cannot be read, is not a list of steps, or a step lacks something; it says which.
    """
    known = "see docs/EXCHANGE.md for the steps"
    try:
        steps = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise UsageError(f"the fault script {path} cannot be read ({error.strerror})", next_step=known) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"the fault script {path} cannot be read: {error}", next_step=known) from error
    if not isinstance(steps, list):
        raise UsageError(f"the fault script {path} is not a list of steps", next_step=known)
    found: list[AnyFault] = []
    for number, step in enumerate(steps, 1):
        try:
            found.append(msgspec.convert(step, AnyFault))
            check_fault(found[-1])
        except (msgspec.ValidationError, UsageError) as error:
            raise UsageError(f"step {number} of {path}: {error}", next_step=known) from error
    return found


def check_fault(fault: AnyFault) -> None:
    """See that a step says when it strikes, once, and that its numbers are possible.

    Raises: UsageError: If not.
    """
    if (fault.at_trade is None) == (fault.at_second is None):
        raise UsageError("a step has either `at_trade` or `at_second`")
    lengths = [getattr(fault, name, 0) for name in ("at_trade", "at_second", "seconds", "trades", "delay", "after")]
    if any(length is not None and length < 0 for length in lengths):
        raise UsageError("a step strikes after the opening and lasts no less than 0")
    if isinstance(fault, AnswerWith) and not 400 <= fault.status <= 599:
        raise UsageError("`status` has to be one of 400 to 599")
    if isinstance(fault, Drip) and fault.bytes_per_second <= 0:
        raise UsageError("`bytes_per_second` has to be above 0")
