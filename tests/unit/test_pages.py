"""Every page: its links lead somewhere, and the commands, targets and files that it names are there."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from tests.harness.foreign_commands import wrong_of_aws, wrong_of_terraform
from tests.harness.pages import anchors, prose, refused, simple_commands, unknown_words
from tests.harness.processes import ROOT

PAGES = (ROOT / "README.md", ROOT / "AGENTS.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))
SHELL = re.compile(r"^( *)```(?:sh|bash|cron)\b[^\n]*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:href|src)=\"([^\"]+)\"")
TOP = "|".join(sorted(re.escape(path.name) for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."))
FILE = re.compile(rf"(?:{TOP}|\.github|\.ci)/[\w./*-]+")
OF_A_HOME = {"jobs/ID/"}
"""Names of folders in a home that look like files of the repository."""
GONE = {"python -m tools.lambda_zip"}
"""What the changelog names because it is there no longer."""


@cache
def text_of(page: Path) -> str:
    return page.read_text()


def broken_links(page: Path, text: str) -> list[str]:
    """Links of a page to files that are not there, and to headings that a page does not have."""
    wrong = []
    for link in (target or source for target, source in LINK.findall(CODE.sub("", prose(text)))):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        there = text if target == page else text_of(target) if target.suffix == ".md" and target.is_file() else ""
        if not target.exists() or (anchor and anchor not in anchors(there)):
            wrong.append(link)
    return wrong


def commands(text: str) -> Iterator[list[str]]:
    """Every simple command in blocks of shell: pipes, lists and substitutions taken apart, without comments."""
    for _, block in SHELL.findall(text):
        for line in re.sub(r"\\\n", " ", block).splitlines():
            for part in (line, *re.findall(r"\$\(([^()]*)\)", line)):
                yield from simple_commands(part)


def unknown_commands(text: str) -> list[str]:
    """Command lines of coattail, targets of make and modules of Python that a page names and that do not exist."""
    whole = list(commands(text))
    mentioned = [words for code in CODE.findall(prose(text)) for words in _alternatives(code) if code not in GONE]
    wrong = [f"{shlex.join(words)}: {said}" for words in whole if _is_ours(words) and (said := refused(words[1:]))]
    wrong += [
        f"{shlex.join(words)}: no {', '.join(u)}"
        for words in mentioned
        if _is_ours(words) and (u := unknown_words(words[1:]))
    ]
    for words in (*whole, *mentioned):
        if words[0] == "make" and not set(re.findall(r"^[a-z-]+$", "\n".join(words[1:]), re.MULTILINE)) <= targets():
            wrong.append(f"{shlex.join(words)}: no such target")
        if Path(words[0]).name.startswith("python") and words[1:2] == ["-m"] and not _is_module(words[2]):
            wrong.append(f"{shlex.join(words)}: no such module")
        if words[0] in FOREIGN and len(words) > 2:
            wrong += [f"{shlex.join(words)}: {each}" for each in FOREIGN[words[0]](words)]
    return wrong


FOREIGN = {"aws": wrong_of_aws, "terraform": wrong_of_terraform}


def _alternatives(code: str) -> Iterator[list[str]]:
    """The words of a line of code; `a|b` stands for two lines, and brackets are around what may be left out."""
    words = re.sub(r"[\[\]]", "", code).split()
    if words and re.fullmatch(r"coattail|make|aws|terraform|python[\d.]*", words[0]):
        choices = [word.split("|") if re.fullmatch(r"[\w|-]+", word) else [word] for word in words if word != "|"]
        yield from map(list, product(*choices))


def _is_ours(words: list[str]) -> bool:
    return Path(words[0]).name == "coattail"


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return importlib.util.find_spec(name.partition(".")[0]) is not None and (
        not (ROOT / name.partition(".")[0]).is_dir() or path.with_suffix(".py").exists() or path.is_dir()
    )


@cache
def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))


def missing_files(text: str) -> list[str]:
    """Files of the repository that a page names in code, and that are not there."""
    named = [code for code in CODE.findall(prose(text)) if FILE.fullmatch(code) and code not in OF_A_HOME]
    return [code for code in named if not any(ROOT.glob(code.rstrip("/")))]


CHECKS: dict[str, Callable[[Path, str], list[str]]] = {
    "links": broken_links,
    "commands": lambda _, text: unknown_commands(text),
    "files": lambda page, text: [] if page.name == "CHANGELOG.md" else missing_files(text),  # it tells of what is gone
}


@pytest.mark.parametrize("name", CHECKS)
def test_what_pages_name_is_there(name: str) -> None:
    found = {str(page.relative_to(ROOT)): CHECKS[name](page, text_of(page)) for page in PAGES}
    assert {page: wrong for page, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("links", "[here](docs/NOWHERE.md)"),
        ("links", "[here](docs/CLI.md#coattail-frobnicate)"),
        ("links", "# A title\n\n[here](#another-title)"),
        ("links", '<img src="docs/img/nothing.svg">'),
        ("commands", "```sh\ncoattail frobnicate\n```"),
        ("commands", "```sh\ncoattail status --jsn\n```"),
        ("commands", "```sh\nx=1 .venv/bin/coattail --home h \\\n  alerts --limit many | head\n```"),
        ("commands", '```bash\necho "$(coattail config shew)"\n```'),
        ("commands", "1. Say\n   ```sh\n   coattail dlq lst && true\n   ```"),
        ("commands", "`coattail aws submit|jbos`"),
        ("commands", "`coattail sql QUERY [--csv | --jason]`"),
        ("commands", "`make happy`"),
        ("commands", "```sh\nmake test happy ARGS=-x\n```"),
        ("commands", "`python -m tools.happy`"),
        ("commands", "`aws kinesys list-streams`"),
        ("commands", "```sh\naws kinesis list-strems --region x\n```"),
        ("commands", "```sh\naws ssm get-parameter --nmae x\n```"),
        ("commands", "```sh\naws ssm get-parameter --name x --query 'Parameter.[' --output text\n```"),
        ("commands", '```sh\necho "$(terraform -chdir=infra output -raw plaice)"\n```'),
        ("commands", "`terraform apply -var streeming=true`"),
        ("commands", "`terraform plan -var-file=environments/staging.tfvars`"),
        ("files", "`tests/unit/test_nothing.py`"),
        ("files", "`infra/modules/nothing`"),
        ("files", "`jobs/*.rs`"),
    ],
)
def test_what_is_not_there_is_found(name: str, text: str) -> None:
    assert len(CHECKS[name](ROOT / "README.md", text)) == 1


def test_pages_are_read_at_all() -> None:
    """What the checks look at is found by patterns; these would notice one that matches nothing."""
    texts = [text_of(page) for page in PAGES]
    assert sum(_is_ours(words) for text in texts for words in commands(text)) > 60
    assert sum(len(LINK.findall(text)) for text in texts) > 250
    assert {code for text in texts for code in CODE.findall(text) if FILE.fullmatch(code)} >= {"jobs/*.py"}
    assert "coattail-doctor" in anchors(text_of(ROOT / "docs" / "CLI.md"))
    assert refused(["sql", "SELECT 1"]) is None
    assert refused(["sql"]) is not None
