from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from coattail.errors import UsageError
from coattail.workspace.times import Moment, maybe_when, parse_when

NOW = datetime(2024, 8, 8, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "when"),
    [
        ("2h", datetime(2024, 8, 8, 10, tzinfo=UTC)),
        ("3d", datetime(2024, 8, 5, 12, tzinfo=UTC)),
        ("2024-08-08", datetime(2024, 8, 8, tzinfo=UTC)),
        ("2024-08-08T11:30", datetime(2024, 8, 8, 11, 30, tzinfo=UTC)),
        ("2024-08-08T11:30:00.25Z", datetime(2024, 8, 8, 11, 30, 0, 250_000, tzinfo=UTC)),
        ("2024-08-08T13:30:00+02:00", datetime(2024, 8, 8, 11, 30, tzinfo=UTC)),
        (date(2024, 8, 8), datetime(2024, 8, 8, tzinfo=UTC)),
        (timedelta(hours=2), datetime(2024, 8, 8, 10, tzinfo=UTC)),
        (datetime(2024, 8, 8, 11), datetime(2024, 8, 8, 11, tzinfo=UTC)),
        (datetime(2024, 8, 8, 11, tzinfo=timezone(timedelta(hours=2))), datetime(2024, 8, 8, 9, tzinfo=UTC)),
    ],
)
def test_a_time_is_a_duration_ago_or_a_time(given: Moment, when: datetime) -> None:
    parsed = parse_when(given, now=NOW)
    assert parsed == when
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "given",
    [
        "", "yesterday", "2h ago", "2024-13-01", "9999-12-31T23:59:59-23:00", "900000d", 5, 5.5, timedelta.max,
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))),
    ],
)  # fmt: skip
def test_what_is_no_time_is_a_usage_error_that_names_the_option(given: Moment) -> None:
    with pytest.raises(UsageError, match="--until") as caught:
        parse_when(given, "--until", now=NOW)
    assert caught.value.exit_code == 2


def test_nothing_given_means_no_bound() -> None:
    assert maybe_when(None) is None
