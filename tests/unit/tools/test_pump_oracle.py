"""How rare pumps truly are, counted by hand."""

from __future__ import annotations

import numpy as np

from tools.pump_oracle import oracle_table, true_periods


def test_a_true_period_counts_the_quarter_hours_that_reach_as_high() -> None:
    blocks = np.arange(960.0)  # ten days, each channel alike
    peaks = np.stack([blocks, blocks, np.full(960, -np.inf)])[None]
    lowest = np.full((2, 9), -np.inf)
    third = np.vstack([lowest, np.full((1, 9), 5000.0)])  # a channel of which nothing is known
    third[0, 3] = 957.0
    beyond, usual = np.full((3, 9), -np.inf), np.full((3, 9), -np.inf)
    beyond[1, 0], usual[1, 8] = 1000.0, 0.0
    assert true_periods(peaks, np.stack([third, beyond, usual])).round(4).tolist() == [3.3333, 20.0, 0.0104]


def test_the_table_says_shares_and_how_many_days() -> None:
    row = {"market": "thin", "size": "150 to 300", "days": 1000, "pumps": 14, "high": 0.357, "critical": 0.1429}
    assert oracle_table([row]).splitlines()[-1] == "| thin | 150 to 300 | 14 | 1,000 | 36 % | 14 % |"
