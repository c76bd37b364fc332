"""Commands that look at a home: what people, pipes and programs get."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from coattail.alerts import DISCLAIMER, RETRACTED, Alert
from coattail.config import load_settings
from coattail.engines.local import LocalEngine
from coattail.home import Home
from coattail.landing.kernel import REJECTED_SCHEMA
from coattail.stores.catalog import embedded
from coattail.stores.hot_sqlite import SqliteHotStore
from coattail.stores.lake import Lake
from coattail.stores.opening import open_letters
from coattail.tables import COVERAGE
from coattail.workspace.bound import Workspace
from coattail.workspace.text import ago, bar, percent, printable, size

Run = Callable[..., Any]
LOOKING = [("alerts",), ("status",), ("quality",), ("coverage", "--gaps"), ("dlq", "list"), ("sql", "SHOW TABLES")]


def json_of(done: Any) -> Any:
    assert (done.code, done.err) == (0, "")
    return json.loads(done.out)


# -- every command -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", LOOKING, ids=lambda c: c[0])
def test_a_home_where_nothing_has_landed_is_no_failure(empty: Run, command: tuple[str, ...]) -> None:
    done = empty(*command)
    assert (done.code, done.err) == (0, "")
    assert done.out
    json.loads(empty(*command, "--json").out)


@pytest.mark.parametrize("command", LOOKING, ids=lambda c: c[0])
def test_a_missing_home_is_one_sentence_with_the_next_step(run: Run, tmp_path: Path, command: tuple[str, ...]) -> None:
    done = run("--home", tmp_path / "none", *command)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"error: there is no home at {tmp_path / 'none'}; "
        "make one with `coattail init`, or see everything with `coattail demo`\n"
    )


def test_commands_work_while_an_engine_runs(filled: Any, coattail: Run) -> None:
    with LocalEngine(filled.home, load_settings(filled.home), command="land"):
        engine = json_of(coattail("status", "--json"))["engine"]
        assert (engine["running"], engine["command"]) == (True, "land")
        assert "runs: land (process" in coattail("status").out
        for command in LOOKING:
            assert coattail(*command).code == 0


def test_commands_work_on_a_home_that_may_not_be_written(filled: Any) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else, and only root needs to")
    commands = [["--home", str(filled.home.path), *command] for command in LOOKING]
    code = (
        "import os, sys\n"
        "from coattail.cli import main\n"
        f"for c in {commands!r}: main(c)\n"  # imports what root may read and the other user perhaps not
        "os.setuid(65534)\n"
        f"sys.exit(sum(main(c) for c in {commands!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("whale_orders") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("alerts", "--type", "volume_spick"),
            "type 'volume_spick' is unknown; known: spread_divergence, stablecoin_depeg",
        ),
        (("alerts", "--severity", "bad"), "severity 'bad' is unknown; known: low, medium, high, critical"),
        (("alerts", "--status", "done"), "status 'done' is unknown; known: provisional, final, retracted"),
        (("alerts", "--since", "yesterday"), "--since 'yesterday' is not a time"),
        (("alerts", "--until", "25:00"), "--until '25:00' is not a time"),
        (("alerts", "--limit", "0"), "--limit"),
        (
            ("alerts", "--symbol", "BTCUSDT"),
            "symbol 'BTCUSDT' has no trades here; did you mean BTC-USDT?",
        ),
        (("alerts", "--exchange", "krakn"), "exchange 'krakn' has no trades here; known: binance, coinbase"),
        (
            ("alerts", "--since", "2025-03-05", "--until", "2025-03-04"),
            "is not before until",
        ),
        (
            ("export", "bars", "--out", "x.csv", "--symbol", "BTCUSDT"),
            "has no trades here; did you mean",
        ),
        (("export", "bars", "--out", "x.csv", "--since", "2h", "--until", "3h"), "is not before until"),
        (("what-if", "--set", "volume-anomaly.z_threshold=3", "--since", "2h", "--until", "3h"), "is not before until"),
        (("alerts", "--follow", "--until", "2h"), "following goes on with what comes"),
        (("coverage", "--exchange", "mtgox"), "exchange 'mtgox' has no trades here; known: binance, coinbase"),
        (("coverage", "--symbol", "x"), "symbol 'X' has no trades here; known: BTC-USD"),
        (("dlq", "list", "--reason", "why"), "reason 'why' is unknown; known: malformed, incomplete"),
        (("dlq", "list", "--since", "x"), "--since 'x' is not a time"),
        (("dlq", "show", "1"), "'1' is not a key; write it like 12/3.0/45"),
        (("dlq", "show", "1/9.9/9"), "no rejected record has the key 1/9.9/9"),
        (("sql", "SELECT foo FROM bars"), "no column 'foo' (line 1, column 8); bars has exchange"),
        (("sql", "SELECT 1", "--csv", "--json"), "--csv and --json exclude each other"),
        (("sql",), "QUERY"),
    ],
)
def test_a_mistake_is_one_sentence_and_code_2(coattail: Run, arguments: tuple[str, ...], said: str) -> None:
    done = coattail(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert said in done.err
    assert done.err.count("\n") == 1


# -- alerts --------------------------------------------------------------------------------------------------


def test_alerts_are_listed_newest_first_with_the_disclaimer_once(coattail: Run) -> None:
    done = coattail("alerts", "--limit", 5)
    lines = done.out.splitlines()
    assert len(lines) == 7
    assert [line[:20] for line in lines[:5]] == sorted((line[:20] for line in lines[:5]), reverse=True)
    assert "older ones are not shown" in lines[5]
    assert (lines[6], done.out.count(DISCLAIMER), "\x1b" in done.out) == (DISCLAIMER, 1, False)


def test_alerts_are_chosen_by_type_symbol_exchange_severity_and_time(coattail: Run) -> None:
    everything = json_of(coattail("alerts", "--limit", 1000, "--json"))
    assert everything["count"] == len(everything["alerts"]) > 3
    assert (everything["has_more"], everything["disclaimer"]) == (False, DISCLAIMER)
    whales = json_of(
        coattail("alerts", "--type", "whale_trade", "--exchange", "Binance", "--symbol", "btc-usdt", "--json")
    )
    assert [a["symbol"] for a in whales["alerts"]] == ["BTC-USDT"]
    assert whales["alerts"][0]["details"]["fills"] == 12
    bad = json_of(coattail("alerts", "--severity", "HIGH", "--json"))
    assert {a["severity"] for a in bad["alerts"]} == {"high", "critical"}
    late = json_of(coattail("alerts", "--since", "2025-03-04T13:30:00Z", "--until", "2025-03-04T13:40:00", "--json"))
    assert late["alerts"]
    assert all("2025-03-04T13:30" <= a["detected_at"] < "2025-03-04T13:40" for a in late["alerts"])


def test_a_time_without_alerts_says_of_when_the_newest_is(coattail: Run) -> None:
    said = coattail("alerts", "--since", "2h").out.splitlines()
    assert said[0].startswith("no alerts in that time; it is the market's, and the newest alert is of 2025-03-04 13:")
    assert said[1:6] == coattail("alerts", "--limit", 5).out.splitlines()[:5]
    assert said[6:] == [DISCLAIMER]


def test_an_empty_home_says_how_to_get_alerts(empty: Run) -> None:
    done = empty("alerts")
    assert done.out.startswith("no alerts yet")
    assert done.out.split("see some: ")[1].splitlines()[0].endswith("coattail demo"), "it refuses the home of another"


def alert(identity: str, **changes: Any) -> Alert:
    given = {
        "alert_id": identity * 32, "alert_type": "whale_trade", "module_id": "MOD-002", "symbol": "BTC-USDT",
        "exchange": "binance", "severity": "high", "detected_at": datetime.now(UTC), "status": "final",
        "message": "one order\x1b[2J", "details": "{}", "preset": "classic", "revision": 1,
    }  # fmt: skip
    return Alert(**{**given, **changes})


@pytest.fixture
def followed(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs `alerts --follow` on an empty home; each look finds the next alerts written, then Ctrl-C is pressed."""
    home = Home.open(tmp_path / "home", create=True)

    def follow(looks: list[list[Alert]], *arguments: str, before: list[Alert] | None = None) -> Any:
        waiting = iter(looks)

        def put(alerts: list[Alert]) -> None:
            hot = SqliteHotStore(home.hot_db)
            hot.put_alerts(alerts, now=datetime.now(UTC))
            hot.close()

        def wait() -> None:
            alerts = next(waiting, None)
            if alerts is None:
                raise KeyboardInterrupt
            put(alerts)

        if before:
            put(before)
        monkeypatch.setattr("coattail.workspace.alerts.pause", wait)
        return run("--home", home.path, "alerts", "--follow", *arguments)

    return follow


