"""Every alert is a claim that anyone can check: explain computes it again from the tables."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyiceberg.manifest import DataFile

from coattail.alerts import RETRACTED
from coattail.cli import main
from coattail.engines.explain import DIFFERENT, FORMER, REPRODUCED, REVISED, SAME, Explainer
from coattail.home import Home
from coattail.records import Record, Trade
from coattail.stores.catalog import embedded
from coattail.stores.files import TableFiles
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.lake import Lake
from coattail.tables import ALERTS, Table
from tests.harness.running import AT_ONCE, drained, feed, landed, settings_of
from tests.harness.scenes import at, market, two_days

HOUR = settings_of({"hot.ttl": "3650d"})


@contextmanager
def explainer(home: Home) -> Iterator[Explainer]:
    lake = Lake(embedded(home.path), writable=False)
    hot = SqliteHotStore(home.hot_db, writable=False)
    yield Explainer(lake, hot, HOUR, now=datetime.now(UTC))
    hot.close()
    lake.close()


def verdicts(home: Home) -> Counter[str]:
    with explainer(home) as explain:
        return Counter(explain.explain(identity).verdict for identity in explain.ids())


@pytest.fixture(scope="module", params=["classic", "default"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Home:
    return landed(tmp_path_factory.mktemp(request.param), [market()], {**AT_ONCE, "preset": request.param})


def test_every_alert_is_reproduced(home: Home) -> None:
    found = verdicts(home)
    assert found.total() >= 4
    assert set(found) == {REPRODUCED}


def test_of_an_alert_that_the_hot_store_knows_only_the_day_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = landed(tmp_path, [two_days()], {**AT_ONCE, "preset": "classic", "hot.ttl": "3650d"})
    opened: set[int] = set()
    original = Lake.reading

    def spying(self: Lake, table: Table, files: Iterable[DataFile] = ()) -> TableFiles:
        files = list(files)
        if table is ALERTS:
            opened.update(file.partition[0] for file in files)
        return original(self, table, files)

    with explainer(home) as explain:
        everything = explain.ids()
    monkeypatch.setattr(Lake, "reading", spying)
    with explainer(home) as explain:
        assert explain.explain(explain.identified(everything[0][:12])).verdict == REPRODUCED
    assert len(opened) == 1
    os.remove(home.hot_db)
    with explainer(home) as explain:
        assert explain.identified(everything[0][:12]) == everything[0]
    assert len(opened) > 1


def test_alerts_that_learned_from_days_before_are_reproduced(tmp_path: Path) -> None:
    overrides = {
        **AT_ONCE, "preset": "default",
        "detectors.spread-calculator.minimum_windows": 3,
    }  # fmt: skip
    found = verdicts(landed(tmp_path, [two_days()], overrides))
    assert found.total() > 10
    assert set(found) == {REPRODUCED}


def test_trades_that_come_late_show(tmp_path: Path) -> None:
    """What stands was computed from what is there now; what was said before is kept, and said to be revised."""

    def late(record: Record) -> bool:
        inside = record.timestamp if isinstance(record, Trade) else None
        return inside is not None and at(66).timestamp() <= inside / 1e6 < at(70).timestamp() and inside % 7 == 0

    first = [r for r in market() if not late(r)]
    renumbered = tmp_path / "home"
    home = landed(renumbered, [first], AT_ONCE)
    feed_more(home, [r for r in market() if late(r)])
    with explainer(home) as explain:
        found = [explain.explain(identity) for identity in explain.ids()]
    assert {f.verdict for f in found} <= {REPRODUCED, SAME}
    assert any(len(f.revisions) > 1 for f in found), "nothing was revised: the scene does not bite"
    assert any(f.later for f in found)


def feed_more(home: Home, records: list[Record]) -> None:
    from coattail.streams.local import LocalStream

    feed(LocalStream(home.stream), [records])
    drained(home, AT_ONCE)


def edited(home: Home, change: str) -> None:
    """The newest revision of every alert in the hot store, changed behind everybody's back."""
    with sqlite3.connect(home.hot_db) as connection:
        connection.execute(f"UPDATE alerts SET {change}, revision = revision + 1")


def test_equal_inputs_with_another_alert_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = landed(tmp_path, [market()], {**AT_ONCE, "hot.ttl": "3650d"})
    edited(home, "severity = 'low'")
    assert set(verdicts(home)) == {DIFFERENT}
    with explainer(home) as explain:
        identity = explain.ids()[0]
    assert main(["--home", str(home.path), "explain", identity]) == 1
    assert "MISMATCH" in capsys.readouterr().out


def test_other_inputs_are_said_to_be_others(tmp_path: Path) -> None:
    home = landed(tmp_path, [market()], {**AT_ONCE, "hot.ttl": "3650d"})
    edited(home, """evidence = json_set(evidence, '$.inputs', 'another'), severity = 'low'""")
    assert set(verdicts(home)) == {REVISED}


def test_an_alert_of_former_rules_is_shown_as_it_was_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = landed(tmp_path, [market()], {**AT_ONCE, "hot.ttl": "3650d"})
    edited(home, """evidence = json_set(evidence, '$.parameters.gone', 1, '$.code', '0.0.9')""")
    with explainer(home) as explain:
        identity = explain.ids()[0]
        assert explain.explain(identity).verdict == FORMER
    assert main(["--home", str(home.path), "explain", identity]) == 0
    out = capsys.readouterr().out
    assert "0.0.9" in out
    assert "FORMER RULES" in out
    assert "coattail reprocess" in out


@pytest.fixture
def run(home: Home, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: str) -> tuple[int, str, str]:
        code = main(["--home", str(home.path), "explain", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_a_unique_beginning_of_an_id_is_enough(home: Home, run: Callable[..., tuple[int, str, str]]) -> None:
    with explainer(home) as explain:
        ids = explain.ids()
        statuses = {i: explain.explain(i).alert.status for i in ids}
    identity = next(i for i in ids if statuses[i] != RETRACTED)
    code, out, _ = run(identity[:12].upper())
    assert code == 0
    assert "REPRODUCED" in out
    assert identity in out
    document = json.loads(run(identity[:12], "--json")[1])
    assert document["alert"]["alert_id"] == identity
    assert document["evidence"]["inputs"] == document["now"]["inputs"]


@pytest.mark.parametrize(("given", "said"), [("zz", "no alert's id begins with"), ("", "no alert's id begins with")])
def test_an_unknown_id_is_refused_with_the_next_step(
    run: Callable[..., tuple[int, str, str]], given: str, said: str
) -> None:
    code, _, err = run(given)
    assert code == 2
    assert said in err
    assert "coattail alerts" in err


@pytest.mark.parametrize("home", ["classic"], indirect=True)
def test_a_beginning_that_several_ids_share_lists_them(home: Home, run: Callable[..., tuple[int, str, str]]) -> None:
    with explainer(home) as explain:
        shared = [c for c, n in Counter(i[0] for i in explain.ids()).items() if n > 1]
    code, _, err = run(shared[0])
    assert code == 2
    assert "give more of it" in err
