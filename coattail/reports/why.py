"""Why an alert was raised: the numbers in its details, in words. Details are open: what has no words is listed."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from coattail.reports.words import count, number, price

_SEEN = {
    "window_start", "window_end", "last_window_end", "first_trade_id", "last_trade_id", "timestamp", "leg_a", "leg_b",
    "side", "fills", "channel", "fired",
}  # fmt: skip
"""Said by the message, or of no use to a person."""
_MOST_OTHERS = 8


def why(alert_type: str, details: str) -> list[str]:
    """Sentences about the evidence; none where the details say nothing that the message does not."""
    found = _read(details)
    said = _Said(found)
    if alert_type in ("volume_spike", "volume_drop", "venue_stall"):
        sentences = _volume(said)
    elif alert_type == "whale_trade":
        sentences = _order(said)
    elif alert_type in ("spread_divergence", "stablecoin_depeg"):
        sentences = _spread(said)
    else:
        sentences = []
    others = [
        f"{key.replace('_', ' ')} {_plain(value)}"
        for key, value in found.items()
        if key not in said.used and key not in _SEEN and isinstance(value, str | int | float)
    ]
    if others:
        sentences.append(
            "Also: " + ", ".join(others[:_MOST_OTHERS]) + (" …" if len(others) > _MOST_OTHERS else "") + "."
        )
    return sentences


def fired(details: str) -> int:
    """How often the detector fired in the alert's episode."""
    times = _read(details).get("fired")
    return times if isinstance(times, int) and times > 0 else 1


_AGAINST = (
    ("score", "threshold"), ("z_score", "z_threshold"), ("net_z", "z_threshold"), ("notional_usd", "threshold_usd"),
    ("notional", "threshold"), ("spread_pct", "threshold_pct"), ("off_pct", "threshold_pct"),
)  # fmt: skip


def strength(details: str) -> float:
    """How many times its threshold the evidence is; 1 where the details do not say."""
    said = _Said(_read(details))
    for value, limit in ((said.get(value), said.get(limit)) for value, limit in _AGAINST):
        if value is not None and limit:
            return abs(value / limit)
    return 1.0


def legs(details: str) -> tuple[str, str] | None:
    """The two sides of an alert about two venues, each `exchange:symbol`."""
    found = _read(details)
    a, b = found.get("leg_a"), found.get("leg_b")
    return (a, b) if isinstance(a, str) and isinstance(b, str) else None