def test_following_tells_what_is_new_revised_and_retracted_once_each(followed: Run) -> None:
    looks = [
        [alert("a", status="provisional")],
        [],
        [alert("a", revision=2, severity="critical"), alert("b")],
        [alert("b", revision=2, status=RETRACTED), alert("c", status=RETRACTED)],
    ]
    done = followed(looks, "--json")
    assert (done.code, done.err) == (0, "")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [(line["change"], line["alert_id"][0], line["revision"]) for line in lines] == [
        ("new", "a", 1), ("revised", "a", 2), ("new", "b", 1), ("retracted", "b", 2),
    ]  # fmt: skip


def test_following_begins_with_the_current_ones_and_does_not_repeat_them(followed: Run) -> None:
    earlier = alert("a", detected_at=datetime.now(UTC) - timedelta(minutes=5))
    done = followed([[alert("b")]], before=[earlier, alert("c", severity="low")])
    lines = done.out.splitlines()
    assert (done.code, lines[0]) == (0, DISCLAIMER)
    assert [line[-12] for line in lines[1:]] == ["a", "c", "b"]
    assert r"one order\x1b[2J" in done.out
    assert "\x1b" not in done.out


def test_following_keeps_to_what_was_asked_for(followed: Run) -> None:
    looks = [[alert("a", symbol="ETH-USD"), alert("b"), alert("c", severity="low")]]
    done = followed(looks, "--symbol", "BTC-USDT", "--severity", "medium", "--json")
    assert [json.loads(line)["alert_id"][0] for line in done.out.splitlines()] == ["b"]


