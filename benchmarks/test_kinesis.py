"""How many trades a Kinesis shard takes as packs."""

from __future__ import annotations

import pytest

from benchmarks import kinesis_packing, report
from benchmarks.conftest import Size


@pytest.mark.parametrize("symbols", [3, 30, 300])
def test_trades_of_a_shard_and_second(symbols: int, size: Size) -> None:
    found = kinesis_packing.measure(symbols, seconds=20 if size.rounds > 1 else 3)
    report.row(
        f"trades a Kinesis shard takes, {symbols} symbols",
        ours=found.trades_per_shard_second / 1e3,
        peer=found.json_trades_per_shard_second / 1e3,
        unit="thousand trades/s",
        ratio=found.times_json,
        must=15,
        aim=20,
        note=f"{found.trades_per_second:,.0f} trades/s lingering 250 ms: {found.trades_per_pack:.1f} in a pack, "
        f"{found.bytes_per_trade:.0f} bytes a trade; peer: a JSON record per trade, "
        f"{found.json_bytes_per_trade:.0f} bytes",
    )
