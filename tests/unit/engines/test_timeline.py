from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from coattail.engines.timeline import cut, regions, without
from coattail.records import when

MINUTE = 60_000_000
YEAR = 365 * 86_400 * 1_000_000


def test_a_jump_of_years_is_judged_only_where_trades_are() -> None:
    traded = [(0, MINUTE), (YEAR, YEAR + MINUTE)]
    lengths = {"reach": timedelta(hours=1), "window": timedelta(minutes=5)}
    found = regions([(YEAR, YEAR + MINUTE)], (30 * 1_000_000, YEAR), **lengths, traded=traded)
    assert found == [
        (when(30 * 1_000_000), when(6 * MINUTE + 1)),
        (when(YEAR), when(YEAR + 6 * MINUTE + 1)),
    ]


stretches = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 40)), max_size=6).map(
    lambda pairs: [(low * MINUTE, (low + length) * MINUTE) for low, length in pairs]
)


@given(changed=stretches, traded=stretches, closing=st.tuples(st.integers(0, 200), st.integers(0, 200)))
def test_leaving_out_what_holds_no_trade_leaves_out_nothing_else(
    changed: list[tuple[int, int]], traded: list[tuple[int, int]], closing: tuple[int, int]
) -> None:
    mark = (closing[0] * MINUTE, closing[1] * MINUTE)
    reach, window = timedelta(minutes=20), timedelta(minutes=5)
    everywhere = regions(changed, mark, reach=reach, window=window)
    here = regions(changed, mark, reach=reach, window=window, traded=traded)

    def inside(moment: int, found: list[tuple[object, object]]) -> bool:
        return any(low <= when(moment) < high for low, high in found)  # type: ignore[operator]

    for low, high in traded:
        for moment in range(low, high + 5 * MINUTE + 1, MINUTE):  # where a window with these trades may end
            assert inside(moment, here) == inside(moment, everywhere)  # type: ignore[arg-type]
    assert all(inside((low - when(0)) // timedelta(microseconds=1), everywhere) for low, _ in here)  # type: ignore[arg-type]


STRETCHES = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda s: (s[0], s[0] + s[1])), max_size=6)


@given(STRETCHES, STRETCHES)
def test_what_is_left_of_stretches_is_what_is_in_no_other(
    stretches: list[tuple[int, int]], taken: list[tuple[int, int]]
) -> None:
    def inside(where: list[tuple[int, int]]) -> set[int]:
        return {moment for low, high in where for moment in range(low, high)}

    assert inside(without(stretches, taken)) == inside(stretches) - inside(taken)


@given(st.integers(0, 40), st.integers(1, 10**12))
def test_long_stretches_are_cut_into_days_without_a_hole(days: int, micros: int) -> None:
    since = when(1_741_000_000_000_000)
    until = since + timedelta(days=days, microseconds=micros)
    pieces = list(cut([(since, until)]))
    assert (pieces[0][0], pieces[-1][1]) == (since, until)
    assert all(before[1] == after[0] for before, after in pairwise(pieces))
    assert all(timedelta(0) < end - begin <= timedelta(days=2) for begin, end in pieces)
