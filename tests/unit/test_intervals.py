"""Intervals against a Python set."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from coattail.intervals import Intervals

pairs = st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda p: (p[0], p[0] + p[1]))


def ids(intervals: Intervals) -> set[int]:
    return {i for first, last in intervals for i in range(first, last + 1)}


def model(given_pairs: list[tuple[int, int]]) -> set[int]:
    return {i for first, last in given_pairs for i in range(first, last + 1)}


def well_formed(intervals: Intervals) -> bool:
    """Disjoint, sorted, and no two that touch."""
    edges = list(intervals)
    return all(f <= last for f, last in edges) and all(a[1] + 1 < b[0] for a, b in itertools.pairwise(edges))


@given(st.lists(pairs, max_size=20))
def test_it_holds_what_was_added_in_the_fewest_intervals(added: list[tuple[int, int]]) -> None:
    intervals = Intervals()
    for first, last in added:
        intervals.add(first, last)
        assert intervals.holds(first, last)
    assert ids(intervals) == model(added)
    assert well_formed(intervals)
    assert len(intervals) == len(list(intervals))


@given(st.lists(pairs, max_size=12), st.randoms())
def test_the_order_of_adding_does_not_matter(added: list[tuple[int, int]], random: object) -> None:
    mixed = list(added)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert Intervals.of(mixed) == Intervals.of(added)


@given(st.lists(pairs, max_size=12), pairs)
def test_holds_and_meeting_answer_as_the_set_does(added: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    intervals, wanted = Intervals.of(added), set(range(asked[0], asked[1] + 1))
    assert intervals.holds(*asked) == (wanted <= model(added))
    met = intervals.meeting(*asked)
    assert list(met) == [pair for pair in intervals if wanted & model([pair])]


@given(st.lists(pairs, max_size=12), st.lists(pairs, max_size=12))
def test_minus_takes_away_what_the_other_has(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    left = list(Intervals.of(a).minus(Intervals.of(b)))
    assert model(left) == model(a) - model(b)
    assert sum(last - first + 1 for first, last in left) == len(model(left))


@given(st.lists(pairs, max_size=12), st.lists(pairs, max_size=12))
def test_a_union_has_the_ids_of_both(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    assert Intervals.of(a).union(Intervals.of(b)) == Intervals.of([*a, *b])


@given(st.lists(pairs, min_size=1, max_size=12))
def test_holes_are_what_lies_between(added: list[tuple[int, int]]) -> None:
    intervals, have = Intervals.of(added), model(added)
    assert model(list(intervals.holes())) == set(range(min(have), max(have) + 1)) - have


@given(st.lists(pairs, max_size=6), pairs)
def test_a_copy_goes_its_own_way(added: list[tuple[int, int]], more: tuple[int, int]) -> None:
    intervals = Intervals.of(added)
    intervals.copy().add(*more)
    assert ids(intervals) == model(added)