def _read(details: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(details)
    except msgspec.DecodeError:
        return {"details": details}
    return found if isinstance(found, dict) else {"details": found}


class _Said:
    """Numbers of the details, and which were asked for."""

    def __init__(self, details: dict[str, Any]) -> None:
        self._details = details
        self.used: set[str] = set()

    def get(self, key: str) -> float | None:
        value = self._details.get(key)
        self.used.add(key)
        try:
            found = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
        except ValueError:
            return None
        return found if math.isfinite(found) else None

    def text(self, key: str) -> str:
        self.used.add(key)
        return str(self._details.get(key))


def _volume(said: _Said) -> list[str]:
    volume, trades, windows = said.get("volume"), said.get("trades"), said.get("baseline_windows")
    mean, deviation = said.get("baseline_mean"), said.get("baseline_deviation")
    usual, score = said.get("usual_volume"), said.get("score")
    z, limit = said.get("z_score"), said.get("z_threshold")
    threshold, budget, days = said.get("threshold"), said.get("budget_per_day"), said.get("fitted_days")
    for key in ("baseline_median", "baseline_scale", "season"):
        said.get(key)
    found = []
    if volume is not None and trades is not None:
        found.append(f"The minute had a volume of {number(volume)} in {count(int(trades), 'trade')}.")
    if mean is not None and deviation is not None:
        over = f" over {windows:,.0f} minutes" if windows is not None else ""
        found.append(f"Before it, {number(mean)} ± {number(deviation)} a minute was usual{over}.")
    elif usual is not None:
        over = f", by the {windows:,.0f} minutes before" if windows is not None else ""
        found.append(f"{number(usual)} would have been usual{over}.")
    if z is not None and limit is not None:
        found.append(f"That is {abs(z):.1f} standard deviations {'above' if z > 0 else 'below'}; {limit:g} are enough.")
    if score is not None and threshold is not None:
        found.append(f"Its score is {score:.1f}, and above {threshold:.1f} it is an alarm{_learned(budget, days)}.")
    return found


def _learned(budget: float | None, days: float | None) -> str:
    if budget is None:
        return ""
    rate = f"about {budget:g} a day are meant to be"
    learned = f"; learned from {days:.1f} days" if days is not None else "; a starting value, for lack of a whole day"
    return f" ({rate}{learned})"


def _order(said: _Said) -> list[str]:
    first, last, impact = said.get("first_price"), said.get("last_price"), said.get("impact_bps")
    share, dollars, limit = said.get("share_pct"), said.get("notional_usd"), said.get("threshold_usd")
    floor, budget, days = said.get("threshold"), said.get("budget_per_day"), said.get("fitted_days")
    notional, quantity, rate = said.get("notional"), said.get("quantity"), said.get("rate_usd")
    for key in ("vwap", "incomplete"):
        said.get(key)
    assumed = said.text("dollar_parity") == "assumed"
    found = []
    if quantity is not None and notional is not None:
        found.append(f"It took {number(quantity)} for {number(notional)}.")
    if first is not None and last is not None and first > 0:
        moved = impact if impact is not None else 10_000 * abs(math.log(last / first)) if last > 0 else 0.0
        way = f"moved from {price(first)} to {price(last)} ({moved:.1f} bp)" if abs(moved) >= 0.05 else "hardly moved"
        found.append(f"The price {way} between its first and last fill.")
    if dollars is not None and limit is not None:
        found.append(f"Here {number(limit)} dollars are large{_learned(budget, days)}.")
    elif floor is not None:
        found.append(f"An order above {number(floor)} is large.")
    if share is not None:
        found.append(f"That is {share:.2g} % of a usual day here.")
    if rate is not None and rate != 1:
        found.append(f"One unit of the quote was worth {rate:.4f} dollars.")
    if assumed:
        found.append("A dollar stablecoin was taken for a dollar, for lack of a rate.")
    return found


def _spread(said: _Said) -> list[str]:
    a, b, net, basis = said.get("vwap_a"), said.get("vwap_b"), said.get("net_pct"), said.get("basis_pct")
    raw, limit, z = said.get("spread_pct"), said.get("limit_pct"), said.get("net_z")
    error, threshold, off = said.get("error_pct"), said.get("threshold_pct"), said.get("off_pct")
    trades = [said.get(key) for key in ("trades_a", "trades_b")]
    for key in ("rate_a", "rate_b", "fees_pct", "baseline_windows", "baseline_median", "baseline_scale", "z_threshold"):
        said.get(key)
    found = []
    if a is not None and b is not None:
        seen = f", from {trades[0]:,.0f} and {trades[1]:,.0f} trades" if None not in trades else ""
        found.append(f"Average prices were {price(a)} and {price(b)}{seen}.")
    if net is not None and basis is not None and raw is not None:
        found.append(f"Of {raw:+.2f} %, the stablecoin's rate explains {basis:+.2f} % and {net:+.2f} % are left.")
    elif raw is not None and threshold is not None:
        found.append(f"The gap was {raw:+.2f} %, without converting stablecoins; {threshold:g} % are enough.")
    elif off is not None and threshold is not None:
        found.append(f"{off:+.2f} % off; {threshold:g} % are enough.")
    if limit is not None:
        found.append(f"Fees and margin take {limit:g} %.")
    if z is not None:
        found.append(f"It lay {abs(z):.0f} robust deviations from what is usual between the two.")
    if error is not None:
        found.append(f"Chance explains at most {error:.2f} % (four standard errors).")
    return found


def _plain(value: object) -> str:
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