# -- status, quality, coverage -------------------------------------------------------------------------------


def test_status_tells_the_totals_of_the_newest_commit_and_the_times(coattail: Run, filled: Any) -> None:
    found = json_of(coattail("status", "--json"))
    trades = found["trades"]
    assert trades["received"] == trades["landed"] + trades["rejected"] + trades["duplicates"]
    assert trades["rejected"] == 2
    assert trades["duplicates"] > 1000
    assert found["home"]["path"] == str(filled.home.path)
    assert (found["engine"]["running"], found["stream"]["waiting_segments"]) == (False, 0)
    assert found["commit"]["sequence"] >= 2
    tables = {table["name"]: table for table in found["tables"]}
    assert tables["raw_trades"]["rows"] == trades["landed"]
    assert found["time"]["newest_trade"].startswith("2025-03-04T13:59:")
    assert 10 <= found["time"]["watermark_behind_seconds"] <= 30
    assert sum(a["count"] for a in found["alerts"]) == json_of(coattail("alerts", "--limit", 1000, "--json"))["count"]
    shown = coattail("status").out
    assert f"received {trades['received']:,} = landed {trades['landed']:,} + rejected 2" in shown
    assert "engine     none runs" in shown


def unmoving(text: str) -> list[str]:
    """The lines of an output without what differs from one second to the next: durations and sizes."""
    return [
        re.sub(r"in [\d.]+ s\b|\d+ \w+ (ago|back)|[\d.]+ [kMGT]?B\b", "…", line)
        for line in text.splitlines()
        if not line.startswith(("disk  ", "forecast"))
    ]


