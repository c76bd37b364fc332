"""Which time a report is about."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from coattail.errors import UsageError
from coattail.home import Home
from coattail.workspace.opening import Stores, open_stores
from coattail.workspace.report import report, span_of

NOW = datetime(2025, 3, 4, 12, 30, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return open_stores(Home.open(tmp_path / "home", create=True))


def test_a_time_is_in_whole_minutes_and_a_day_without_its_other_end(stores: Stores) -> None:
    span = span_of(stores, now=NOW, day=date(2025, 3, 1))
    assert (span.since, span.until) == (datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 2, tzinfo=UTC))
    span = span_of(stores, now=NOW, since=NOW - HOUR, until=NOW)
    assert (span.since.second, span.until - span.since) == (0, timedelta(minutes=61))
    assert span_of(stores, now=NOW, since=NOW - HOUR).until == datetime(2025, 3, 4, 12, 31, tzinfo=UTC)
    assert span_of(stores, now=NOW, until=NOW - HOUR).since == datetime(2025, 3, 3, 11, 30, tzinfo=UTC)
    assert span_of(stores, now=NOW).since == datetime(2025, 3, 4, tzinfo=UTC), "nothing has landed: today"


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        (NOW, NOW - HOUR, "exchange the two"),
        (NOW.replace(second=0), NOW.replace(second=0), "give at least a minute"),
        (NOW - timedelta(days=40), NOW, "are 40 days; a report shows at most 31"),
        (datetime.max.replace(tzinfo=UTC), None, "outside the calendar"),
    ],
)
def test_a_time_that_makes_no_sense_is_refused(
    stores: Stores, since: datetime, until: datetime | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        span_of(stores, now=NOW, since=since, until=until)


def test_no_folder_of_this_machine_stands_in_a_page(stores: Stores, tmp_path: Path) -> None:
    made = report(stores, tmp_path / "a.html", day=date(2025, 3, 1), light=True)
    assert made.document.alerts["count"] == 0
    text = made.out.read_text()
    assert "<pre>coattail report day --since 2025-03-01T00:00:00Z --until" in text
    assert str(tmp_path) not in text
    assert made.out.stat().st_size == made.size
