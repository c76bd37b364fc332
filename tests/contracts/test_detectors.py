"""What every detector promises (`coattail.detectors.base`); a new one joins through `DETECTORS`."""

from __future__ import annotations

import ast
import inspect
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise

import polars as pl
import pytest

from coattail.alerts import FINAL, SEVERITIES, Alert
from coattail.config import load_settings
from coattail.detectors import DETECTORS, MODULE_TABLES, BaseDetector, Facts, detectors_for
from coattail.landing import Checks, Coverage, land
from coattail.landing.bars import merge_bars
from coattail.landing.orders import join_orders
from coattail.packing import Packer
from coattail.records import Trade, micros
from coattail.streams.base import Pack
from coattail.tables import BARS, CORE_TABLES, ORDERS

START = datetime(2025, 3, 4, 12, tzinfo=UTC)
MINUTES = 75
MINUTE = timedelta(minutes=1)
END = START + MINUTES * MINUTE

ALL = [kind(preset=preset) for preset, modules in DETECTORS.items() for kind in modules.values()]
CLASSIC = DETECTORS["classic"]

every_detector = pytest.mark.parametrize("detector", ALL, ids=lambda d: f"{d.preset}-{d.name}")


def make_trade(trade_id: int, when: datetime, *, exchange: str, quantity: float, price: float, side: str) -> Trade:
    return Trade(
        exchange=exchange,
        symbol="BTC-USDT" if exchange == "binance" else "BTC-USD",
        trade_id=trade_id,
        price=f"{price:.2f}",
        quantity=f"{quantity:.4f}",
        side=side,
        timestamp=micros(when),
        received=micros(when),
        session=exchange,
        payload="{}",
    )