PRINTED: dict[str, tuple[Callable[[Workspace, Path], object], tuple[str, ...]]] = {
    "status": (lambda ws, _: ws.status(), ("status",)),
    "quality": (lambda ws, _: ws.quality(), ("quality",)),
    "alerts": (lambda ws, _: ws.alerts(type="whale_trade"), ("alerts", "--type", "whale_trade")),
    "doctor": (lambda ws, _: ws.doctor(), ("doctor",)),
    "maintain": (lambda ws, _: ws.maintain(dry_run=True), ("maintain", "--dry-run")),
    "report": (
        lambda ws, folder: ws.report(folder / "day.html", light=True),
        ("report", "day", "--light", "--out", "FOLDER/day.html"),
    ),
    "export": (
        lambda ws, folder: ws.export("raw_trades", folder / "t.csv", since="2025-03-04T13:00", force=True),
        ("export", "raw_trades", "--out", "FOLDER/t.csv", "--since", "2025-03-04T13:00", "--force"),
    ),
    "what_if": (
        lambda ws, _: ws.what_if({"volume-anomaly.z_threshold": 4}, sweep=("volume-anomaly.z_threshold", [3, 4])),
        ("what-if", "--set", "volume-anomaly.z_threshold=4", "--sweep", "volume-anomaly.z_threshold=3,4"),
    ),
}


@pytest.mark.parametrize("name", PRINTED)
def test_a_result_prints_in_a_notebook_as_its_command_does(
    coattail: Run, filled: Any, tmp_path: Path, name: str
) -> None:
    ask, command = PRINTED[name]
    with Workspace(filled.home.path) as ws:
        printed = repr(ask(ws, tmp_path))
    shown = coattail(*(word.replace("FOLDER", str(tmp_path)) for word in command)).out
    assert unmoving(printed) == unmoving(shown)
    assert len(printed.splitlines()) > 1


def test_status_of_an_empty_home_says_what_to_do(empty: Run) -> None:
    done = empty("status")
    assert "none landed yet" in done.out
    assert "demo" in done.out


def test_quality_agrees_with_the_totals_and_names_the_reasons(coattail: Run) -> None:
    trades = json_of(coattail("status", "--json"))["trades"]
    found = json_of(coattail("quality", "--json"))
    whole = found["all_time"]
    assert (whole["processed"], whole["passed"], whole["failed"], whole["duplicate"]) == (
        trades["received"], trades["landed"], trades["rejected"], trades["duplicates"],
    )  # fmt: skip
    assert whole == found["last_24h"] | {"since": whole["since"]}
    assert whole["score"] == trades["landed"] * 10**8 // (trades["landed"] + 2) / 10**6 < 100
    assert sum(e["processed"] for e in whole["exchanges"]) == whole["processed"]
    assert {f["folder"] for f in found["failures"]} == {"invalid", "malformed"} or found["failures"]
    shown = coattail("quality").out
    assert "good" in shown
    assert "99.9" in shown


def test_coverage_lists_the_gap_exactly(coattail: Run, filled: Any) -> None:
    found = json_of(coattail("coverage", "--gaps", "--exchange", "binance", "--symbol", "btc-usdt", "--json"))
    (instrument,), (gap,) = found["instruments"], found["gaps"]
    assert (gap["first_id"], gap["last_id"], gap["missing"]) == (*filled.gap, 5)
    assert gap["after"] < gap["before"]
    assert (instrument["gaps"], instrument["missing"], instrument["rejected"]) == (1, 5, 2)
    assert instrument["landed"] == instrument["last_id"] - instrument["first_id"] + 1 - 7 == instrument["trades"]
    assert 99 < instrument["coverage_pct"] < 100
    assert json_of(coattail("coverage", "--json"))["gaps"] is None
    shown = coattail("coverage", "--gaps").out
    assert f"{filled.gap[0]}  {filled.gap[1]}" in shown
    assert "100.000 %" in shown
    assert "no gaps" in coattail("coverage", "--gaps", "--exchange", "coinbase").out


