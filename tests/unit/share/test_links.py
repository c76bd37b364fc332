"""What a page says of itself in its head."""

from __future__ import annotations

from pathlib import Path

import pytest

from coattail.errors import UsageError
from coattail.reports.front import front_of
from coattail.share.links import address_of, linked, subject_of
from tests.harness.report_facts import SPAN, make_alert, make_facts

PAGE = "<head><meta name='x'><title>coattail</title></head>"
EVIL = '"><script>alert(1)</script>'


def test_a_page_says_what_it_is_about_and_is_understood(tmp_path: Path) -> None:
    facts = make_facts(symbols=(EVIL, "币安-USDT"))
    page = linked(PAGE, facts, front_of(facts), address=None, card="day-card.png")
    assert "<script" not in page
    assert "og:" not in page
    (tmp_path / "day.html").write_text(page)
    subject = subject_of(tmp_path / "day.html")
    assert (subject.since, subject.until, subject.symbols) == (SPAN.since, SPAN.until, facts.symbols)


def test_with_an_address_a_link_to_the_page_shows_its_card() -> None:
    facts = make_facts(alerts=[make_alert(n, alert_type=EVIL) for n in range(3)])
    address = address_of("https://example.org/r/", "a day.html")
    page = linked(PAGE, facts, front_of(facts), address=address, card="a day-card.png")
    assert '<meta property="og:url" content="https://example.org/r/a%20day.html">' in page
    assert '<meta property="og:image" content="https://example.org/r/a%20day-card.png">' in page
    assert page.index("og:image") < page.index("<title>")
    assert "<script" not in page
    for name, most in (("title", 70), ("description", 100)):
        content = page.partition(f'og:{name}" content="')[2].partition('"')[0]
        assert 0 < len(content.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')) <= most


@pytest.mark.parametrize(
    "base", ["", "example.org", "/reports", "ftp://example.org", "https://", "https://a b", 'https://a"b', "http://[x",
             "https://a/?q=1", "https://a/#x", "javascript:alert(1)", "https://exämple.org"],
)  # fmt: skip
def test_an_address_that_is_not_one_is_refused(base: str) -> None:
    with pytest.raises(UsageError, match="not an absolute address"):
        address_of(base, "day.html")


@pytest.mark.parametrize(
    "head",
    ["", "<html>", '<meta name="coattail:since" content="2025-03-04T00:00:00Z">',
     '<meta name="coattail:since" content="soon"><meta name="coattail:until" content="later">',
     '<meta name="coattail:since" content="2025-03-04"><meta name="coattail:until" content="2025-03-05">', "\xff\x00"],
)  # fmt: skip
def test_a_page_that_does_not_say_it_is_refused(head: str, tmp_path: Path) -> None:
    (tmp_path / "day.html").write_text(head)
    with pytest.raises(UsageError, match="does not say what time"):
        subject_of(tmp_path / "day.html")
    with pytest.raises(UsageError, match="there is no report"):
        subject_of(tmp_path / "none.html")
