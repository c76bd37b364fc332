"""The quarter hours that come with the package are those that the tool draws."""

from __future__ import annotations

import numpy as np
import pytest

from coattail.detectors.rare_fit import nearest, reference
from tools.reference_markets import PACES, market


@pytest.mark.parametrize("pace", [0.4, 9.0])
def test_a_reference_market_is_what_its_tool_draws(pace: float) -> None:
    orders, peaks = market(pace, dict(PACES)[pace])
    activity, stored = reference()
    row = int(nearest(activity, orders))
    assert activity[row] == pytest.approx(orders)
    assert np.array_equal(np.sort(stored[row], axis=1), np.sort(peaks, axis=1))


def test_there_is_one_for_every_pace_from_empty_to_crowded() -> None:
    activity, peaks = reference()
    assert len(activity) == len(PACES)
    assert (np.diff(activity) > 0).all()
    assert activity[0] < 200
    assert activity[-1] > 300_000
    assert np.isfinite(peaks[:, 0]).mean() > 0.9
