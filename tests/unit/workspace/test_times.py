from datetime import UTC, datetime

import pytest

from coattail.errors import UsageError
from coattail.workspace.times import parse_when

NOW = datetime(2024, 8, 8, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2h", datetime(2024, 8, 8, 10, tzinfo=UTC)),
        ("3d", datetime(2024, 8, 5, 12, tzinfo=UTC)),
        ("2024-08-08", datetime(2024, 8, 8, tzinfo=UTC)),
        ("2024-08-08T11:30", datetime(2024, 8, 8, 11, 30, tzinfo=UTC)),
        ("2024-08-08T11:30:00.25Z", datetime(2024, 8, 8, 11, 30, 0, 250_000, tzinfo=UTC)),
        ("2024-08-08T13:30:00+02:00", datetime(2024, 8, 8, 11, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_so_long_ago_or_iso(text: str, when: datetime) -> None:
    parsed = parse_when(text, now=NOW)
    assert parsed == when
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize("text", ["", "yesterday", "2h ago", "2024-13-01", "9999-12-31T23:59:59-23:00", "900000d"])
def test_what_is_no_time_is_a_usage_error_that_names_the_option(text: str) -> None:
    with pytest.raises(UsageError, match="--until") as caught:
        parse_when(text, "--until", now=NOW)
    assert caught.value.exit_code == 2
