"""The pages say what is so."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import coattail.cli as every_command
from coattail.sql.questions import TEN
from coattail.sql.views import VIEWS
from tests.harness.documented import SCHEMAS, keys

DOCS = Path(__file__).parents[2] / "docs"
QUERIES = re.findall(r"### (\d+\..*?)\n.*?```sql\n(.*?)```", (DOCS / "SQL.md").read_text(), re.DOTALL)
PAGE = (DOCS / "CLI.md").read_text()
Run = Callable[..., Any]


def test_the_page_has_the_ten_questions_that_the_package_has() -> None:
    numbered = [(f"{number}. {one.asks}", one.text.strip()) for number, one in enumerate(TEN, 1)]
    assert [(title, query.strip()) for title, query in QUERIES] == numbered
    assert len(TEN) == 10


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[title for title, _ in QUERIES])
def test_every_question_has_an_answer(coattail: Run, title: str, query: str) -> None:
    done = coattail("sql", query, "--json")
    assert (done.code, done.err) == (0, "")
    answer = json.loads(done.out)
    assert answer["rows"], title
    assert not any(name.startswith("_col") for name in answer["rows"][0])


def test_every_view_is_on_the_page() -> None:
    page = (DOCS / "SQL.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(VIEWS)


COMMANDS: dict[str, tuple[str, ...]] = {
    "alerts": ("alerts",),
    "status": ("status",),
    "quality": ("quality",),
    "coverage": ("coverage", "--gaps"),
    "sql": ("sql", "SELECT symbol FROM bars LIMIT 1"),
    "dlq list": ("dlq", "list"),
    "doctor": ("doctor",),
    "config show": ("config", "show"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_lists_exactly_the_keys_that_a_command_prints(coattail: Run, name: str) -> None:
    printed = set(keys(json.loads(coattail(*COMMANDS[name], "--json").out)))
    documented = set(keys(SCHEMAS[name]))
    if name == "quality":
        documented |= {key.replace("all_time", "last_24h") for key in documented}
    assert printed == documented


def test_the_page_lists_exactly_the_keys_that_explain_prints(coattail: Run) -> None:
    alert = json.loads(coattail("alerts", "--type", "whale_trade", "--json").out)["alerts"][0]["alert_id"]
    assert set(keys(json.loads(coattail("explain", alert, "--json").out))) == set(keys(SCHEMAS["explain"]))


def test_a_record_alone_has_the_keys_of_the_list(coattail: Run) -> None:
    listed = json.loads(coattail("dlq", "list", "--json").out)["records"][0]
    shown = json.loads(coattail("dlq", "show", listed["key"], "--json").out)
    assert shown == {"record": listed}


def test_the_page_has_every_command() -> None:
    elsewhere = {"demo", "simulate", "replay", "land"}  # held against the page in tests/endtoend
    elsewhere |= {"snapshots", "tag", "reprocess"}  # in test_time_travel.py
    elsewhere |= {"maintain", "schema-drill"}  # in tests/unit/cli/test_maintain.py
    elsewhere |= {"explain"}  # above: it needs an id
    elsewhere |= {"produce"}  # in tests/endtoend/test_run.py
    elsewhere |= {"exchange", "backfill"}  # in tests/endtoend
    elsewhere |= {"daily"}  # in tests/engines/test_daily.py
    elsewhere |= {"aws cost", "aws receipt"}  # in tests/unit/cli
    elsewhere |= {"export"}  # in tests/unit/cli/test_export.py
    elsewhere |= {"jobs show"}  # in tests/unit/cli/test_jobs.py
    elsewhere |= {"what-if", "score"}  # in tests/endtoend/test_score.py
    assert {*COMMANDS, "dlq show", *elsewhere} == set(SCHEMAS)
    spoken = {name: name.replace("aws_", "aws ").replace("_", "-") for name in every_command.COMMANDS}
    assert {name for name, words in spoken.items() if f"coattail {words}" not in PAGE} == set()
