"""The quality rules: which records land, which go to the DLQ and why, which are only flagged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import polars as pl

from coattail.exact import MAX_NOTIONAL, MAX_PRICE, MAX_QUANTITY
from coattail.records import OFF_BOOK, micros
from coattail.sections import QualitySettings

SYMBOL = r"^[A-Z0-9]{1,20}-[A-Z0-9]{2,10}(-PERP)?$"
MAX_AGGREGATE = 1_000_000
"""Most trade ids that one aggregated trade may cover."""
LATEST = micros(datetime(2099, 1, 1, tzinfo=UTC))
"""No clock of a receiver is this far: of times beyond the year 9999 no day and no window can be made."""


class Reason(StrEnum):
    """Which DLQ a rejected record goes to; the first that applies."""

    MALFORMED = "malformed"
    INCOMPLETE = "incomplete"
    INVALID = "invalid"


class Action(StrEnum):
    """What failing a check does to a record."""

    REJECT = "reject"
    FLAG = "flag"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One rule. `fails` is an expression over decoded records that is true where the rule is broken.

    Columns it may use: those of `unpacking.RECORD_SCHEMA`, and `price_number`, `quantity_number`,
    `quote_volume_number` (doubles; null where the text is not a number). Null counts as not failing.
    """

    name: str
    reason: Reason
    action: Action = Action.REJECT
    fails: pl.Expr


def standard_checks(
    *,
    symbols: Iterable[str] | None = None,
    late_after: timedelta = timedelta(minutes=5),
    tolerance: float = 0.001,
    earliest: datetime = datetime(2009, 1, 3, tzinfo=UTC),
    future_tolerance: timedelta = timedelta(minutes=1),
) -> tuple[Check, ...]:
    """The rules of SPEC 4. `symbols` None allows every canonical symbol."""
    trade = pl.col("error").is_null()
    price, quantity = pl.col("price_number"), pl.col("quantity_number")
    malformed = [
        Check(name="unreadable_frame", reason=Reason.MALFORMED, fails=~trade),
        Check(
            name="side_unknown", reason=Reason.MALFORMED, fails=trade & ~pl.col("side").is_in(["buy", "sell", OFF_BOOK])
        ),
    ] + [
        Check(
            name=f"{name}_not_a_number",
            reason=Reason.MALFORMED,
            fails=pl.col(name).is_not_null() & pl.col(f"{name}_number").is_null(),
        )
        for name in ("price", "quantity")
    ]
    incomplete = [
        Check(name=f"{name}_missing", reason=Reason.INCOMPLETE, fails=trade & pl.col(name).is_null())
        for name in ("symbol", "trade_id", "price", "quantity", "timestamp")
    ]
    last = pl.col("last_trade_id")
    rules: list[tuple[str, pl.Expr]] = [
        ("off_book", pl.col("side") == OFF_BOOK),
        ("price_not_positive", price <= 0),
        ("quantity_not_positive", quantity <= 0),
        ("price_implausible", ~price.is_finite() | (price > MAX_PRICE)),
        ("quantity_implausible", ~quantity.is_finite() | (quantity > MAX_QUANTITY)),
        ("notional_implausible", price * quantity > MAX_NOTIONAL),
        ("timestamp_too_old", pl.col("timestamp") < micros(earliest)),
        ("timestamp_in_the_future", pl.col("timestamp") > pl.col("received") + _micros(future_tolerance)),
        ("received_implausible", pl.col("received") >= LATEST),
        ("trade_id_negative", pl.col("trade_id") < 0),
        ("id_range_invalid", (last < pl.col("trade_id")) | (last - pl.col("trade_id") >= MAX_AGGREGATE)),
        ("symbol_not_canonical", ~pl.col("symbol").str.contains(SYMBOL)),
    ]
    if symbols is not None:
        rules.append(("symbol_not_configured", ~pl.col("symbol").is_in(sorted(symbols))))
    invalid = [Check(name=name, reason=Reason.INVALID, fails=fails) for name, fails in rules]
    volume = price * quantity
    flags = [
        Check(
            name="late",
            reason=Reason.INVALID,
            action=Action.FLAG,
            fails=(pl.col("received") - pl.col("timestamp") > _micros(late_after))
            & pl.col("source").ne_missing("backfill"),
        ),
        Check(
            name="inconsistent",
            reason=Reason.INVALID,
            action=Action.FLAG,
            fails=(pl.col("quote_volume_number") - volume).abs() > tolerance * volume,
        ),
    ]
    return (*malformed, *incomplete, *invalid, *flags)


@dataclass(frozen=True)
class Checks:
    """The rules in force, in the order in which their names are reported."""

    rules: tuple[Check, ...] = field(default_factory=standard_checks)

    @classmethod
    def of(cls, quality: QualitySettings) -> Checks:
        """The rules that the settings ask for."""
        return cls(
            standard_checks(
                symbols=quality.symbols,
                late_after=quality.late_after,
                tolerance=quality.quote_volume_tolerance,
                earliest=quality.earliest,
                future_tolerance=quality.future_tolerance,
            )
        )

    def apply(self, records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """(passed, rejected).

        Columns out: those in, `price_number`, `quantity_number`, `quote_volume_number`, and one boolean per
        flagging rule; `rejected` also has `reason` (a `Reason`) and `reasons` (every rule broken, in order).
        """
        numbers = records.with_columns(
            pl.col(name).cast(pl.Float64, strict=False).alias(f"{name}_number")
            for name in ("price", "quantity", "quote_volume")
        )
        rejecting = [check for check in self.rules if check.action is Action.REJECT]
        flagging = [check for check in self.rules if check.action is Action.FLAG]
        judged = numbers.with_columns(
            *(c.fails.fill_null(value=False).alias(c.name) for c in flagging),
            pl.any_horizontal(c.fails.fill_null(value=False) for c in rejecting).alias("_failed"),
        )
        failed = judged["_failed"]
        if not failed.any():
            return judged.drop("_failed"), self._with_reasons(judged.clear(), rejecting)
        return judged.filter(~failed).drop("_failed"), self._with_reasons(judged.filter(failed), rejecting)

    def _with_reasons(self, rejected: pl.DataFrame, rejecting: list[Check]) -> pl.DataFrame:
        order = list(Reason)
        names = pl.concat_list(
            pl.when(c.fails.fill_null(value=False)).then(pl.lit(c.name)).otherwise(None) for c in rejecting
        )
        worst = pl.min_horizontal(
            pl.when(c.fails.fill_null(value=False)).then(order.index(c.reason)) for c in rejecting
        )
        return rejected.with_columns(
            names.list.drop_nulls().alias("reasons"),
            worst.replace_strict(range(len(order)), [str(r) for r in order], return_dtype=pl.String).alias("reason"),
        ).drop("_failed")


def _micros(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)
