"""Figures on the pages about AWS: each is derived here, leads to the test or table it comes from, or carries its date.

A figure is a number with a unit, or a sum in dollars. One that was measured has its command and its date beside it; one
of somebody else (a list price, a limit of a service) its source and date; a setting is read from where it is set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.harness.processes import ROOT

PAGES = ("AWS.md", "COST.md", "PRD.md", "RUNBOOK.md", "SECURITY.md", "WELL-ARCHITECTED.md")
UNIT = r"ms|s|seconds?|minutes?|hours?|days?|weeks?|months?|years?|[kMGT]i?B|USD|vCPU|requests|rows|packages|libraries"
FIGURE = re.compile(rf"\$ ?\d[\d.,]*\d|\$\d|(?<![\w.,/-])\d[\d.,]*(?: (?:{UNIT})\b| ?%)")
DATED = re.compile(r"\b20\d\d-\d\d(?:-\d\d)?\b")
SOURCE = re.compile(
    r"`(?:coattail|make|python|trivy|actionlint|tests)\b[^`]*`|list prices?|documented|://", re.IGNORECASE
)
LEADS = re.compile(r"\]\((?:\.\./tests/|PERFORMANCE\.md|RELIABILITY\.md|EVIDENCE\.md|COST\.md)[^)]*\)")

SETTINGS = [
    ("AWS.md", "8 MB", "coattail/spark/shards.py", r"^THROUGH_DRIVER = (\d+)$"),  # a shard takes 1 MB a second
    ("AWS.md", "20 s", "coattail/aws/lambdas/loader.py", r"^RESERVE_SECONDS = ([\d.]+)$"),
    ("AWS.md", "15 s", "coattail/conf/defaults.yaml", r"^  expires: (\d+)s "),
    ("AWS.md", "1,000 rows", "coattail/sql/athena/__init__.py", r"^_PAGE = (\d+)$"),
    ("AWS.md", "10 GB", "infra/variables.tf", r'"query_limit_gb" \{[^}]*?default += (\d+)'),
    ("AWS.md", "7 days", "infra/modules/s3-lakehouse/main.tf", r'"results/" = (\d+)'),
    ("AWS.md", "14 days", "infra/modules/batch-functions/main.tf", r"retention_in_days = (\d+)"),
    ("AWS.md", "15 minutes", "infra/modules/emr-serverless/main.tf", r"idle_timeout_minutes = (\d+)"),
    ("AWS.md", "100 requests", "infra/modules/api/main.tf", r"throttling_rate_limit += (\d+)"),
    ("AWS.md", "2 s", "infra/modules/step-functions/main.tf", r"IntervalSeconds = (\d+)"),
    ("COST.md", "730 hours", "coattail/aws/costs/items.py", r"^HOURS_A_MONTH = (\d+)$"),
    ("COST.md", "180 days", "coattail/prices.py", r"^MOST_AGE = timedelta\(days=(\d+)\)"),
    ("PRD.md", "20 s", "coattail/conf/defaults.yaml", r"^  idle_limit: (\d+)s "),
    ("RUNBOOK.md", "24 hours", "infra/variables.tf", r'"retention_hours" \{[^}]*?default += (\d+)'),
    ("RUNBOOK.md", "30 days", "infra/variables.tf", r'"key_deletion_days" \{[^}]*?default += (\d+)'),
    ("RUNBOOK.md", "95 %", "infra/modules/monitoring/main.tf", r"under += (\d+)"),
    ("RUNBOOK.md", "7 days", "infra/modules/s3-lakehouse/main.tf", r"noncurrent_days = (\d+)"),
    ("RUNBOOK.md", "7 days", "coattail/engines/upkeep.py", r"^_HOURLY_DAYS, _DAILY_DAYS = (\d+), "),
    ("SECURITY.md", "100 requests", "coattail/cli/api.py", r"rate: RateOption = ([\d.]+)"),
]
"""Page, a figure on it that is a setting, the file that sets it, and where in that the number stands."""


def units(text: str) -> Iterator[str]:
    """What a figure and its source have to stand in together: a row, an item of a list, a paragraph. Tables that a tool
    writes are left out: its own test compares them."""
    text = re.sub(r"^<!-- [\w-]+ -->$.*?^<!-- end -->$", "", text, flags=re.DOTALL | re.MULTILINE)
    for block in re.split(r"\n\s*\n", re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)):
        if block.lstrip().startswith("|"):
            yield from block.splitlines()
        elif not block.startswith("#"):
            yield from re.split(r"\n(?= *(?:- |\d+\. ))", block)


def figures(unit: str) -> set[str]:
    """Those in a unit, but for code and for what is quoted."""
    return set(FIGURE.findall(re.sub(r"`[^`]*`|\"[^\"]*\"", "", unit)))


def without_source(page: str, text: str) -> list[str]:
    """Figures of a page that stand there alone."""
    known = {figure for name, figure, *_ in SETTINGS if name == page}
    return [
        f"{figure}: {unit.strip()[:80]}"
        for unit in units(text)
        if not (DATED.search(unit) and SOURCE.search(unit)) and not LEADS.search(unit)
        for figure in sorted(figures(unit) - known)
    ]


@cache
def text_of(path: str) -> str:
    return (ROOT / path).read_text()


@pytest.mark.parametrize("page", PAGES)
def test_no_figure_stands_alone(page: str) -> None:
    assert without_source(page, text_of(f"docs/{page}")) == []


@pytest.mark.parametrize(("page", "figure", "file", "where"), SETTINGS)
def test_a_figure_that_is_a_setting_is_that_setting(page: str, figure: str, file: str, where: str) -> None:
    found = {float(each) for each in re.findall(where, text_of(file), re.MULTILINE)}
    assert found == {float(re.sub(r"[^\d.]", "", figure))}
    assert any(figure in figures(unit) for unit in units(text_of(f"docs/{page}"))), "the page says it no more"


@pytest.mark.parametrize(
    "claim",
    [
        "It takes 12 s.",
        "- It costs $0.40 a day.\n- A list price of 2026-11.",
        "| what | how much |\n|---|---|\n| a start | 3 minutes |",
        "The bucket holds 7 GB (2026-11-27).",
        "It holds 7 GB (`make infra`).",
        "Half of it, 50 %, is waste.",
    ],
)
def test_a_figure_that_stands_alone_is_found(claim: str) -> None:
    assert len(without_source("AWS.md", claim)) == 1


@pytest.mark.parametrize(
    "claim",
    [
        "It takes 12 s (`make infra`, 2026-11-27).",
        "| an hour | $0.04 (list price, 2026-11) |",
        "p99 5 ms ([the API](PERFORMANCE.md))",
        "Files expire after 7 days.",
        "Kinesis has 4 shards; `sleep 5 s`; version 5.100.0; R31; ADR 0044.",
    ],
)
def test_a_figure_with_its_source_is_none(claim: str) -> None:
    assert without_source("AWS.md", claim) == []
