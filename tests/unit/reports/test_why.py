"""The evidence in words, whatever the details hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coattail.detectors import DETECTORS
from coattail.reports.why import about, fired, strength, why
from tests.harness.report_facts import make_alert

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["volume", "trades", "score", "threshold", "fired", "leg_a", "net_pct", "first_price", "other"])


VOLUME, ORDER, SPREAD = "MOD-001", "MOD-002", "MOD-003"
detectors = st.sampled_from([(d.module_id, preset) for preset, kinds in DETECTORS.items() for d in kinds.values()])


def said(module: str, preset: str, **details: Any) -> str:
    return " ".join(why(module, preset, json.dumps(details)))


def test_a_burst_is_explained_by_its_baseline_and_threshold() -> None:
    words = said(VOLUME, "classic", volume="2799607.86", trades=2163, baseline_mean=636308.9,
                 baseline_deviation=603845.2, baseline_windows=60, z_score=3.58, z_threshold=2.5)  # fmt: skip
    assert words == (
        "The minute had a volume of 2,799,608 in 2,163 trades. Before it, 636,309 ± 603,845 a minute was usual over "
        "60 minutes. That is 3.6 standard deviations above; 2.5 are enough."
    )


def test_a_budget_is_explained_with_what_it_was_learned_from() -> None:
    words = said(VOLUME, "default", return_days=40.0, return_low=12.0, return_high=130.0, learned_days=7.0,
                 borrowed_days=0.0, budget_per_day=2.0)  # fmt: skip
    assert words == (
        "It comes about once in 40 days (12 to 130 days), learned from 7 days. "
        "An alarm is what comes less than once in 12 hours."
    )
    assert "a starting value, for lack of a whole day" in said(
        ORDER, "default", notional_usd=9e5, threshold_usd=1e5, budget_per_day=48, fitted_days=None
    )
    assert "learned from 6.5 days" in said(
        ORDER, "default", notional_usd=9e5, threshold_usd=1e5, budget_per_day=48, fitted_days=6.5
    )


def test_a_spread_is_split_where_the_stablecoins_rate_is_known() -> None:
    split = said(SPREAD, "default", spread_pct=1.32, basis_pct=0.03, net_pct=1.29)
    assert split == "Of +1.32 %, the stablecoin's rate explains +0.03 % and +1.29 % are left."
    raw = said(SPREAD, "classic", spread_pct=1.32, threshold_pct=0.5)
    assert raw == "The gap was +1.32 %, without converting stablecoins; 0.5 % are enough."


def test_what_has_no_words_is_listed() -> None:
    assert said("MOD-999", "default", pairs=3, by="wallet") == "Also: pairs 3, by wallet."


@given(detectors, st.dictionaries(keys, anything) | anything)
def test_any_details_are_read(detector: tuple[str, str], details: Any) -> None:
    module, preset = detector
    text = json.dumps(details)
    assert all(isinstance(sentence, str) for sentence in why(module, preset, text))
    assert fired(text) >= 1
    assert strength(module, preset, text) >= 0
    assert about({**make_alert(), "module_id": module, "preset": preset, "details": text})


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '"x"'])
def test_details_that_are_no_object_are_shown_as_they_are(text: str) -> None:
    assert why(ORDER, "default", text) is not None
    assert (fired(text), strength(ORDER, "default", text)) == (1, 1.0)


def test_an_alert_is_about_its_market_a_pair_or_a_whole_venue() -> None:
    legs = {"leg_a": "binance:BTC-USDT", "leg_b": "coinbase:BTC-USD"}
    pair = make_alert(alert_type="spread_divergence", module_id=SPREAD, exchange=None, symbol="BTC-USD", details=legs)
    peg = make_alert(alert_type="stablecoin_depeg", module_id=SPREAD, exchange="coinbase", symbol="USDT-USD")
    assert about(make_alert()) == {"exchange": "binance", "symbol": "BTC-USDT"}
    assert about(make_alert(symbol="ALL")) == {"exchange": "binance"}
    assert list(about(pair).values()) == ["binance", "BTC-USDT", "coinbase", "BTC-USD"]
    assert list(about(peg).values()) == ["coinbase", "USDT-USD", "par", "USD"]


def test_what_is_rarer_than_a_year_is_given_no_number_of_days_and_a_young_market_its_minutes() -> None:
    words = said(VOLUME, "default", return_days=900.0, return_low=100.0, return_high=9000.0, learned_days=7.0,
                 borrowed_days=7.0, expected_orders=10.0, baseline_windows=63, peak_days=30_000.0)  # fmt: skip
    assert "It comes less than once a year, learned from 7 days, all of them borrowed." in words
    assert "by the last 63 minutes" in words
    assert "30" not in words.replace("63", "")
    words = said(VOLUME, "default", return_days=3.0, return_low=1.0, return_high=9.0, peak_days=30_000.0)
    assert "At its rarest the episode came to less than once a year." in words
