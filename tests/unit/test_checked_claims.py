"""Pages with a column `check`: each claim leads to a test, a command or a measurement that is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

import coattail.cli as every_command

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = ("PRD.md", "WELL-ARCHITECTED.md", "SECURITY.md", "RESPONSIBLE_USE.md", "CONTRIBUTING.md")
LABELS = ("on this machine", "emulated", "modelled", "planned", "documented", "not exercised")

_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)#\s]+)(?:#[^)]*)?\)")
_COMMAND = re.compile(r"`(make|coattail) ([^`]+)`")
_FIGURE = re.compile(r"\d[\d,]*(?:\.\d+)?")


def rows(text: str) -> Iterator[dict[str, str]]:
    """Every row of every table that has a column `check`, by the heads of its columns."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        heads, _, *lines = (
            [cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()
        )
        if "check" in heads:
            for line in lines:
                yield dict(zip(heads, line, strict=True))


def proofs(cell: str) -> list[str]:
    """What is wrong with the checks that a cell names; a cell that names none is wrong too."""
    links = [(link["text"].strip("`"), link["target"]) for link in _LINK.finditer(cell)]
    commands = _COMMAND.findall(cell)
    if not links and not commands:
        return ["no check"]
    return [wrong for text, target in links if (wrong := _not_there(text, target))] + [
        f"{tool} {rest}: no such command" for tool, rest in commands if not _is_command(tool, rest)
    ]


def _not_there(text: str, target: str) -> str | None:
    path = (DOCS / target).resolve()
    if not path.is_file():
        return f"{target}: no such file"
    if path.suffix == ".py":
        here = text == path.name or re.search(rf"^def {re.escape(text)}\(", _text(path), re.MULTILINE)
        return None if here and "tests" in path.parts else f"{target} has no test {text}"
    if path.suffix == ".md":
        return None if measured(text, target) else f"{target} has no row {text}"
    return f"{target}: neither a test nor a page with measurements"


def _is_command(tool: str, rest: str) -> bool:
    if tool == "make":
        return re.search(rf"^{re.escape(rest.split()[0])}:", _text(ROOT / "Makefile"), re.MULTILINE) is not None
    words = [word for word in rest.split() if not word.startswith("-")]
    return words[0].replace("-", "_") in every_command.COMMANDS or "_".join(words[:2]) in every_command.COMMANDS


def measured(name: str, page: str) -> list[str]:
    """The rows of a page's tables whose first cell is that name."""
    return [line for line in _text(DOCS / page).splitlines() if line.startswith(f"| {name} |")]


@cache
def _text(path: Path) -> str:
    return path.read_text()


CLAIMS = [(page, row) for page in PAGES for row in rows((DOCS / page).read_text())]


def test_every_page_has_claims() -> None:
    assert {page for page, _ in CLAIMS} == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_every_claim_leads_to_a_check_that_is_there(page: str) -> None:
    wrong = {
        next(iter(row.values())): found
        for name, row in CLAIMS
        if name == page and not _is_open(row) and (found := proofs(row["check"]))
    }
    assert wrong == {}


def _is_open(row: dict[str, str]) -> bool:
    """A claim that says of itself that nothing has shown it."""
    return row["check"] == "none" and row.get("how far") == "not exercised"


@pytest.mark.parametrize("page", PAGES)
def test_what_says_how_far_it_was_tried_says_it_in_the_words_of_the_page_about_aws(page: str) -> None:
    said = [row["how far"] for name, row in CLAIMS if name == page and "how far" in row]
    assert [cell for cell in said if not set(cell.split(", ")) <= set(LABELS)] == []


def test_figures_are_those_of_the_rows_they_come_from() -> None:
    wrong = {}
    for page, row in CLAIMS:
        sources = [(link["text"].strip("`"), link["target"]) for link in _LINK.finditer(row["check"])]
        there = "\n".join(line for name, target in sources if target.endswith(".md") for line in measured(name, target))
        known = set(_FIGURE.findall(there))
        if missing := [figure for figure in _FIGURE.findall(row.get("measured", "")) if figure not in known]:
            wrong[f"{page}: {row['measured']}"] = missing
    assert wrong == {}


@pytest.mark.parametrize(
    ("decision", "names"),
    {
        "0001-kinesis-not-kafka": ["kinesis_stream_hour"],
        "0003-emr-serverless-and-a-local-engine": [
            *(f"emr_{unit}_hour_{architecture}" for unit in ("vcpu", "gb") for architecture in ("arm64", "x86_64"))
        ],
        "0004-step-functions-not-airflow": ["step_transition"],
    }.items(),
)
def test_prices_in_decisions_are_those_of_the_list(decision: str, names: list[str]) -> None:
    text, listed = _text(DOCS / "adr" / f"{decision}.md"), yaml.safe_load(_text(ROOT / "coattail/conf/prices.yaml"))
    prices = {name: listed["prices"][name]["dollars"] for name in names}
    assert [f"{name}: ${price}" for name, price in prices.items() if f"${price}" not in text] == []


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("it is", "no check"),
        ("[`test_gone`](../tests/unit/test_locks.py)", "has no test"),
        ("[`test_locks.py`](../tests/unit/test_lock.py)", "no such file"),
        ("[`main.tf`](../infra/main.tf)", "neither a test nor"),
        ("[`Guard`](../coattail/api/guard.py)", "has no test"),
        ("[no such row](PERFORMANCE.md)", "has no row"),
        ("`make happy`", "no such command"),
        ("`coattail frobnicate`", "no such command"),
    ],
)
def test_a_check_that_is_not_there_is_found(cell: str, said: str) -> None:
    assert [found for found in proofs(cell) if said in found]


def test_checks_of_every_kind_are_understood() -> None:
    here = f"[`{test_checks_of_every_kind_are_understood.__name__}`](../tests/unit/{Path(__file__).name})"
    assert proofs(f"{here}, `make infra`, `coattail doctor`, `coattail aws emulate`, [drain](PERFORMANCE.md)") == []
