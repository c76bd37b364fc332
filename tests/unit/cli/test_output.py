import enum
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from coattail.cli.output import plain, print_json, print_json_line, print_table, progress


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Alert:
    price: Decimal
    at: datetime


def test_json_has_decimals_as_strings_and_times_with_z(capsys: pytest.CaptureFixture[str]) -> None:
    east = timezone(timedelta(hours=2))
    print_json(
        {
            "alert": Alert(Decimal("1E+2"), datetime(2024, 8, 8, 14, 0, 0, 5, tzinfo=east)),
            "naive": datetime(2024, 8, 8, 12),
            "utc": datetime(2024, 8, 8, 12, tzinfo=UTC),
            "day": date(2024, 8, 8),
            "for": timedelta(minutes=5),
            "path": Path("a/b"),
            "nan": float("nan"),
            "colour": Colour.RED,
            "pair": ("a", None, True),
        }
    )
    assert json.loads(capsys.readouterr().out) == {
        "alert": {"price": "100", "at": "2024-08-08T12:00:00.000005Z"},
        "naive": "2024-08-08T12:00:00Z",
        "utc": "2024-08-08T12:00:00Z",
        "day": "2024-08-08",
        "for": "5m",
        "path": "a/b",
        "nan": None,
        "colour": "red",
        "pair": ["a", None, True],
    }


def test_a_json_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_json_line({"text": "a\nb", "n": Decimal("0.10")})
    assert capsys.readouterr().out == '{"text":"a\\nb","n":"0.10"}\n'


def test_a_piped_table_is_neither_cut_nor_coloured_and_reads_markup_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    long = "[bold]x[/bold] " * 40
    print_table(["name", "value"], [("a", long.strip()), ("b", None), ("c", Decimal("1.50"))], right=["name"])
    header, first, second, third = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "value"]
    assert first == f"   a  {long.strip()}"
    assert second.split() == ["b", "-"]
    assert third.split() == ["c", "1.50"]


def test_progress_is_silent_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("landing", total=3) as steps:
        steps.advance()
        steps.describe("still landing")
    assert capsys.readouterr() == ("", "")


def test_plain_leaves_json_types_alone() -> None:
    assert plain([1, 1.5, "x", None, False]) == [1, 1.5, "x", None, False]
