from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coattail.values import Fraction, Positive, Size, Symbol, format_duration, parse_duration, read_value, write_value


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("10s", 10), ("5m", 300), ("1.5h", 5400), ("1h30m", 5400), (" 7d ", 604800)]
)
def test_a_duration_is_numbers_with_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "s", "10 parsecs", "-5m", "5m later", "99999999999d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_formatted_duration_reads_back_to_the_millisecond(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("written", "hint", "read"),
    [
        ("8 MiB", Size, 8 << 20),
        (4096, Size, 4096),
        (3, float, 3.0),
        ("0.1", Decimal, Decimal("0.1")),
        (None, tuple[str, ...] | None, None),
        (["BTC-USDT"], tuple[Symbol, ...] | None, ("BTC-USDT",)),
        ("2009-01-03T19:15:00+01:00", datetime, datetime(2009, 1, 3, 18, 15, tzinfo=UTC)),
        (datetime(2009, 1, 3).date(), datetime, datetime(2009, 1, 3, tzinfo=UTC)),
        (timedelta(seconds=1), Positive[timedelta], timedelta(seconds=1)),
    ],
)
def test_a_written_value_is_read_as_its_type(written: object, hint: object, read: object) -> None:
    assert read_value(written, hint) == read


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        (True, int),
        (1.5, int),
        ("1", int),
        (True, float),
        (float("inf"), float),
        (1, str),
        ("yes", bool),
        ("x", Decimal),
        (10, timedelta),
        ("soon", datetime),
        ("8 MB", Size),
        ("BTC-USDT", tuple[str, ...]),
        (0, Positive[int]),
        (1.0, Fraction),
        ("btcusdt", Symbol),
    ],
)
def test_a_value_of_another_type_or_range_is_refused_in_words(written: object, hint: object) -> None:
    with pytest.raises(ValueError, match=r"^must (not )?be "):
        read_value(written, hint)


def test_values_are_written_as_they_stand_in_a_file() -> None:
    assert write_value((timedelta(minutes=90), Decimal("0.10"), datetime(2009, 1, 3).date())) == [
        "1h30m",
        "0.10",
        "2009-01-03",
    ]
