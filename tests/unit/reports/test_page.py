"""The page as a whole: in order, small, safe, and with words for whoever cannot see the charts."""

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from coattail.alerts import DISCLAIMER
from coattail.charts.svg import still
from coattail.detectors.spread import EXCHANGE_SPREADS
from coattail.detectors.whale import WHALE_TRADES
from coattail.reports.bundles import Bundle, hash_of, small
from coattail.reports.claims import claims_of
from coattail.reports.facts import ReportFacts, Span
from coattail.reports.live import script
from coattail.reports.page import LIGHT_BYTES, LIVE_BYTES, page_of
from coattail.reports.quality import Quality
from coattail.reports.words import covered
from tests.harness.elements import Elements
from tests.harness.report_facts import COMMANDS, HOUR, START, make_alert, make_bars, make_facts, make_range

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\u2028\u202e\"'`&"
"""What must stay text wherever it stands."""
TINY = Bundle("AwA=", "'sha256-x'")
"""In place of plotly.js."""


def page(facts: ReportFacts, live: Bundle | None = None, scorecards: Any = None) -> str:
    return page_of(facts, COMMANDS, scorecards or {}, live)


def make_spreads(*, net: bool, symbol: str = "BTC-USDT") -> pl.DataFrame:
    rows = [
        {
            "symbol": "BTC-USD", "exchange_a": "binance", "symbol_a": symbol, "exchange_b": "coinbase",
            "symbol_b": "BTC-USD", "window_start": START + timedelta(seconds=30 * n),
            "spread_pct": 0.1 + n % 7 / 100,
            "basis_pct": 0.05 if net else None,
            "net_pct": 0.05 + n % 7 / 100 if net else None, "state": "judged",
            "preset": "default" if net else "classic", "revision": 1,
            "window_end": START + timedelta(seconds=30 * n + 30),
        }
        for n in range(720)
    ]  # fmt: skip
    return EXCHANGE_SPREADS.conform(pl.DataFrame(rows, infer_schema_length=None))


def make_orders(symbol: str = "BTC-USDT") -> pl.DataFrame:
    rows = [
        {
            "exchange": "binance", "symbol": symbol, "trade_id": n, "last_trade_id": n,
            "side": ("buy", "sell", None)[n % 3], "timestamp": START + n * HOUR / 9, "fills": 3,
            "quantity": Decimal(2), "notional": Decimal(120_000 + n),
            "first_price": 60_000.0, "last_price": 60_006.0, "preset": "classic", "revision": 1,
        }
        for n in range(50)
    ]  # fmt: skip
    return WHALE_TRADES.conform(pl.DataFrame(rows))


def busy(symbol: str = "BTC-USDT", **changed: Any) -> ReportFacts:
    """Six hours with a bit of everything."""
    alerts = [make_alert(n, symbol=symbol, severity=("high", "critical")[n % 2]) for n in range(60)]
    alerts += [make_alert(99, alert_type="whale_trade", module_id="MOD-002", symbol=symbol)]
    coverage = [
        make_range("live", 0, 9_999, symbol=symbol),
        make_range("gap", 10_000, 10_004, symbol=symbol, cause="no idea"),
        make_range("unobserved", 11_000, 11_004, symbol=symbol),
        make_range("rejected", 12_000, 12_000, symbol=symbol),
    ]
    given = {"bars": make_bars(symbol), "alerts": alerts, "coverage": coverage,
             "spreads": make_spreads(net=True, symbol=symbol), "orders": make_orders(symbol)}  # fmt: skip
    return make_facts(**{**given, **changed})


def test_the_sections_are_in_the_readers_order() -> None:
    found = Elements(page(busy()))
    assert [s["id"] for s in found.of("section")] == [
        "alerts", "prices", "spreads", "orders", "quality", "scorecard", "verify", "drawings"
    ]  # fmt: skip
    assert [a["href"] for a in found.of("a")] == ["#content", *(f"#{s['id']}" for s in found.of("section"))]
    assert found.open == []
    assert DISCLAIMER in found.text


def test_where_a_detector_abstained_the_page_says_so_and_why() -> None:
    silent = {"module": "volume-anomaly", "about": "kraken <A-USD>", "share": 0.75, "reason": "short_history"}
    found = page(replace(make_facts(), abstained=[{**silent, "windows": 60}]))
    assert "Where less than half was judged" in found
    assert "kraken &lt;A-USD&gt;" in found
    assert "25%" in found
    assert "too little was seen before to say what is usual" in found
    assert "Where less than half was judged" not in page(make_facts())


