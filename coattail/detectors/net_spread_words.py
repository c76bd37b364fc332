"""Alerts about spreads in sentences: for a message, and for why it was raised. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coattail.amounts import count, price, short
from coattail.detectors.basis import IMPLIED, MARKET, OWN
from coattail.detectors.described import Details
from coattail.detectors.episodes import fired
from coattail.detectors.lines import PERPETUAL, WHOLE
from coattail.detectors.rare_words import between, in_days, span
from coattail.detectors.rarity import poisson
from coattail.detectors.spread import averages
from coattail.symbols import quote_of

_NOTHING = 0.02
"""Percent that nobody would take out: a tenth of what two fees come to."""
_LEAST_DAYS = 0.9
"""Known days before without which nothing is said of how rare it is: nearly each hour of the day once."""
_WINDOW = "in the 30 seconds to {:%H:%M:%S} UTC"


def spread_message(row: Mapping[str, Any]) -> str:
    """That one of two markets is dearer than the other, by how much, and what was taken out."""
    net = row["net_pct"]
    legs = (f"{row['exchange_a']}:{row['symbol_a']}", row["price_a"]), (
        f"{row['exchange_b']}:{row['symbol_b']}", row["price_b"],
    )  # fmt: skip
    (one, one_price), (other, other_price) = legs if net > 0 or row["kind"] == PERPETUAL else reversed(legs)
    above = "below" if row["kind"] == PERPETUAL and net < 0 else "above"
    spot = " its spot market" if row["kind"] == PERPETUAL else ""
    return (
        f"{row['symbol']}: {one} was {short(abs(net))} % {above}{spot} {other}{_measured_by(row)} "
        f"{_WINDOW.format(row['window_end'])} "
        f"({price(one_price)} against {price(other_price)}{_taken_out(row)}){_before(row)}" + fired(row["fired"])
    )


def venue_message(row: Mapping[str, Any]) -> str:
    """That all coins of a venue are dearer than at another."""
    net, quotes = row["net_pct"], (quote_of(row["symbol_a"]), quote_of(row["symbol_b"]))
    venues = [f"{row[f'exchange_{end}']} ({quote})" for end, quote in zip("ab", quotes, strict=True)]
    dearer, cheaper = venues if net > 0 else reversed(venues)
    stable = [quote for quote in dict.fromkeys(quotes) if quote != "USD"]
    either = f"a venue, or {' or '.join(stable)}, is off" if row["basis"] != MARKET and stable else "a venue is off"
    return (
        f"{dearer} was {short(abs(net))} % above {cheaper}{_taken_out(row)}, in the median of {row['coins']} coins "
        f"{_WINDOW.format(row['window_end'])}: {either}{_before(row)}" + fired(row["fired"])
    )


def depeg_message(row: Mapping[str, Any]) -> str:
    """That a stablecoin is above or below a dollar."""
    off = row["spread_pct"]
    return (
        f"{row['base']} was {short(abs(off))} % {'above' if off > 0 else 'below'} a dollar on {row['exchange_a']} "
        f"{_WINDOW.format(row['window_end'])} (at {price(row['rate_a'])})" + fired(row["fired"])
    )


def _measured_by(row: Mapping[str, Any]) -> str:
    """What makes one market the dearer, where by its price alone it is the cheaper."""
    if row["net_pct"] * (row["net_pct"] + row["basis_pct"]) >= 0:
        return ""
    who = {IMPLIED: "the other coins", MARKET: "the stablecoin's market"}.get(row["basis"], "what is usual")
    return f", measured by {who},"


def _taken_out(row: Mapping[str, Any]) -> str:
    """What of the distance is not counted, the way of the gap or the other, and who says so."""
    basis, source = row["basis_pct"], row["basis"]
    if abs(basis) < _NOTHING:
        return ""
    if row["net_pct"] < 0:
        basis = -basis
    size = f"{short(abs(basis))} %"
    if source == OWN:
        return f", beyond the {size} that is usual" if basis > 0 else f", where {size} the other way is usual"
    who = f"all {row['coins']} coins share" if source == IMPLIED else "the stablecoin's market explains"
    return f", beyond the {size} that {who}" if basis > 0 else f", where {who} {size} the other way"


def _before(row: Mapping[str, Any]) -> str:
    """How rare that is: what the hours that it was compared with know, and the whole days before."""
    widest = row["widest_pct"]
    hours = f"; {'at most' if abs(row['net_pct']) > widest else 'up to'} {short(widest)} % in the hours before"
    days, times = row["learned_days"], row["as_wide"]
    if days < _LEAST_DAYS:
        return f"{hours}, too early to say how rare"
    period = f" (about one in {span(days / times)})" if times > 1 else ""
    return f"{hours}, {count(times, 'gap') if times else 'no gap'} as wide in the {_whole(days)} before{period}"


def _how_rare(days: float, times: int) -> str:
    """The same of the days, as a sentence with what chance does to a count."""
    if days < _LEAST_DAYS:
        return "Less than a day before it was known, so how rare it is cannot be said yet."
    low, high = poisson(times)
    before = f"In the {_whole(days)} before (UTC) there {'were' if times > 1 else 'was'}"
    if times == 0:
        return f"{before} none as wide: that comes less than about once in {span(days / high)} (19 cases of 20)."
    return (
        f"{before} {times:,} as wide: about one in {span(days / times)} "
        f"({between(days / high, days / low)}, 9 cases of 10)."
    )


def _whole(days: float) -> str:
    said = in_days(days)
    return "day" if said == "1 day" else said


def reasons(details: Details) -> list[str]:
    """Sentences about the numbers in the details of an alert about a spread, a venue or a stablecoin."""
    raw, basis, net, z = (details.get(key) for key in ("spread_pct", "basis_pct", "net_pct", "net_z"))
    off, threshold, limit = (details.get(key) for key in ("off_pct", "threshold_pct", "limit_pct"))
    error, found = details.get("error_pct"), averages(details)
    source, kind = details.all.get("basis"), details.all.get("kind")
    a, b = details.get("price_a"), details.get("price_b")
    details.pass_over("rate_a", "rate_b", "fees_pct", "baseline_windows", "baseline_median", "baseline_scale",
                      "z_threshold", "basis", "kind", "coins", "trades_a", "trades_b")  # fmt: skip
    if a is not None and b is not None:
        found.append(f"Prices were {price(a)} and {price(b)} (medians of the last prices of three 10-second bars).")
    if net is not None and basis and raw is not None:
        who = {IMPLIED: "what all coins of these venues have in common", MARKET: "the stablecoin's rate"}.get(
            str(source), "the stablecoin's rate" if source is None else "what is usual between them"
        )
        found.append(f"Of {raw:+.2f} %, {who} explains {basis:+.2f} % and {net:+.2f} % are left.")
    widest = details.get("widest_pct")
    if widest is not None:
        found.append(f"The widest of the past that it was compared with was {widest:.2f} %.")
    days, times = details.get("learned_days"), details.get("as_wide")
    if days is not None:
        found.append(_how_rare(days, int(times or 0)))
    if kind == WHOLE:
        found.append("It is the median of all coins that both venues trade, so no single market makes it.")
    rate, trades = details.get("rate"), details.get("trades")
    if rate is not None and trades is not None:
        found.append(f"Its average price was {price(rate)} dollars, in {count(int(trades), 'trade')}.")
    if off is not None and threshold is not None:
        plain = off if rate is None else 100 * (rate - 1)  # `off_pct` is a logarithm
        found.append(f"{plain:+.2f} % off; {threshold:g} % are enough.")
    if limit is not None:
        found.append(f"Fees and margin take {limit:g} %.")
    if z is not None:
        found.append(f"It lay {abs(z):.0f} robust deviations from what is usual between the two.")
    if error is not None:
        found.append(f"Chance explains at most {error:.2f} % (four standard errors).")
    return found