@cache
def quiet() -> tuple[Trade, ...]:
    """Two exchanges, a trade every three seconds; ten times as many in minute 50, a spread in 54 and 55, a whale in 60.

    And a tether that is worth a dollar, give or take a hundredth of a percent.
    """
    rng = random.Random(1)
    trades = []
    for exchange in ("binance", "coinbase"):
        busy = [(n, k) for n in range(MINUTES * 20) for k in range(10 if n // 20 == 50 else 1)]
        for number, (slot, k) in enumerate(busy):
            minute = slot // 20
            late = 290 * k if minute == 50 else rng.randrange(2_900)
            when = START + timedelta(seconds=3 * slot, milliseconds=late)
            quantity = rng.uniform(0.01, 0.02)
            price = 60_000 * (1.01 if minute in (54, 55) and exchange == "coinbase" else 1) + rng.uniform(-5, 5)
            if minute == 60 and slot % 20 == 10:
                quantity = 12.0
            side = rng.choice(("buy", "sell"))
            trades.append(make_trade(number, when, exchange=exchange, quantity=quantity, price=price, side=side))
    for number in range(MINUTES * 6):
        when = START + timedelta(seconds=10 * number, milliseconds=rng.randrange(9_900))
        trade = make_trade(
            number,
            when,
            exchange="coinbase",
            quantity=1_000 + number % 7,
            price=1 + rng.uniform(-1e-4, 1e-4),
            side="buy",
        )
        trades.append(replace_fields(trade, symbol="USDT-USD", price="1.0001" if number % 2 else "0.9999"))
    return tuple(trades)


@cache
def small() -> tuple[Trade, ...]:
    """Besides `quiet`: a market in bitcoin, 20 times as busy in minute 50, and a USDC worth 99 cents in 62 to 64."""
    rng = random.Random(2)
    times = [3 * n + k / 8 for n in range(MINUTES * 20) for k in range(20 if n // 20 == 50 else 1)]
    trades = []
    for number, seconds in enumerate(times):
        when, quantity = START + timedelta(seconds=seconds, milliseconds=7), rng.uniform(0.01, 0.02)
        trade = make_trade(number, when, exchange="binance", quantity=quantity, price=1, side="buy")
        trades.append(replace_fields(trade, symbol="ETH-BTC", price="0.0501"))
    for number in range(MINUTES * 6):
        when = START + timedelta(seconds=10 * number, milliseconds=rng.randrange(9_900))
        trade = make_trade(number, when, exchange="coinbase", quantity=1_000 + number % 7, price=1, side="buy")
        trades.append(replace_fields(trade, symbol="USDC-USD", price="0.9877" if 62 <= number // 6 < 65 else "1.0001"))
    return (*quiet(), *trades)


def facts_of(
    trades: Sequence[Trade], *, watermark: datetime = END, since: datetime = START, until: datetime | None = None
) -> Facts:
    packer = Packer()
    for trade in trades:
        packer.add(trade)
    packs = [Pack(lane, str(place), data) for place, (lane, data) in enumerate(packer.take())]
    landed = land(packs, Coverage(), Checks())
    return Facts(
        bars=merge_bars(landed.bars),
        orders=join_orders(landed.orders),
        spans=landed.coverage.spans(),
        since=since,
        until=until or END + timedelta(hours=2),
        watermark=watermark,
    )


def alerts_of(detector: BaseDetector, facts: Facts) -> dict[str, Alert]:
    return {alert.alert_id: alert for alert in detector.flag(detector.score(facts))}


def rows(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    return sorted(frame.iter_rows(), key=str)


def documented(kind: type) -> dict[str, str]:
    """Field -> the docstring under it, of a dataclass and of those that it is made from."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        (body,) = (n.body for n in ast.parse(inspect.getsource(base)).body if isinstance(n, ast.ClassDef))
        for field, text in pairwise(body):
            is_text = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
                found[field.target.id] = " ".join(str(text.value.value).split())  # type: ignore[attr-defined]
    return found


@every_detector
def test_every_parameter_says_what_it_is_and_why_it_is_what_it_is(detector: BaseDetector) -> None:
    said = documented(type(detector))
    names = [field.name for field in fields(detector) if field.init]
    assert [name for name in names if len(said.get(name, "")) < 30] == []
    assert len({said[name] for name in names}) == len(names)


@every_detector
def test_its_table_says_what_it_is_derived_from_and_has_what_readers_ask_for(detector: BaseDetector) -> None:
    table = detector.table
    assert set(table.derived_from) <= {t.name for t in CORE_TABLES}
    assert table.derived_from
    assert {"preset", "revision", *detector.series} <= set(table.schema)
    assert detector.measures is None or detector.measures.column in table.schema
    assert table.day_of in table.schema
    assert "preset" in table.latest_by


@every_detector
def test_nothing_in_gives_nothing_out_in_the_tables_columns(detector: BaseDetector) -> None:
    empty = Facts(
        bars=BARS.empty(), orders=ORDERS.empty(), spans=Coverage().spans(), since=START, until=END, watermark=END
    )
    scored = detector.score(empty)
    assert scored.is_empty()
    assert set(detector.table.latest_by) <= set(scored.columns)
    assert {"detected_at", "closed"} <= set(scored.columns)
    assert detector.flag(scored) == []


@every_detector
def test_every_row_fits_the_detectors_table_and_its_key_is_unique(detector: BaseDetector) -> None:
    scored = detector.kept(detector.score(facts_of(quiet())))
    assert scored.height > 0
    detector.table.conform(scored)
    for name, kind in detector.table.schema.items():
        assert scored.schema.get(name, kind) == kind
    assert scored.select(detector.table.latest_by).is_duplicated().sum() == 0


@every_detector
def test_it_finds_what_is_there_and_says_it_in_the_alert_schema(detector: BaseDetector) -> None:
    alerts = alerts_of(detector, facts_of(quiet()))
    assert alerts
    for alert in alerts.values():
        assert detector.raises(alert.alert_type)
        assert alert.module_id == detector.module_id
        assert alert.severity in SEVERITIES
        assert alert.status == FINAL
        assert alert.detected_at.tzinfo is not None
        assert alert.message
        assert alert.preset == detector.preset


@every_detector
def test_equal_facts_give_equal_verdicts(detector: BaseDetector) -> None:
    facts = facts_of(quiet())
    assert detector.score(facts).equals(detector.score(facts))
    assert alerts_of(detector, facts) == alerts_of(detector, facts)


@every_detector
def test_the_order_of_the_facts_does_not_matter(detector: BaseDetector) -> None:
    facts = facts_of(quiet())
    mixed = replace(
        facts,
        bars=facts.bars.sample(fraction=1, shuffle=True, seed=3),
        orders=facts.orders.sample(fraction=1, shuffle=True, seed=3),
        spans=facts.spans.sample(fraction=1, shuffle=True, seed=3),
    )
    assert rows(detector.score(mixed)) == rows(detector.score(facts))
    assert alerts_of(detector, mixed) == alerts_of(detector, facts)


@every_detector
def test_two_stretches_judged_apart_give_what_one_gives(detector: BaseDetector) -> None:
    facts = facts_of(quiet())
    for middle in (START + 50.5 * MINUTE, START + 51 * MINUTE, START + 33 * MINUTE + timedelta(microseconds=1)):
        early = detector.score(replace(facts, until=middle))
        late = detector.score(replace(facts, since=middle))
        assert rows(pl.concat([early, late])) == rows(detector.score(facts))


@every_detector
def test_closed_verdicts_do_not_change_when_the_future_is_cut_off(detector: BaseDetector) -> None:
    """No look-ahead: what is closed at a moment is known from the trades up to that moment."""
    whole = detector.score(facts_of(quiet()))
    for minute in (52, 57.5, 61, 70.2):
        now = START + minute * MINUTE
        mark = now - timedelta(seconds=10)
        seen = [t for t in quiet() if t.timestamp is not None and t.timestamp <= micros(now)]
        then = detector.score(facts_of(seen, watermark=mark)).filter("closed")
        later = whole.filter(pl.col("detected_at") <= mark)
        assert rows(then) == rows(later)


@every_detector
def test_a_verdict_lies_at_most_a_window_after_the_newest_trade(detector: BaseDetector) -> None:
    """So the engine need not ask about later times, which `facts_of` does, by hours."""
    trades = [t for t in quiet() if (t.timestamp or 0) <= micros(START + 61.3 * MINUTE)]
    newest = max(START + timedelta(microseconds=(t.timestamp or 0) - micros(START)) for t in trades)
    for watermark in (newest, END + timedelta(hours=2)):
        scored = detector.score(facts_of(trades, watermark=watermark))
        latest = scored["detected_at"].max()
        assert isinstance(latest, datetime)
        assert latest <= newest + detector.window


@every_detector
def test_details_are_canonical_json(detector: BaseDetector) -> None:
    for alert in alerts_of(detector, facts_of(quiet())).values():
        again = json.dumps(json.loads(alert.details), sort_keys=True, separators=(",", ":"))
        assert again == alert.details


_AMOUNT = re.compile(r"([\d,]*\.?\d+)(?: (?:k|M|bn))? (?:%|times|bp|dollars|[A-Z]{3,5}(?: traded| at| in|\)))")


@every_detector
def test_amounts_in_messages_have_three_significant_digits(detector: BaseDetector) -> None:
    """Whatever the quote is worth: a minute's 0.0123 BTC is not `0 BTC`."""
    for alert in alerts_of(detector, facts_of(small())).values():
        amounts = _AMOUNT.findall(alert.message)
        assert amounts, alert.message
        for amount in amounts:
            digits = amount.replace(",", "").replace(".", "").lstrip("0").rstrip("0")
            assert 1 <= len(digits) <= 3, alert.message


@pytest.mark.parametrize("preset", ["classic", "default"])
def test_the_volume_in_a_message_is_the_one_in_the_details(preset: str) -> None:
    found = alerts_of(DETECTORS[preset]["volume-anomaly"](), facts_of(small())).values()
    mine = [alert for alert in found if alert.symbol == "ETH-BTC"]
    assert mine
    for alert in mine:
        said = re.split(r" BTC\b", alert.message)[0].split("(")[-1].split()[-1]
        assert float(said) == pytest.approx(float(json.loads(alert.details)["volume"]), rel=0.005)


def test_a_message_names_the_window_that_was_judged() -> None:
    """A depeg is judged by half minutes."""
    detector = DETECTORS["default"]["spread-calculator"]()
    found = [a for a in alerts_of(detector, facts_of(small())).values() if a.alert_type == "stablecoin_depeg"]
    assert found
    assert all("in the 30 seconds to" in alert.message for alert in found)


@every_detector
def test_an_alerts_id_depends_on_its_natural_key_alone(detector: BaseDetector) -> None:
    facts = facts_of(quiet())
    alerts = alerts_of(detector, facts)
    dearer = [replace_price(t, 1.0001) for t in quiet()]
    changed = alerts_of(detector, facts_of(dearer))
    assert changed.keys() == alerts.keys()
    assert {a.details for a in changed.values()} != {a.details for a in alerts.values()}
    open_ones = alerts_of(detector, replace(facts, watermark=START))
    assert alerts.keys() <= open_ones.keys() | {i for i, a in alerts.items() if a.alert_type == "volume_drop"}
    assert not alerts.keys() & alerts_of(replace(detector, preset="other"), facts).keys()


def replace_price(trade: Trade, factor: float) -> Trade:
    return replace_fields(trade, price=f"{float(trade.price or 0) * factor:.4f}")


@every_detector
def test_an_open_verdict_is_provisional_and_a_closed_one_final(detector: BaseDetector) -> None:
    facts = facts_of(quiet())
    for mark in (START, START + 55 * MINUTE, END):
        for alert in alerts_of(detector, replace(facts, watermark=mark)).values():
            assert (alert.status == FINAL) == (alert.detected_at <= mark)


def test_a_module_that_a_preset_lacks_is_left_out_there_and_its_table_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(CLASSIC, "spread-calculator")
    names = {preset: [d.name for d in detectors_for(load_settings(None, preset=preset))] for preset in DETECTORS}
    assert "spread-calculator" not in names["classic"]
    assert "spread-calculator" in names["default"]
    assert set(names["classic"]) == set(names["default"]) - {"spread-calculator"}
    assert "exchange_spreads" in {table.name for table in MODULE_TABLES}


# -- what holds for detectors of windows ------------------------------------------------------------------------------

every_window_detector = pytest.mark.parametrize(
    "detector", [d for d in ALL if d.window], ids=lambda d: f"{d.preset}-{d.name}"
)


@every_window_detector
def test_it_abstains_where_trades_are_missing(detector: BaseDetector) -> None:
    """Every window that a missing id may belong to, whatever is left in it, at whichever venue."""
    for minute in (50, 55):
        low, high = START + minute * MINUTE + timedelta(seconds=10), START + minute * MINUTE + timedelta(seconds=40)
        left = [t for t in quiet() if t.exchange == "binance" or not micros(low) <= (t.timestamp or 0) < micros(high)]
        scored = detector.score(facts_of(left))
        touched = scored.filter((pl.col("window_start") < high) & (pl.col("window_end") > low))
        if "exchange" in scored.columns:
            touched = touched.filter(pl.col("exchange") == "coinbase")
        assert set(touched["state"]) <= {"partial"}
        hidden = {a.detected_at for a in detector.flag(touched)}
        assert not hidden


@every_window_detector
def test_the_first_and_the_last_window_are_seen_in_part_and_not_judged(detector: BaseDetector) -> None:
    scored = detector.score(facts_of(quiet()))
    edges = scored.filter((pl.col("window_start") == START) | (pl.col("window_end") == END))
    assert edges.height > 0
    assert set(edges["state"]) == {"partial"}


def changed(trades: Sequence[Trade], minute: int, factor: float) -> list[Trade]:
    def inside(t: Trade) -> bool:
        return micros(START + minute * MINUTE) <= (t.timestamp or 0) < micros(START + (minute + 1) * MINUTE)

    return [replace_fields(t, quantity=f"{float(t.quantity or 0) * factor:.4f}") if inside(t) else t for t in trades]


def volume_rows(trades: Sequence[Trade]) -> dict[datetime, dict[str, object]]:
    detector = CLASSIC["volume-anomaly"]()
    scored = detector.score(facts_of(trades)).filter(pl.col("exchange") == "binance")
    return {row["window_start"]: row for row in scored.iter_rows(named=True)}


def test_a_window_is_not_part_of_its_own_baseline() -> None:
    before, after = (volume_rows(changed(quiet(), 65, factor)) for factor in (1, 50))
    here, next_one = START + 65 * MINUTE, START + 66 * MINUTE
    for name in ("baseline_windows", "baseline_mean", "baseline_deviation"):
        assert before[here][name] == after[here][name]
    assert before[here]["z_score"] != after[here]["z_score"]
    assert before[next_one]["baseline_mean"] != after[next_one]["baseline_mean"]


def test_a_baseline_is_the_sixty_windows_before_and_nothing_older() -> None:
    one, other = (volume_rows(changed(quiet(), 5, factor)) for factor in (1, 50))
    inside, after = START + 65 * MINUTE, START + 66 * MINUTE
    assert one[inside]["baseline_windows"] == one[after]["baseline_windows"] == 60
    assert one[inside]["baseline_mean"] != other[inside]["baseline_mean"]
    assert one[after] == other[after]


def test_with_less_than_thirty_covered_windows_nothing_is_judged() -> None:
    states = {start: row["state"] for start, row in volume_rows(quiet()).items()}
    assert states[START + 30 * MINUTE] == "short_history"
    assert states[START + 31 * MINUTE] == "judged"


@pytest.mark.parametrize(("size", "severity"), [(2.0, "medium"), (9.0, "high"), (17.0, "critical")])
def test_severity_follows_the_size(size: float, severity: str) -> None:
    seconds = [START + timedelta(seconds=s) for s in range(3)]
    trades = [
        make_trade(i, when, exchange="binance", quantity=size if i == 1 else 0.001, price=60_000, side="buy")
        for i, when in enumerate(seconds)
    ]
    (alert,) = alerts_of(CLASSIC["whale-detector"](), facts_of(trades)).values()
    assert alert.severity == severity


def test_fills_of_one_order_are_one_whale_and_those_of_others_are_not() -> None:
    when = START + MINUTE
    fills = [make_trade(i, when, exchange="binance", quantity=0.5, price=60_000, side="buy") for i in range(5)]
    (alert,) = alerts_of(CLASSIC["whale-detector"](), facts_of(fills)).values()
    assert json.loads(alert.details)["fills"] == 5
    split: list[Callable[[int, Trade], Trade]] = [
        lambda i, t: replace_fields(t, side="buy" if i % 2 else "sell"),
        lambda i, t: replace_fields(t, timestamp=(t.timestamp or 0) + i),
        lambda i, t: replace_fields(t, trade_id=2 * i),
    ]
    for change in split:
        others = [change(i, t) for i, t in enumerate(fills)]
        assert alerts_of(CLASSIC["whale-detector"](), facts_of(others)) == {}


def replace_fields(trade: Trade, **fields: object) -> Trade:
    import msgspec

    return msgspec.structs.replace(trade, **fields)
