"""Numbers as a person reads them."""

import pytest

from coattail.amounts import number, price, short


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "-"), (float("nan"), "-"), (0, "0"), (62016.25, "62,016.2"), (1234567.8, "1,234,568"),
        (0.98765432, "0.98765"), (30.0, "30"), (-2.5, "-2.5"), (1e-7, "0.0000001"),
    ],
)  # fmt: skip
def test_numbers_have_five_digits(value: float | None, said: str) -> None:
    assert number(value) == said


def test_prices_in_a_column_have_equally_many_digits() -> None:
    assert [price(value) for value in (150.0, 149.18, 1.0, 0.99978, 62025.2)] == [
        "150.00", "149.18", "1.0000", "0.99978", "62,025.2"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "said"), [
        (999.0, "999"), (1530000, "1.53 M"), (999_600, "1 M"), (12.34, "12.3"), (0.0123456, "0.0123"), (-0.5, "-0.5"),
        (0, "0"), (4.2e-7, "0.00000042"), (3e15, "3,000 T"), (None, "-"), (float("inf"), "-"),
    ],
)  # fmt: skip
def test_amounts_have_three_digits(value: float, said: str) -> None:
    assert short(value) == said
