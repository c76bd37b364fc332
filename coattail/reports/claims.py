"""Every figure that a report is quoted for, with the query that gives it: what a post may say. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from coattail.amounts import count, short
from coattail.detectors.described import EVERY_MARKET
from coattail.reports.facts import ReportFacts, Span
from coattail.reports.front import missing_of, severities_of
from coattail.reports.judged import largest_orders
from coattail.reports.ranked import by_severity
from coattail.reports.words import kind_in_words

_MOST_MESSAGES = 3


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A figure as it is said, or a sentence, and the query that answers it."""

    text: str
    """As it is said: `13 alerts`."""
    query: str
    """In Athena's SQL, one row of one column; `coattail sql` answers it."""
    value: int | float | str
    """The answer when the report was made."""
    snapshot: str | None
    """Of raw_trades, at which it was; None where nothing had landed."""


def claims_of(facts: ReportFacts) -> list[Claim]:
    """What may be said of the facts: trades and where, alerts by severity and kind, gaps, the largest order, messages.

    The first two are the trades and the alerts.
    """
    snapshot = None if facts.commit is None else str(facts.commit.snapshot_id)

    def claim(text: str, query: str, value: int | float | str) -> Claim:
        return Claim(text=text, query=query, value=value, snapshot=snapshot)

    span = facts.span
    bars = f"FROM bars WHERE {_within('bar_start', span)}{_only(facts.symbols)}"
    alerts = f"SELECT count(*) AS alerts FROM alerts WHERE {_within('detected_at', span)}{_concerning(facts.symbols)}"
    gaps = f"FROM coverage WHERE state = 'gap' AND {_meeting(span)}{_only(facts.symbols)}"
    trades, (holes, missing) = int(facts.bars["trades"].sum()), missing_of(facts)
    instruments = facts.bars.select("exchange", "symbol").n_unique()
    venues = facts.bars["exchange"].n_unique()
    found = [
        claim(count(trades, "trade"), f"SELECT coalesce(sum(trades), 0) AS trades {bars}", trades),
        claim(count(facts.alerts.height, "alert"), alerts, facts.alerts.height),
        claim(
            count(instruments, "instrument"),
            f"SELECT count(*) AS instruments FROM (SELECT DISTINCT exchange, symbol {bars}) AS found",
            instruments,
        ),
        claim(count(venues, "venue"), f"SELECT count(DISTINCT exchange) AS venues {bars}", venues),
        claim(
            f"{count(missing, 'trade')} missing",
            f"SELECT coalesce(sum(last_id - first_id + 1), 0) AS missing {gaps}",
            missing,
        ),
        claim(count(holes, "gap"), f"SELECT count(*) AS gaps {gaps}", holes),
    ]
    found += [claim(f"{n:,} {name}", f"{alerts} AND severity = {_quoted(name)}", n) for name, n in severities_of(facts)]
    found += [
        claim(kind_in_words(kind, n), f"{alerts} AND alert_type = {_quoted(kind)}", n)
        for kind, n in Counter(facts.alerts["alert_type"]).most_common()
    ]
    for order in largest_orders(facts, 1):
        preset = facts.orders["preset"][0]
        largest = (
            "SELECT max(coalesce(notional_usd, CAST(notional AS double))) AS dollars FROM whale_orders "
            f"WHERE {_within('timestamp', span)}{_only(facts.symbols)} AND preset = {_quoted(preset)}"
        )
        found.append(claim(f"largest order {short(order['dollars'])} dollars", largest, order["dollars"]))
    for row in by_severity(facts.alerts).head(_MOST_MESSAGES).iter_rows(named=True):
        message = f"SELECT message FROM alerts WHERE alert_id = {_quoted(row['alert_id'])}"
        found.append(claim(row["message"], message, row["message"]))
    return found


def _within(column: str, span: Span) -> str:
    since, until = _moments(span)
    return f"{column} >= {since} AND {column} < {until}"


def _meeting(span: Span) -> str:
    """Gaps that meet the span by the trades around them; one without either has no time."""
    since, until = _moments(span)
    return (
        f"coalesce(first_ts < {until}, true) AND coalesce(last_ts >= {since}, true) "
        "AND coalesce(first_ts, last_ts) IS NOT NULL"
    )


def _moments(span: Span) -> tuple[str, str]:
    since, until = (f"TIMESTAMP '{when:%Y-%m-%d %H:%M:%S} UTC'" for when in (span.since, span.until))
    return since, until


def _only(symbols: Sequence[str]) -> str:
    return f" AND symbol IN ({', '.join(map(_quoted, symbols))})" if symbols else ""


def _concerning(symbols: Sequence[str]) -> str:
    """Alerts about the symbols, about two venues of which one trades one, or about a whole venue that does."""
    if not symbols:
        return ""
    names = ", ".join(map(_quoted, symbols))
    legs = [f"split_part(json_extract_scalar(details, '$.leg_{end}'), ':', 2)" for end in "ab"]
    return (
        f" AND CASE WHEN symbol = '{EVERY_MARKET}' THEN exchange IN (SELECT exchange FROM coverage WHERE symbol IN "
        f"({names})) WHEN json_extract_scalar(details, '$.leg_a') IS NULL THEN symbol IN ({names}) "
        f"ELSE {legs[0]} IN ({names}) OR {legs[1]} IN ({names}) END"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