def test_a_light_page_has_no_script_and_fetches_nothing() -> None:
    found = Elements(page(busy()))
    assert found.of("script") == []
    assert {
        name
        for _, attributes in found.found
        for name in attributes
        if name in ("src", "style") or name.startswith("on")
    } == set()
    assert all(str(a["href"]).startswith("#") for _, a in found.found if "href" in a)


def test_the_policy_of_a_page_allows_its_own_scripts_and_nothing_else() -> None:
    light, live = page(busy()), page(busy(), TINY)
    policies = [Elements(text).of("meta")[2]["content"] or "" for text in (light, live)]
    assert all(policy.startswith("default-src 'none'; ") for policy in policies)
    assert "script-src" not in policies[0]
    assert f"script-src {hash_of(script().encode())} {TINY.hash};" in policies[1]
    assert not any("http" in policy or "connect" in policy for policy in policies)
    style = re.search(r"<style>(.*?)</style>", light, re.DOTALL)
    assert style is not None
    assert hash_of(style[1].encode()) in policies[0]


@pytest.mark.parametrize("live", [None, TINY], ids=["light", "live"])
def test_nothing_hostile_becomes_markup(live: Bundle | None) -> None:
    alert = make_alert(
        message=HOSTILE, symbol=HOSTILE, exchange=HOSTILE, severity=HOSTILE, alert_type=HOSTILE, status=HOSTILE,
        alert_id=HOSTILE, preset=HOSTILE, details={"leg_a": HOSTILE, HOSTILE: HOSTILE, "volume": HOSTILE},
        evidence='{"config": "<i>", "module": "<b>"}',
    )  # fmt: skip
    quality = Quality(
        received=1, rejected=1, reasons={HOSTILE: 1}, samples=({"payload": HOSTILE, "reasons": [HOSTILE]},)
    )
    shown = busy(
        HOSTILE, alerts=[alert, make_alert(1, symbol=HOSTILE, message=HOSTILE)],
        quality=quality, symbols=(HOSTILE,),
    )  # fmt: skip
    text = page(shown, live, {HOSTILE: {HOSTILE: {HOSTILE: HOSTILE}}})
    found = Elements(text)
    assert found.open == []
    assert len(found.of("script")) == (0 if live is None else 3)
    assert found.of("img") == found.of("i") == []
    assert not any(name.startswith("on") for _, attributes in found.found for name in attributes)
    assert "\u2028" not in text
    assert "\u202e" not in text
    assert "owned" in found.text


