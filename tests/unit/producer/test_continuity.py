"""Which ids are expected and which are missing, however they come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coattail.producer.continuity import Continuity, Hole
from coattail.records import Row


def rows(*spans: tuple[int, int]) -> list[Row]:
    """A trade for each range of ids, at its first id in µs."""
    return [Row(0, first, None if last == first else last, timestamp=first) for first, last in spans]


def plain(*ids: int) -> list[Row]:
    return rows(*((i, i) for i in ids))


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)).map(lambda p: (p[0], sum(p))), min_size=1), max_size=8
    )
)
def test_missing_is_what_no_trade_covered_between_the_lowest_id_and_the_highest(
    batches: list[list[tuple[int, int]]],
) -> None:
    continuity, heard = Continuity(), set[int]()
    for batch in batches:
        continuity.hear(rows(*batch))
        heard |= {i for first, last in batch for i in range(first, last + 1)}
        missing = [i for hole in continuity.missing() for i in range(hole.first, hole.last + 1)]
        assert missing == [i for i in range(min(heard), max(heard)) if i not in heard]
        assert continuity.newest == max(heard)


def test_a_hole_knows_the_times_around_it_and_is_told_of_once() -> None:
    continuity = Continuity()
    assert continuity.hear(plain(1, 2, 3)) == []
    assert continuity.hear(plain(7, 8)) == [Hole(4, 6, 3, 7)]
    assert continuity.hear(plain(9, 5)) == []
    assert list(continuity.missing()) == [Hole(4, 4, 3, 7), Hole(6, 6, 3, 7)]
    assert continuity.floor == 3


def test_ids_that_an_exchange_does_not_have_are_accounted_for() -> None:
    continuity = Continuity()
    continuity.hear(plain(1, 5))
    continuity.account(2, 4)
    assert list(continuity.missing()) == []
    assert continuity.floor == 5


def test_what_is_promised_and_does_not_come_is_missing() -> None:
    continuity = Continuity()
    continuity.promise(9)  # nothing has been heard yet, so nothing is expected
    continuity.hear(plain(1))
    assert list(continuity.missing()) == []
    continuity.promise(3)
    assert [(h.first, h.last) for h in continuity.missing()] == [(2, 3)]
    continuity.hear(plain(2, 3))
    assert list(continuity.missing()) == []


def test_a_run_goes_on_where_the_one_before_had_nothing_missing() -> None:
    continuity = Continuity(floor=10)
    continuity.hear(plain(14))
    assert [(h.first, h.last) for h in continuity.missing()] == [(11, 13)]


def test_a_trade_without_an_id_is_passed_over() -> None:
    continuity = Continuity()
    continuity.hear([*plain(1), Row(0), *plain(2)])
    assert continuity.floor == 2
