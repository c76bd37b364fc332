"""A report passed on: its card, its pages, its claims and its post, on a market that was replayed."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from coattail import Workspace
from coattail.alerts import DISCLAIMER
from coattail.cli import main
from coattail.reports.claims import claims_of
from coattail.reports.facts import Span, read_facts
from coattail.share.ink import font_of
from tests.harness.commands import Done
from tests.harness.processes import ROOT

SPAN = ("--since", "2025-03-04T12:00Z", "--until", "2025-03-04T13:20Z")


@pytest.fixture
def report(undisturbed: Path, run: Callable[..., Done]) -> Callable[..., Done]:
    """`coattail report` on the undisturbed home, in an empty folder."""
    return lambda *arguments: run("--home", undisturbed, "report", *arguments)


@pytest.fixture(scope="session")
def made(undisturbed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a report, its card, its pages and its claims."""
    folder = tmp_path_factory.mktemp("made")
    arguments = ["--home", str(undisturbed), "report", "day", *SPAN, "--light", "--share"]
    assert main([*arguments, "--out", str(folder / "day.html")]) == 0
    return folder


@pytest.fixture
def day(made: Path, report: Callable[..., Done], tmp_path: Path) -> list[dict[str, Any]]:
    """The claims of that report, which lies in the current folder with all that is beside it."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    claims: list[dict[str, Any]] = json.loads(Path("day-claims.json").read_text())
    return claims


def values_of(claims: list[dict[str, Any]], run: Callable[..., Done], home: Path) -> list[Any]:
    rows = [run("--home", home, "sql", claim["query"], "--json").json["rows"] for claim in claims]
    return [next(iter(row.values())) for (row,) in rows]


def same(value: Any, claimed: Any) -> bool:
    return bool(value == claimed) or float(value) == claimed


def test_every_claim_is_what_its_query_gives(
    day: list[dict[str, Any]], run: Callable[..., Done], undisturbed: Path
) -> None:
    assert [sorted(claim) for claim in day] == [["query", "snapshot", "text", "value"]] * len(day)
    assert {"trade", "alert", "missing"} <= {word.rstrip("s") for claim in day for word in claim["text"].split()}
    wrong = [
        claim
        for claim, value in zip(day, values_of(day, run, undisturbed), strict=True)
        if not same(value, claim["value"])
    ]
    assert wrong == []


@pytest.mark.parametrize("symbol", ["BTC-USDT", "SOL-USD"])
def test_the_claims_about_one_symbol_are_about_it(
    symbol: str, report: Callable[..., Done], run: Callable[..., Done], undisturbed: Path
) -> None:
    with Workspace(undisturbed) as ws:
        since, until = (datetime(2025, 3, 4, *clock, tzinfo=UTC) for clock in ((12,), (13, 20)))
        found = read_facts(
            ws.stores.lake, ws.stores.hot, ws.stores.letters, Span(since=since, until=until), (symbol,),
            marks=ws.stores.marks(), now=datetime.now(UTC),
        )  # fmt: skip
        claims = claims_of(found)
        wrong = [c.text for c in claims if not same(ws.sql(c.query).row(0)[0], c.value)]
    assert (wrong, claims[2].text) == ([], "1 instrument")


def test_the_draft_holds_and_an_edit_that_does_not_is_found(
    report: Callable[..., Done], day: list[dict[str, Any]]
) -> None:
    assert Path("day-card.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert Path("day-pages.pdf").read_bytes()[:5] == b"%PDF-"
    done = report("post", "day")
    assert (done.code, done.err) == (0, "")
    text = Path("day-post.txt").read_text()
    trades = day[0]["text"]
    assert "#crypto" in text
    assert "Alt text of the picture: " in text
    assert f"- {trades} on " in text
    edited = text.replace(f"- {trades} on", "- 97 trades on") + "Guaranteed!\n"
    Path("mine.txt").write_text(edited)
    done = report("post", "day.html", "--check", "mine.txt", "--json")
    assert done.code == 1
    lines = edited.splitlines()
    at = 1 + next(place for place, line in enumerate(lines) if "97 trades" in line)
    assert {one["text"]: one["line"] for one in done.json["problems"]} == {"97": at, "Guaranteed": len(lines)}
    done = report("post", "--check", "day-post.txt")
    assert (done.code, done.out.startswith("day-post.txt: every number has its query")) == (0, True)


def test_what_has_changed_since_the_report_is_not_posted(
    report: Callable[..., Done], day: list[dict[str, Any]]
) -> None:
    Path("day-claims.json").write_text(json.dumps([day[0] | {"value": 7, "text": "7 trades"}]))
    done = report("post", "day")
    assert done.code == 1
    assert "day.html says '7 trades', and today it is" in done.err
    assert "make it again: coattail report day --since" in done.err
    Path("day-post.txt").write_text(f"7 trades\n{DISCLAIMER}\n")
    done = report("post", "--check", "day-post.txt")
    assert (done.code, "day-post.txt: line 1: '7': stale: its query gives" in done.out) == (1, True)


def test_an_edited_text_stays(report: Callable[..., Done], day: list[dict[str, Any]]) -> None:
    Path("day-post.txt").write_text("mine")
    assert report("post", "day").code == 2
    assert Path("day-post.txt").read_text() == "mine"
    assert report("post", "day", "--force").code == 0


@pytest.mark.parametrize("name", ["day-card.png", "day-pages.pdf", "day-claims.json"])
def test_a_file_of_somebody_else_stays(name: str, report: Callable[..., Done], day: list[dict[str, Any]]) -> None:
    Path(name).write_bytes(b"mine")
    done = report("day", *SPAN, "--light", "--share", "--out", "day.html")
    assert (done.code, f"{name} exists and is not" in done.err, Path(name).read_bytes()) == (2, True, b"mine")


def test_again_it_is_the_same_but_with_an_address_the_page_names_it(
    report: Callable[..., Done], day: list[dict[str, Any]]
) -> None:
    files = [Path(f"day-{name}") for name in ("card.png", "pages.pdf", "claims.json")]
    before = [file.read_bytes() for file in files]
    assert not re.search(r"og:|twitter:|https?://", Path("day.html").read_text())
    done = report("day", *SPAN, "--light", "--base-url", "https://example.org/r", "--out", "day.html", "--json")
    assert [Path(path) for path in done.json["beside"]] == files
    assert [file.read_bytes() for file in files] == before
    named = re.findall(r"https?://[^\"<]+", Path("day.html").read_text())
    assert sorted(set(named)) == ["https://example.org/r/day-card.png", "https://example.org/r/day.html"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("post",), "no report was named"),
        (("post", "nope"), "there is no report nope.html"),
        (("post", "--check", "mine.txt"), "does not say which report it is about"),
        (("post", "day", "--check", "nope.txt"), "cannot be read as text"),
        (("post", "--check", "other-post.txt"), "there are no claims at other-claims.json"),
        (("day", "--share", "--base-url", "example.org"), "is not an absolute address of a folder"),
    ],
)
def test_a_mistake_is_one_line(
    report: Callable[..., Done], day: list[dict[str, Any]], arguments: tuple[str, ...], said: str
) -> None:
    done = report(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "Traceback" not in done.err


def test_without_pillow_nothing_is_written(report: Callable[..., Done], monkeypatch: pytest.MonkeyPatch) -> None:
    font_of.cache_clear()
    monkeypatch.setitem(sys.modules, "PIL", None)
    done = report("day", *SPAN, "--light", "--share", "--out", "day.html")
    assert done.code == 2
    assert "pip install 'coattail[report]'" in done.err
    assert list(Path.cwd().iterdir()) == []


def test_the_page_about_sharing_shows_the_keys_that_are_printed(
    report: Callable[..., Done], day: list[dict[str, Any]]
) -> None:
    page = (ROOT / "docs" / "howto" / "share.md").read_text()
    claim, drafted, checked = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    assert list(drafted) == list(report("post", "day", "--json").json)
    found = report("post", "day", "--check", "day-claims.json", "--json").json
    assert (list(checked), list(checked["problems"][0])) == (list(found), list(found["problems"][0]))
    assert list(claim[0]) == list(json.loads(Path("day-claims.json").read_text())[0])
