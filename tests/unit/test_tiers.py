"""Every tier is a size that EMR Serverless takes, and says its modules."""

from __future__ import annotations

import pytest

from coattail.config import load_settings, tier_names
from coattail.errors import ConfigError
from coattail.tiers import workers_of

SIZES = {1: range(2, 9), 2: range(4, 17), 4: range(8, 31), 8: range(16, 61, 4), 16: range(32, 121, 8)}
"""vCPU of a worker -> GB that it may have. Source: EMR Serverless user guide, "Understanding worker configurations"."""


def test_a_larger_tier_has_more_executors() -> None:
    totals = {tier: (workers_of(tier).vcpus, workers_of(tier).memory_gbs) for tier in tier_names()}
    assert totals == {"small": (4, 8), "medium": (6, 12), "large": (8, 16)}


@pytest.mark.parametrize("tier", tier_names())
def test_a_tier_is_a_size_that_the_service_takes_and_says_its_modules(tier: str) -> None:
    workers = workers_of(tier)
    assert workers.memory_gb in SIZES[workers.vcpu]
    assert workers.count >= 2, "a driver and an executor"
    assert load_settings(None, tier).modules


def test_an_unknown_tier_has_no_size() -> None:
    with pytest.raises(ConfigError, match="unknown tier 'huge'") as refused:
        workers_of("huge")
    assert refused.value.next_step == "choose one of: large, medium, small"
