"""Why ids were missed: words of the producer, on which nothing else depends."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from coattail.landing.causes import Causes
from coattail.landing.coverage import Coverage
from coattail.landing.decode import decode
from coattail.landing.ledger import EXPLAINED, Run
from coattail.packing import Packer
from coattail.packs import encode_pack
from coattail.records import shared_by
from coattail.streams.base import Pack
from coattail.unpacking import sections_of, unpack
from tests.harness.scenes import START, make_trade

NOW = datetime(2025, 3, 4, tzinfo=UTC)
BTC = ("binance", "BTC-USDT")


def run(first: int, last: int, *, fetched: bool = False) -> Run:
    return Run(*BTC, "a", first, last, first * 1000, last * 1000, fetched)


def told(coverage: Coverage) -> list[tuple[str, int, int, str]]:
    rows = coverage.table(NOW).filter(pl.col("state").is_in(list(EXPLAINED)))
    return rows.select("state", "first_id", "last_id", "cause").rows()


def test_of_two_causes_of_an_id_the_first_holds() -> None:
    rng = random.Random(5)
    for _ in range(200):
        causes, plain = Causes(), dict[int, str]()
        for number in range(12):
            first = rng.randrange(40)
            last = first + rng.randrange(8)
            causes.add(first, last, f"w{number}")
            for i in range(first, last + 1):
                plain.setdefault(i, f"w{number}")
        assert {i: why for i in range(60) if (why := causes.of(i, i))} == plain
        assert causes.firsts == sorted(causes.firsts)
        words = [plain[i] for i in range(10, 13) if i in plain]
        assert causes.of(10, 12) == ("; ".join(dict.fromkeys(words)) or None)


def test_words_are_bounded() -> None:
    causes = Causes()
    for i in range(9):
        causes.add(i, i, f"{i}" * 1000)
    assert causes.of(0, 8) == "; ".join(str(i) * 300 for i in range(3))


def test_the_ledger_says_why_and_has_the_same_rows() -> None:
    runs = [run(1, 5), run(8, 9), run(20, 25)]
    without, changed = Coverage().with_changes(runs)
    coverage, also = Coverage().with_changes(runs, [], [(*BTC, 6, 7, "reset"), (*BTC, 1, 5, "never missing")])
    assert also == changed
    assert told(coverage) == [("gap", 6, 7, "reset"), ("gap", 10, 19, EXPLAINED["gap"])]
    assert coverage.table(NOW).drop("cause").equals(without.table(NOW).drop("cause"))
    assert coverage.spans().equals(without.spans())
    filled, _ = coverage.with_changes([run(6, 6, fetched=True)])
    assert told(filled) == [("backfilled", 6, 6, "reset"), ("gap", 7, 7, "reset"), ("gap", 10, 19, EXPLAINED["gap"])]
    assert told(coverage)[0][0] == "gap"  # it is a copy
    restored = Coverage.restored(filled.table(NOW), filled.sessions())
    assert told(restored) == told(filled)
    assert told(restored.with_changes([run(7, 7, fetched=True)])[0])[0] == ("backfilled", 6, 7, "reset")


@pytest.mark.parametrize("first", [-5, 0, 2**62])
def test_a_cause_of_ids_that_are_nowhere_changes_nothing(first: int) -> None:
    coverage, _ = Coverage().with_changes(
        [run(100, 105)], [], [(*BTC, first, first + 3, "x"), ("other", "X", 1, 2, "x")]
    )
    assert coverage.table(NOW)["state"].to_list() == ["live"]


def test_packs_carry_it_with_their_instrument_and_others_are_as_they_always_were() -> None:
    trades = [make_trade(i, START + timedelta(seconds=i)) for i in (1, 2, 5)]
    neighbour = make_trade(1, START, symbol="SOL-USD", session="another")
    packer = Packer()
    for trade in (neighbour, *trades):
        packer.add(trade)
    packer.miss(shared_by(trades[0]), 3, 4, "reset by peer")
    [(lane, both)] = packer.take()
    assert [section.head.missed for section in sections_of(both)] == [(), ((3, 4, "reset by peer"),)]
    assert decode([Pack(lane, "0", both)]).missed == [("coinbase", "SOL-USD", 3, 4, "reset by peer")]
    for trade in trades:
        packer.add(trade)
    [(_, plain)] = packer.take()
    assert plain == encode_pack(trades)
    assert b"missed" not in unpack(plain)