def test_what_scripts_read_is_base64_and_can_end_no_element() -> None:
    text = page(busy(HOSTILE), TINY)
    data = re.search(r'<script type="text/plain" id="charts">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    assert re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", data[1])


def test_every_chart_has_a_text_alternative_with_its_numbers() -> None:
    found = Elements(page(busy()))
    drawings = [svg for svg in found.of("svg") if svg.get("class") == "still"]
    assert len(drawings) == 7
    assert all(svg["role"] == "img" and len(svg["aria-label"] or "") > 40 for svg in drawings)
    assert "60,002.5 at first, 62,156.5 at last" in str(drawings[0]["aria-label"])


def test_tables_can_be_scrolled_by_keyboard_and_have_a_name() -> None:
    regions = [div for div in Elements(page(busy())).of("div") if div.get("class") == "wide-table"]
    assert len(regions) >= 4
    assert all(div["tabindex"] == "0" and div["aria-label"] for div in regions)


def test_of_many_alerts_some_are_told_and_the_rest_is_a_command() -> None:
    text = Elements(page(busy())).text
    assert "And 37 more: coattail alerts --since 2025-03-04T00:00:00Z --until 2025-03-04T06:00:00Z --limit 61" in text
    assert "coattail explain 000000000000" in text


def test_an_episode_says_how_often_it_fired_and_an_open_window_that_it_is_open() -> None:
    text = Elements(page(busy(alerts=[make_alert(details={"fired": 4}, status="provisional")]))).text
    assert "fired 4 times · provisional" in text


def test_without_conversion_spreads_are_raw_and_the_page_says_so() -> None:
    raw = Elements(page(busy(spreads=make_spreads(net=False)))).text
    assert "does not convert stablecoins" in raw
    assert "what is left (net)" not in raw
    assert "what is left (net)" in Elements(page(busy())).text


def test_where_no_side_is_known_no_order_flow_is_drawn() -> None:
    known = make_bars(minutes=5)
    unknown = known.with_columns(pl.col("buy_notional") * 0, pl.col("buy_quantity") * 0, pl.lit(0).alias("buy_trades"))
    assert "bought by takers" in page(make_facts(bars=known))
    assert "bought by takers" not in page(make_facts(bars=unknown))


def test_a_page_says_that_its_charts_show_a_part_of_the_day() -> None:
    assert "Charts show 2025-03-04 00:00 to 00:05 UTC" in page(make_facts(bars=make_bars(minutes=5)))
    assert "Charts show" not in page(make_facts())


def test_an_empty_day_is_a_page_too() -> None:
    found = Elements(page(make_facts(bars=make_bars(minutes=0), quality=Quality())))
    assert "Nothing landed of this time." in found.text
    assert "received 0 = landed 0 + rejected 0 + duplicates 0" in found.text
    assert [s["id"] for s in found.of("section")] == ["alerts", "quality", "scorecard", "verify"]


def test_a_day_that_is_all_gap_is_drawn_as_one() -> None:
    gap = make_range("gap", 1, 90, first_ts=START - HOUR, last_ts=START + 9 * HOUR)
    text = page(make_facts(bars=make_bars(minutes=0), coverage=[gap]))
    assert "90 trades missing between 2025-03-03 23:00:00Z and 2025-03-04 09:00:00Z" in text
    assert 'class="shade gap"' in text


def test_quality_is_said_as_a_sum_and_a_sum_that_fails_is_said_too() -> None:
    assert "received 10 = landed 7 + rejected 1 + duplicates 2; score 87.5 %" in Elements(page(make_facts())).text
    wrong = make_facts(quality=Quality(received=11, landed=7, rejected=1, duplicates=2))
    assert "The sum does not hold" in page(wrong)


@pytest.mark.parametrize(("landed", "missing", "said"), [(999_999, 1, "99.999 %"), (5, 0, "100.000 %"), (0, 0, "-")])
def test_coverage_is_rounded_down(landed: int, missing: int, said: str) -> None:
    assert covered(landed, missing) == said


@pytest.mark.parametrize(
    ("scorecards", "said"),
    [
        ({}, "There is no scorecard"),
        ({"default": {"volume-anomaly": {"recall_pct": 97.5}}}, "recall pct"),
        ({"default": 7, "classic": {"volume-anomaly": {"recall": 1}}}, "There is no scorecard"),
    ],
)
def test_the_scorecard_is_that_of_the_preset_in_use_if_there_is_one(scorecards: Any, said: str) -> None:
    assert said in page(busy(alerts=[make_alert()], orders=WHALE_TRADES.empty()), None, scorecards)


def test_configurations_come_from_the_evidence() -> None:
    alert = make_alert(evidence='{"config": "c0ffee", "module": "volume-anomaly", "preset": "default"}')
    assert "volume-anomaly (default): c0ffee" in page(busy(alerts=[alert, make_alert(1, evidence="{")]))


def test_a_quote_in_a_symbol_ends_no_query() -> None:
    claims = claims_of(make_facts(symbols=("A'B",)))
    assert all("symbol IN ('A''B')" in claim.query for claim in claims[:6])


@pytest.mark.slow
def test_many_instruments_are_drawn_in_less_detail_rather_than_in_a_large_page() -> None:
    month = Span(since=START, until=START + timedelta(days=31))
    names = [f"C{n:02}-USD" for n in range(14)]
    one = make_bars(minutes=300, price=100)
    named = [(name, exchange) for name in names for exchange in "abc"]
    bars = pl.concat([one.with_columns(symbol=pl.lit(name), exchange=pl.lit(exchange)) for name, exchange in named])
    alerts = [make_alert(n, symbol=names[n % 14], exchange="a", message="m" * 400) for n in range(1900)]
    facts = make_facts(bars=bars, alerts=alerts, span=month, coverage=[
        make_range("gap", n, n, symbol=names[n % 14], exchange="b") for n in range(1400)])  # fmt: skip
    light = page(facts)
    assert len(light.encode()) <= LIGHT_BYTES
    assert "Not drawn, smaller: C" in light
    assert re.search(r"the \d+ most severe of 13\d", light)
    assert len(page(facts, Bundle("A" * 572_000, "x")).encode()) <= LIVE_BYTES


def test_equal_facts_give_equal_bytes() -> None:
    assert page(busy(), TINY) == page(busy(), TINY)


def test_a_still_chart_stays_within_its_frame() -> None:
    from coattail.reports.market import assets_of, price_chart, steps_of

    facts = make_facts()
    (asset,) = assets_of(facts)
    drawn = still(price_chart(facts, asset, steps_of(facts), []), points=400)
    path = re.search(r'd="M(\d+) (\d+)l([-\d ]+)"', drawn)
    assert path is not None
    steps = [int(n) for n in re.findall(r"-?\d+", path[3])]
    x, y = int(path[1]) + sum(steps[::2]), int(path[2]) + sum(steps[1::2])
    assert 0 <= x <= 2000
    assert 0 <= y <= 1000
    assert x > 1990


def test_a_live_page_is_small_enough_for_a_mail() -> None:
    assert len(page(busy(), small()).encode()) < 800_000
