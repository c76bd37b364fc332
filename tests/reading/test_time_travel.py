"""`coattail snapshots`, `tag` and `reprocess`: what people and programs get, and what a mistake says."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coattail import Workspace
from coattail.alerts import DISCLAIMER
from coattail.cli import COMMANDS
from coattail.config import load_settings
from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.market import Market, write
from coattail.producer.replay import replay
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.streams.local import LocalStream

Run = Callable[..., Any]
PAGE = (Path(__file__).parents[2] / "docs" / "CLI.md").read_text()
STRICTER = ("--set", "volume-anomaly.z_threshold=4")


@pytest.fixture(scope="module")
def travelled() -> Iterator[Home]:
    """A home with two commits of raw_trades; tests add to it, and do not rely on what others added."""
    with tempfile.TemporaryDirectory() as name:
        yield made(Path(name))


def made(folder: Path) -> Home:
    written = write(Market(rate=0.05, duration=timedelta(minutes=75)), folder / "recordings").recordings
    home = Home.open(folder / "home", create=True)
    (home.path / "coattail.yaml").write_text("preset: classic\n")
    for recording in written.values():
        replay([recording], LocalStream(home.stream))
        with LocalEngine(home, load_settings(home)) as engine:
            engine.drain()
    return home


@pytest.fixture
def on(travelled: Home, run: Run) -> Run:
    """Runs the command line on it."""
    return lambda *arguments: run("--home", travelled.path, *arguments)


def json_of(done: Any) -> Any:
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


def first_snapshot(on: Run) -> str:
    return str(json_of(on("snapshots", "--json"))["snapshots"][-1]["snapshot_id"])


# -- snapshots and tags ----------------------------------------------------------------------------------------


def test_snapshots_are_listed_newest_first_with_what_they_hold(on: Run) -> None:
    listed = json_of(on("snapshots", "--json"))
    assert listed["table"] == "raw_trades"
    newest, oldest = listed["snapshots"]
    assert (newest["commit"], oldest["commit"]) == (2, 1)
    assert newest["rows"] == newest["added"] + oldest["rows"]
    assert oldest["first_event"] < oldest["last_event"]
    assert newest["offsets"]["lanes"] >= 1
    lines = on("snapshots").out.splitlines()
    assert lines[0].split()[:3] == ["snapshot", "commit", "committed"]
    assert [line.split()[0] for line in lines[1:]] == [newest["snapshot_id"], oldest["snapshot_id"]]
    assert re.search(r"for about (19|20) more commits|as long as ", lines[1])


def test_every_table_has_its_snapshots(on: Run) -> None:
    for table in ("anomaly_alerts", "coverage", "volume_aggregates"):
        listed = json_of(on("snapshots", "--table", table, "--json"))["snapshots"]
        assert len(listed) >= 2
        assert listed[0]["offsets"] is None


def test_a_tag_holds_shows_and_lets_go(on: Run) -> None:
    first = first_snapshot(on)
    made = json_of(on("tag", "mine", "--snapshot", first, "--json"))
    assert (made["snapshot_id"], made["commit"], made["keep_until"], made["removed"]) == (first, 1, None, False)
    assert json_of(on("snapshots", "--json"))["snapshots"][-1]["tags"] == ["mine"]
    assert "as long as mine" in on("snapshots").out
    again = on("tag", "mine")
    assert again.code == 2
    assert f"raw_trades has a tag 'mine' already, at snapshot {first}" in again.err
    assert "coattail tag mine --table raw_trades --remove" in again.err
    assert json_of(on("reprocess", "--as-of", "mine", "--json"))["as_of"]["snapshot_id"] == first
    assert "mine no longer holds snapshot" in on("tag", "mine", "--remove").out
    assert on("tag", "mine", "--remove").code == 2
    kept = on("tag", "mine", "--as-of", "2100-01-01", "--keep", "30d")
    assert re.match(r"mine holds snapshot \d+ of raw_trades \(commit 2, .*\) until 20", kept.out)
    assert json_of(on("tag", "mine", "--remove", "--json"))["removed"] is True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tag", "1a"), "'1a' is not a name for a tag; use up to 64 letters"),
        (("tag", "hourly-1"), "is a name that coattail gives itself"),
        (("tag", "a", "--snapshot", "5", "--as-of", "2h"), "--snapshot and --as-of exclude each other"),
        (("tag", "a", "--snapshot", "newest"), "--snapshot 'newest' is not an id"),
        (("tag", "a", "--snapshot", "5"), "raw_trades has no snapshot 5, or it has expired; kept: "),
        (("tag", "a", "--as-of", "2020-01-01"), "no snapshot from 2020-01-01 00:00:00Z or before"),
        (("tag", "a", "--keep", "long"), "--keep 'long' must be a duration"),
        (("tag", "a", "--keep", "0s"), "--keep 0s holds nothing"),
        (("tag", "a", "--remove", "--keep", "1d"), "--remove takes no other option"),
        (("tag", "a", "--table", "nothing"), "there is no table 'nothing'; tables here: anomal"),
        (("snapshots", "--table", "nothing"), "there is no table 'nothing'"),
        (("reprocess", "--as-of", "5"), "raw_trades has no snapshot 5, or it has expired; kept: "),
        (("reprocess", "--as-of", "2020-01-01"), "or before, or it has expired; kept: "),
        (("reprocess", "--as-of", "nonsense"), "raw_trades has no tag 'nonsense'"),
        (("reprocess", "--since", "1h", "--until", "2h"), "is not before until"),
        (("reprocess", "--set", "z=3"), "--set 'z=3' is not understood; write it like volume-anomaly.budget=2"),
        (("reprocess", "--set", "a.b.c=3"), "is not understood"),
        (("reprocess", "--set", "volume-anomaly.z_threshold=[1"), "the value cannot be read"),
        (("reprocess", "--set", "volume-anomaly.preset=x"), "use --preset"),
        (("reprocess", "--into", "bars"), "'bars' is a table or view of coattail's own"),
        (("reprocess", "--into", "alerts"), "'alerts' is a table or view of coattail's own"),
        (("reprocess", "--into", "No"), "'No' is not a name for a table"),
        (("reprocess", "--into", "branch:"), "'' is not a name for a branch"),
        (("reprocess", "--into", "branch:main"), "'main' is a name that coattail gives itself"),
        (("reprocess", "--into", "mine", "--promote"), "--promote needs a branch, and --into mine is a table"),
        (("reprocess", "--engine", "abacus"), "unknown engine 'abacus'"),
    ],
)
def test_a_mistake_is_one_sentence_and_code_2(on: Run, arguments: tuple[str, ...], said: str) -> None:
    done = on(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("volume-anomaly.z_treshold=3", "did you mean detectors.volume-anomaly.z_threshold?"),
        ("volum-anomaly.z_threshold=3", "unknown detector 'volum-anomaly' in flag; did you mean volume-anomaly?"),
        ("volume-anomaly.patience=30s", "unknown setting detectors.volume-anomaly.patience = '30s' in flag"),
        ("volume-anomaly.z_threshold=high", "detectors.volume-anomaly.z_threshold = 'high' in flag must be a number"),
    ],
)
def test_a_setting_that_is_not_there_is_said_like_in_a_file(on: Run, given: str, said: str) -> None:
    done = on("reprocess", "--set", given)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_reprocessing_prints_the_comparison_and_where_it_went(on: Run, travelled: Home) -> None:
    with Workspace(travelled.path) as ws:
        made = ws.reprocess({"volume-anomaly.z_threshold": 4.25})
    printed = repr(made).splitlines()
    shown = on("reprocess", "--set", "volume-anomaly.z_threshold=4.25").out.splitlines()
    assert [line for line in printed if line not in shown] == [
        f"run {made.done.request.run_id} is written to anomalies_reprocessed",  # the command comes second
        *(line for line in printed if line.startswith("  look: ")),  # it leaves --home out where it need not be there
    ]
    assert any("vanished: " in line for line in printed)


def test_a_parameter_of_a_detector_that_does_not_run_is_refused(on: Run, tmp_path: Path) -> None:
    (tmp_path / "few.yaml").write_text("modules: [whale-detector]\n")
    done = on("reprocess", "--config", tmp_path / "few.yaml", *STRICTER)
    assert (done.code, done.out) == (2, "")
    assert "the detector 'volume-anomaly' is not among the modules here; modules: whale-detector" in done.err


def test_a_tag_of_another_table_is_told_from_none(on: Run) -> None:
    assert on("tag", "verdicts", "--table", "anomaly_alerts").code == 0
    done = on("reprocess", "--as-of", "verdicts")
    assert (done.code, done.out) == (2, "")
    assert "'verdicts' is a tag of anomaly_alerts, not of raw_trades" in done.err
    assert on("tag", "verdicts", "--table", "anomaly_alerts", "--remove").code == 0


def test_where_nothing_has_landed(empty: Run) -> None:
    assert empty("snapshots").out == "raw_trades has no snapshot yet: nothing has landed\n"
    assert json_of(empty("snapshots", "--json")) == {"table": "raw_trades", "snapshots": []}
    assert "there is no table 'raw_trades'; tables here: none yet" in empty("tag", "a").err
    done = empty("reprocess")
    assert (done.code, done.out) == (1, "")
    assert done.err == "error: table 'raw_trades' has no snapshot yet; land some trades first\n"


# -- reprocess -------------------------------------------------------------------------------------------------


def test_a_person_reads_what_differs_and_why_and_where_it_is(on: Run) -> None:
    done = on("reprocess", *STRICTER)
    assert (done.code, done.err) == (0, "")
    assert "settings asked for: volume-anomaly.z_threshold 2.5 -> 4.0" in done.out
    assert re.search(r"^same \d+, appeared \d+, vanished [1-9]\d*, changed [1-9]\d*$", done.out, re.MULTILINE)
    assert "vanished: asked for volume-anomaly.z_threshold 2.5 -> 4.0: no longer an alert (z_score " in done.out
    assert "--promote would make these the current alerts: every check passes" in done.out
    run = re.search(r"run (\w{16}) is written to anomalies_reprocessed|run (\w{16}) is in", done.out)
    assert run is not None
    assert done.out.endswith(f"{DISCLAIMER}\n")
    again = json_of(on("reprocess", *STRICTER, "--json"))
    assert (again["run"], again["written"], again["into"]) == (run[1] or run[2], False, "anomalies_reprocessed")
    query = f"SELECT verdict, count(*) AS n FROM anomalies_reprocessed WHERE run_id = '{again['run']}' GROUP BY 1"
    rows = json_of(on("sql", query, "--json"))["rows"]
    assert {row["verdict"]: row["n"] for row in rows} == {k: v for k, v in again["counts"].items() if v}


def test_outcomes_go_into_another_table(on: Run) -> None:
    assert json_of(on("reprocess", "--into", "tried", "--json"))["written"] is True
    assert json_of(on("reprocess", "--into", "tried", "--json"))["written"] is False
    assert json_of(on("sql", "SELECT count(DISTINCT run_id) AS n FROM tried", "--json"))["rows"] == [{"n": 1}]


def test_a_branch_is_made_kept_and_let_go_of(on: Run) -> None:
    made = json_of(on("reprocess", *STRICTER, "--into", "branch:try", "--json"))
    assert (made["into"], made["written"]) == ("branch:try", True)
    assert made["promote"]["promoted"] is False
    assert made["promote"]["revised"] > 0
    assert "the branch try holds this run already" in on("reprocess", *STRICTER, "--into", "branch:try").out
    other = on("reprocess", "--set", "volume-anomaly.z_threshold=5", "--into", "branch:try")
    assert other.code == 2
    assert "anomaly_alerts has a branch 'try' already" in other.err
    listed = json_of(on("snapshots", "--table", "anomaly_alerts", "--json"))["snapshots"]
    assert [s["branches"] for s in listed].count(["try"]) == 1
    assert on("tag", "try", "--table", "anomaly_alerts", "--remove").code == 0


def test_promoting_changes_what_everybody_reads(run: Run, tmp_path: Path) -> None:
    home = made(tmp_path)

    def on(*arguments: str) -> Any:
        return run("--home", home.path, *arguments)

    with LocalEngine(home, load_settings(home), command="land"):
        refused = on("reprocess", *STRICTER, "--promote")
        assert (refused.code, refused.out) == (1, "")
        assert "`land` (process" in refused.err
        assert "stop it first, or wait for its end" in refused.err
        assert on("reprocess", *STRICTER).code == 0
    stale = on("reprocess", *STRICTER, "--as-of", first_snapshot(on), "--promote")
    assert stale.code == 1
    assert "NO  no trade that matters here has landed after the snapshot" in stale.out
    assert stale.err == "error: not promoted: nothing was changed; the checks above say what is in the way\n"
    done = on("reprocess", *STRICTER, "--promote")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"promoted: [1-9]\d* alerts revised or retracted", done.out)
    advice = re.search(r"coattail.yaml of the home:\n  (.*)\n", done.out)
    assert advice is not None
    home.config_file.write_text(f"preset: classic\n{advice[1]}\n")
    rows = json_of(on("sql", "SELECT details FROM alerts WHERE status = 'final'", "--json"))["rows"]
    details = [json.loads(row["details"]) for row in rows]
    assert {d["z_threshold"] for d in details if "z_threshold" in d} == {4}
    shown = json_of(on("alerts", "--limit", "1000", "--status", "final", "--json"))["alerts"]
    assert {a["details"]["z_threshold"] for a in shown if "z_threshold" in a["details"]} == {4}
    before = alert_rows(home)
    assert on("land", "--drain").code == 0
    assert alert_rows(home) == before
    same = json_of(on("reprocess", "--json"))
    assert same["settings"] == []
    assert same["counts"]["changed"] == same["counts"]["vanished"] == 0
    assert same["promote"]["possible"] is True
    assert "nothing to promote" in on("reprocess", "--promote").out


def alert_rows(home: Home) -> int:
    from coattail.tables import ALERTS

    lake = Lake(embedded(home.path), writable=False)
    try:
        return lake.scan(ALERTS).height
    finally:
        lake.close()


# -- the page --------------------------------------------------------------------------------------------------


def keys(value: Any, path: str = "") -> Iterator[str]:
    """Dotted keys; what is free in form is left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "...":
                yield f"{path}{name}"
                if name not in ("details", "causes") or isinstance(inner, list):
                    yield from keys(inner, f"{path}{name}.")
    elif isinstance(value, list):
        for item in value:
            yield from keys(item, path)


def test_the_page_lists_exactly_the_keys_that_are_printed(on: Run) -> None:
    blocks = dict(re.findall(r"## coattail (snapshots|tag|reprocess)\n.*?```json\n(.*?)```", PAGE, re.DOTALL))
    assert set(blocks) <= set(COMMANDS)
    printed = {
        "snapshots": json_of(on("snapshots", "--json")),
        "tag": json_of(on("tag", "page", "--json")),
        "reprocess": json_of(on("reprocess", *STRICTER, "--json")),
    }
    assert json_of(on("tag", "page", "--remove", "--json")).keys() == printed["tag"].keys()
    appeared = json_of(on("reprocess", "--set", "volume-anomaly.z_threshold=2.1", "--json"))
    printed["reprocess"]["differences"] += appeared["differences"]
    for name, document in printed.items():
        assert set(keys(json.loads(blocks[name]))) == set(keys(document)), name
