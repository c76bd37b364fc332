"""A job on a driver: what would go with it is refused, and so is what is not an order."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from coattail.workspace.at_work import on_driver

SERVICES = {
    "lake": {"type": "glue", "warehouse": "s3://lake/warehouse"},
    "stream.url": "kinesis://trades",
    "hot.url": "dynamodb://alerts",
    "dlq.url": "s3://lake/dlq",
}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """A job takes signals and the log for itself."""
    root, ours, term = logging.getLogger(), logging.getLogger("coattail"), signal.getsignal(signal.SIGTERM)
    handlers, level = list(root.handlers), ours.level
    yield
    root.handlers[:] = handlers
    ours.setLevel(level)
    signal.signal(signal.SIGTERM, term)


def order(lacking: str = "", **options: object) -> str:
    overrides = {key: value for key, value in SERVICES.items() if key != lacking}
    return json.dumps({"options": options, "settings": {"overrides": overrides}})


@pytest.mark.parametrize(
    ("job", "lacking"),
    [*(("stream", key) for key in SERVICES), ("backfill", "dlq.url"), ("reprocess", "lake"), ("daily", "hot.url"),
     ("maintain", "lake")],
)  # fmt: skip
def test_what_would_be_kept_on_a_disk_that_goes_with_the_job_is_refused(
    job: str, lacking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = {"out": "s3://lake/reports"} if job == "daily" else {}
    assert on_driver(job, [job, order(lacking, **out)]) == 1
    assert f"the settings say no {lacking}; say where they are on AWS" in capsys.readouterr().err


def test_a_report_is_written_into_a_bucket_or_not_at_all(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert on_driver("daily", ["daily", order(out=str(tmp_path / "day.html"))]) == 1
    assert "the report would go with the job: out is" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["stream"], ["daily", "{}"], ["stream", "{}", "more"]])
def test_words_that_are_no_order_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert on_driver("stream", words) == 2
    assert "stream.py takes two words, stream ORDER" in capsys.readouterr().err