# -- dlq -----------------------------------------------------------------------------------------------------


def test_rejected_records_are_listed_and_shown_without_anything_that_moves_a_terminal(coattail: Run) -> None:
    listed = json_of(coattail("dlq", "list", "--json"))
    assert (listed["count"], listed["has_more"]) == (2, False)
    assert all("owned" in r["payload"] or r["price"] == "-1" for r in listed["records"])
    assert json_of(coattail("dlq", "list", "--limit", 1, "--json"))["has_more"]
    pages = [coattail("dlq", "list").out]
    pages += [coattail("dlq", "show", record["key"]).out for record in listed["records"]]
    for page in pages:
        assert page.replace("\n", "").isprintable()
        assert "\u202e" not in page
    assert any("owned" in page for page in pages[1:])


def test_records_of_two_streams_that_share_a_key_are_told_apart(run: Run, tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home", create=True)
    row = {"stream_lane": 5, "stream_offset": "1.0", "stream_index": -1, "reason": "invalid", "reasons": ["overlap"]}
    for days, stream in enumerate(("aaa", "bbb")):
        rows = pl.DataFrame([{**row, "payload": f"of {stream}"}], schema=REJECTED_SCHEMA)
        now = datetime(2025, 3, 4 + days, tzinfo=UTC)
        open_letters(home, load_settings(None)).write(rows, [], stream=stream, now=now)

    def dlq(*arguments: str) -> Any:
        return run("--home", home.path, "dlq", *arguments)

    assert [r["stream"] for r in json_of(dlq("list", "--json"))["records"]] == ["bbb", "aaa"]
    assert json_of(dlq("show", "5/1.0/-1", "--json"))["record"]["payload"] == "of bbb"
    assert "--stream chooses one: aaa" in dlq("show", "5/1.0/-1").out
    assert json_of(dlq("show", "5/1.0/-1", "--stream", "a", "--json"))["record"]["payload"] == "of aaa"
    assert "streams that have it: bbb, aaa" in dlq("show", "5/1.0/-1", "--stream", "c").err


def test_rejected_records_are_chosen_by_folder_reason_and_day(coattail: Run) -> None:
    listed = json_of(coattail("dlq", "list", "--json"))["records"]
    for name in {r["rejected_as"] for r in listed} | {reason for r in listed for reason in r["reasons"]}:
        chosen = json_of(coattail("dlq", "list", "--reason", name, "--json"))["records"]
        assert chosen
        assert all(name in (r["rejected_as"], *r["reasons"]) for r in chosen)
    assert json_of(coattail("dlq", "list", "--since", "1h", "--json"))["count"] == 2
    assert json_of(coattail("dlq", "list", "--since", "2999-01-01", "--json"))["count"] == 0


# -- sql -----------------------------------------------------------------------------------------------------


def test_answers_come_as_a_table_as_csv_and_as_json(coattail: Run) -> None:
    query = "SELECT 'a,b' AS t, CAST('1.10' AS decimal(38,8)) AS d, TIMESTAMP '2025-03-04 12:00:00.5 UTC' AS z, " \
            "TIMESTAMP '2025-03-04 12:00:00' AS n, NULL AS u, ARRAY[1, 2] AS l, 7 AS i"  # fmt: skip
    assert coattail("sql", query, "--csv").out == (
        't,d,z,n,u,l,i\n"a,b",1.10000000,2025-03-04T12:00:00.500000Z,2025-03-04T12:00:00,,"[1,2]",7\n'
    )
    found = json_of(coattail("sql", query, "--json"))
    assert found["rows"] == [
        {
            "t": "a,b", "d": "1.10000000", "z": "2025-03-04T12:00:00.500000Z", "n": "2025-03-04T12:00:00", "u": None,
            "l": [1, 2], "i": 7,
        }
    ]  # fmt: skip
    assert (found["row_count"], found["truncated"]) == (1, False)
    assert coattail("sql", query).out.splitlines()[0].split() == ["t", "d", "z", "n", "u", "l", "i"]


def test_a_query_may_come_from_stdin(coattail: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 5/2 AS half\n"))
    assert coattail("sql", "-", "--csv").out == "half\n2\n"


def test_a_long_answer_is_cut_and_says_so(coattail: Run) -> None:
    done = coattail("sql", "SELECT trade_id FROM raw_trades", "--max-rows", 3)
    assert len(done.out.splitlines()) == 4
    assert "only the first 3 rows are shown; --max-rows 0 shows all" in done.err
    assert json_of(coattail("sql", "SELECT trade_id FROM raw_trades", "--max-rows", 3, "--json"))["truncated"]
    default = coattail("sql", "SELECT trade_id FROM raw_trades")
    assert len(default.out.splitlines()) == 1001
    whole = coattail("sql", "SELECT trade_id FROM raw_trades", "--max-rows", 0)
    assert len(whole.out.splitlines()) > 5000


def test_text_from_outside_cannot_move_the_terminal(coattail: Run) -> None:
    done = coattail("sql", "SELECT chr(27) || '[2J' AS t")
    assert done.out == "t\n\\x1b[2J\n"


def test_a_read_of_the_past_says_which_snapshot_it_was(coattail: Run) -> None:
    done = coattail("sql", "SELECT count(*) FROM raw_trades FOR VERSION AS OF 'main'")
    assert done.err.startswith("raw_trades is read at snapshot ")


def test_no_rows_are_said(coattail: Run) -> None:
    assert coattail("sql", "SELECT * FROM bars WHERE false").err == "no rows\n"


def test_a_damaged_file_is_a_failure_and_no_mistake_of_the_query(tmp_path: Path, run: Run) -> None:
    home = Home.open(tmp_path / "home", create=True)
    lake = Lake(embedded(home.path))
    rows = [{"exchange": "x", "symbol": "A-B", "first_id": 1, "last_id": 2, "state": "live"}]
    files = lake.write(COVERAGE, COVERAGE.conform(pl.DataFrame(rows)))
    lake.commit(COVERAGE, files, {"through": "1"})
    lake.close()
    Path(files[0].file_path.removeprefix("file://")).unlink()
    done = run("--home", home.path, "sql", "SELECT * FROM coverage")
    assert (done.code, done.out) == (1, "")
    assert "a file of the tables cannot be read" in done.err


# -- text for a terminal -------------------------------------------------------------------------------------


def test_bars_are_full_only_for_all_and_empty_only_for_nothing() -> None:
    assert [bar(share, 4) for share in (0, 0.001, 0.5, 0.999, 1)] == ["░░░░", "█░░░", "██░░", "███░", "████"]


def test_a_terminal_without_blocks_gets_plain_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert bar(0.5, 4) == "##.."


def test_percent_is_rounded_down() -> None:
    assert [percent(999_999, 1_000_000), percent(1, 1), percent(0, 0)] == ["99.99 %", "100.00 %", "-"]


def test_sizes_ages_and_texts_read_well() -> None:
    assert [size(n) for n in (999, 1_500, 2_500_000)] == ["999 B", "1.5 kB", "2.5 MB"]
    ages = [ago(timedelta(seconds=s)) for s in (-5, 5, 600, 7200, 200_000)]
    assert ages == ["in the future", "5 s ago", "10 min ago", "2 h ago", "2 days ago"]
    assert printable("a\tb\x9bc\u2028é") == r"a\tb\x9bc\u2028é"
    assert printable("abcdef", most=4) == "abc…"
