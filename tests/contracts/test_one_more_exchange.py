"""An exchange is one file and one line: Bazaar, added to a copy of the package, and nothing else.

It keeps every promise of a connector, and a recording of it is detected, replayed, deduplicated and judged.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from coattail.connectors import CONNECTORS, BaseConnector
from coattail.connectors.history import History
from coattail.connectors.lists import ListConnector
from coattail.connectors.subscription import Notice, Subscription

REPOSITORY = Path(__file__).parents[2]
FILE = REPOSITORY / "tests" / "harness" / "bazaar.py"
LINE = '    "bazaar.BazaarConnector",\n'
NOON = 1_741_089_600_000


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its tests, with the file and the line."""
    root = tmp_path_factory.mktemp("repository")
    for part in ("coattail", "tests"):
        shutil.copytree(REPOSITORY / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    connectors = root / "coattail" / "connectors"
    shutil.copy(FILE, connectors)
    registry = connectors / "__init__.py"
    before, opening, after = registry.read_text().partition("_REGISTERED = (\n")
    assert opening
    registry.write_text(before + opening + LINE + after)
    return root


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python on the copy, not on the package that these tests themselves import."""
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def answer(copy: Path, *arguments: str) -> Any:
    done = run(copy, "-m", "coattail", *arguments, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_it_keeps_every_promise_of_a_connector(copy: Path) -> None:
    done = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contracts/test_connectors.py",
               "tests/contracts/test_histories.py", "-k", "bazaar or claim or own")  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout


def test_the_promises_bite(copy: Path) -> None:
    """With the taker's side turned round, the same suite fails."""
    path = copy / "coattail" / "connectors" / "bazaar.py"
    right = path.read_text()
    try:
        path.write_text(right.replace('{"ask": "buy", "bid": "sell"}', '{"ask": "sell", "bid": "buy"}'))
        done = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contracts/test_connectors.py",
                   "-k", "bazaar and side")  # fmt: skip
    finally:
        path.write_text(right)
    assert done.returncode == 1
    assert "test_the_side_is_the_takers[bazaar]" in done.stdout


def capture() -> list[str]:
    """Two hours of SOL/USD as cryptofeed records it: random ids, a burst, and every tenth message twice."""
    draw = random.Random(5)
    lines = ["wss://feed.bazaar.example/deals <-> 1741089599.5"]
    for n in range(1_200):
        at = NOON + n * 6_000
        amount = 60 if 1_000 <= n < 1_010 else 1 + n % 7 / 100
        deal = {"pair": "SOL/USD", "no": draw.getrandbits(60), "cost": "150.25", "amount": f"{amount}",
                "taker": draw.choice(["ask", "bid"]), "at": at}  # fmt: skip
        line = f"{at / 1000 + 0.1:.3f}: {json.dumps({'deal': deal}, separators=(',', ':'))}"
        lines += [line] * (2 if n % 10 == 0 else 1)
    return lines


def test_a_recording_of_it_is_detected_lands_once_and_is_judged(copy: Path, tmp_path: Path) -> None:
    recording, home = tmp_path / "BAZAAR.0", str(tmp_path / "home")
    recording.write_text("\n".join(capture()) + "\n")
    arguments = ("replay", str(recording), "--home", home, "--preset", "classic")
    landed = answer(copy, *arguments)["landed"]
    assert (landed["landed"], landed["duplicates"], landed["rejected"], landed["gaps"]) == (1_200, 120, 0, [])
    again = answer(copy, *arguments)["landed"]
    assert (again["landed"], again["duplicates"]) == (0, 1_320)
    (instrument,) = answer(copy, "coverage", "--home", home, "--gaps")["instruments"]
    assert (instrument["exchange"], instrument["symbol"], instrument["gaps"]) == ("bazaar", "SOL-USD", 0)
    assert (instrument["ids"], instrument["landed"], instrument["coverage_pct"]) == ("unique", 1_200, None)
    assert {a["alert_type"] for a in answer(copy, "alerts", "--home", home)["alerts"]} == {"volume_spike"}


def test_the_page_names_all_that_a_connector_may_say_and_nothing_else() -> None:
    page = (REPOSITORY / "docs" / "ADDING_AN_EXCHANGE.md").read_text()
    _, _, after = page.partition("| name | what it says |")
    table, _, rest = after.partition("\n\n")
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    described = set(BaseConnector.__annotations__) | {n for n in vars(BaseConnector) if not n.startswith("_")}
    offered = described | (ListConnector.__abstractmethods__ - BaseConnector.__abstractmethods__)
    for_users = {"market", "symbols", "channel", "websocket_host", "rest_host", "listens_to", "address", "records",
                 "stream"}  # fmt: skip
    assert named == offered - for_users
    said = {name for kind in CONNECTORS.values() for name in vars(kind) if not name.startswith("_")}
    assert said - for_users - {"quotes", "odd_symbols"} <= named  # Binance's own
    assert {"opening", "singly", "again"} <= set(Subscription._fields)
    assert {"heartbeat", "refused", "closing"} == set(get_args(get_type_hints(Notice)["kind"]))
    asked = set(re.findall(r"`(\w+)`", rest.partition("## 3.")[2].partition("That is all")[0]))
    assert History.__abstractmethods__ <= asked
