"""The tables of docs/COST.md are what the package reckons, and its example of prices is one."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from coattail.aws.costs import streams
from coattail.aws.costs.items import HOURS_A_MONTH
from coattail.errors import ConfigError
from coattail.prices import given_prices
from tools.cost_page import main, tables
from tools.page_tables import table_in

PAGE = Path(__file__).parents[3] / "docs" / "COST.md"


@pytest.mark.parametrize("name", tables())
def test_a_table_is_what_is_reckoned(name: str) -> None:
    assert table_in(PAGE.read_text(), name) == tables()[name], "python -m tools.cost_page docs/COST.md"


def test_every_table_that_is_marked_is_one_of_these() -> None:
    assert re.findall(r"^<!-- (.+) -->$", PAGE.read_text(), re.MULTILINE)[::2] == list(tables())


def test_it_writes_what_is_there(tmp_path: Path) -> None:
    copy = tmp_path / "COST.md"
    copy.write_text(re.sub(r"\| small \|[^\n]*", "| small | old |", PAGE.read_text(), count=1))
    main(copy)
    assert copy.read_text() == PAGE.read_text()


def test_what_is_assumed_is_what_the_package_assumes() -> None:
    said = PAGE.read_text().split("## What is assumed\n")[1].split("\n## ")[0]
    for number in (
        f"| {streams.StreamedLoad().bytes_per_trade:.0f} |", f"and {streams.DERIVED_COMMITS} a minute",
        f"| {streams.PUTS_A_COMMIT}, {streams.GETS_A_COMMIT}, {streams.GLUE_A_COMMIT} |",
        f"| {streams.HOT_UNITS_AN_HOUR:,} |", f"| {streams.UNITS_AN_ALERT} |", f"| {streams.METRICS} |",
        f"| {HOURS_A_MONTH} hours |",
    ):  # fmt: skip
        assert number in said


def test_its_example_of_prices_is_read_and_lacks_the_rest_of_that_region(tmp_path: Path) -> None:
    file = tmp_path / "rates.yaml"
    file.write_text(re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)[1])  # type: ignore[index]
    with pytest.raises(ConfigError, match="gives 2 of 35"):
        given_prices(file, today=date(2026, 11, 27))
    mine = given_prices(file, "us-west-2", today=date(2026, 11, 27))
    assert mine["kinesis_stream_hour"].each == pytest.approx(0.048 * 0.92)
