"""The evidence in words, whatever the details hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coattail.detectors import ALERT_TYPES
from coattail.reports.why import fired, legs, strength, why

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["volume", "trades", "score", "threshold", "fired", "leg_a", "net_pct", "first_price", "other"])


def said(kind: str, **details: Any) -> str:
    return " ".join(why(kind, json.dumps(details)))


def test_a_burst_is_explained_by_its_baseline_and_threshold() -> None:
    words = said("volume_spike", volume="2799607.86", trades=2163, baseline_mean=636308.9, baseline_deviation=603845.2,
                 baseline_windows=60, z_score=3.58, z_threshold=2.5)  # fmt: skip
    assert words == (
        "The minute had a volume of 2,799,608 in 2,163 trades. Before it, 636,309 ± 603,845 a minute was usual over "
        "60 minutes. That is 3.6 standard deviations above; 2.5 are enough."
    )


def test_a_budget_is_explained_with_what_it_was_learned_from() -> None:
    words = said("volume_spike", score=7.7, threshold=4.0, budget_per_day=2.0, fitted_days=None)
    assert "about 2 a day are meant to be; a starting value, for lack of a whole day" in words
    assert "learned from 6.5 days" in said(
        "whale_trade", notional_usd=9e5, threshold_usd=1e5, budget_per_day=48, fitted_days=6.5
    )


def test_a_spread_is_split_where_the_stablecoins_rate_is_known() -> None:
    split = said("spread_divergence", spread_pct=1.32, basis_pct=0.03, net_pct=1.29)
    assert split == "Of +1.32 %, the stablecoin's rate explains +0.03 % and +1.29 % are left."
    raw = said("spread_divergence", spread_pct=1.32, threshold_pct=0.5)
    assert raw == "The gap was +1.32 %, without converting stablecoins; 0.5 % are enough."


def test_what_has_no_words_is_listed() -> None:
    assert said("wash_trading", pairs=3, by="wallet") == "Also: pairs 3, by wallet."


@given(st.sampled_from(sorted(ALERT_TYPES)), st.dictionaries(keys, anything) | anything)
def test_any_details_are_read(kind: str, details: Any) -> None:
    text = json.dumps(details)
    assert all(isinstance(sentence, str) for sentence in why(kind, text))
    assert fired(text) >= 1
    assert strength(text) >= 0
    assert legs(text) is None or len(legs(text) or ()) == 2


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '"x"'])
def test_details_that_are_no_object_are_shown_as_they_are(text: str) -> None:
    assert why("whale_trade", text) is not None
    assert (fired(text), legs(text), strength(text)) == (1, None, 1.0)
