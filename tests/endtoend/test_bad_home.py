"""A home that is full, closed, moved, newer or damaged: a clear sentence, and once mended nothing is missing."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from coattail.home import Home
from coattail.stores.catalog import embedded
from coattail.stores.repair import find_tables
from coattail.stores.storage import Storage
from tests.harness.commands import Done, alerts, trades
from tests.harness.processes import ROOT

Run = Callable[..., Done]

ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
"""Bytecode written with little space would be cut, and every later import would fail."""

LIMITED = """
import resource, signal, sys
from coattail.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(main(sys.argv[2:]))
"""


def with_little_space(size: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command in a child that can write no file longer than `size` bytes."""
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(size), *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False, env=ENVIRONMENT,
    )  # fmt: skip


def assert_same(home: Path, other: Path) -> None:
    assert trades(home).equals(trades(other))
    assert alerts(home).drop("evidence").equals(alerts(other).drop("evidence"))  # which names the commit
    assert alerts(home).height > 0


@pytest.mark.parametrize("size", [0, 20_000, 200_000])
def test_after_a_full_disk_the_same_replay_completes(
    run: Run, market_folder: Path, tmp_path: Path, undisturbed: Path, size: int
) -> None:
    home = tmp_path / "home"
    failed = with_little_space(size, "replay", market_folder, "--home", home)
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "disk" in failed.stderr
    done = run("replay", market_folder, "--home", home, "--json")
    assert done.code == 0
    assert done.json["landed"]["conserved"]
    assert_same(home, undisturbed)


@pytest.mark.parametrize("size", [10, 50_000])
def test_after_a_full_disk_the_same_landing_completes(
    run: Run, market_folder: Path, tmp_path: Path, undisturbed: Path, size: int
) -> None:
    home = tmp_path / "home"
    run("replay", market_folder, "--home", home, "--no-land")
    failed = with_little_space(size, "land", "--drain", "--home", home)
    assert (failed.returncode, failed.stderr.count("\n")) == (1, 1)
    assert "disk" in failed.stderr
    assert run("land", "--drain", "--home", home).code == 0
    assert_same(home, undisturbed)


def test_a_closed_home_is_refused_in_one_sentence(run: Run, market_folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        run("init", "--home", folder / "home")
        shutil.copy(market_folder / "binance.frames.zst", folder / "capture.zst")
        for path in [folder / "home", *(folder / "home").rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        drop = "os.setuid(65534)\n" if os.geteuid() == 0 else ""
        code = (
            "import contextlib, io, os, sys, coattail.batch.beside\n"
            "import coattail.cli.logs, coattail.recordings.chosen, coattail.engines.local\n"
            "from coattail.cli import main\n"
            "with contextlib.redirect_stdout(io.StringIO()):\n"
            "    main(['doctor'])\n"  # imports what root may read and the other user perhaps not
            f"{drop}sys.exit(main(sys.argv[1:]))"
        )
        for command in (["replay", str(folder / "capture.zst")], ["land", "--drain"], ["doctor", "--repair"]):
            done = subprocess.run(
                [sys.executable, "-c", code, *command, "--home", str(folder / "home")],
                capture_output=True, text=True, timeout=60, check=False, env=ENVIRONMENT,
            )  # fmt: skip
            assert done.returncode == 1, done.stderr
            assert "is read-only" in done.stderr
            assert done.stderr.count("\n") == 1


def test_a_moved_home_says_how_to_mend_it(run: Run, market_folder: Path, tmp_path: Path) -> None:
    run("replay", market_folder, "--home", "here")
    shutil.move("here", "there")
    for command in (["replay", market_folder], ["land", "--drain"]):
        done = run(*command, "--home", "there")
        assert done.code == 1
        assert f"was moved from {tmp_path}/here" in done.err
        assert "ln -s" in done.err


def test_a_home_of_a_newer_version_is_refused(run: Run, market_folder: Path, tmp_path: Path) -> None:
    run("init", "--home", "home")
    record = json.loads((tmp_path / "home" / "home.json").read_text())
    (tmp_path / "home" / "home.json").write_text(json.dumps({**record, "format_version": 99}))
    done = run("replay", market_folder, "--home", "home")
    assert done.code == 1
    assert "upgrade coattail" in done.err


@pytest.mark.parametrize("damage", ["catalog.db", "hot.db", "missing catalog.db"])
def test_a_damaged_database_is_named_repaired_and_nothing_is_missing(
    run: Run, market_folder: Path, tmp_path: Path, undisturbed: Path, damage: str
) -> None:
    home = tmp_path / "home"
    run("replay", market_folder, "--home", home)
    file = home / damage.removeprefix("missing ")
    file.unlink() if damage.startswith("missing") else file.write_bytes(b"not a database" * 300)
    for command in (["replay", market_folder], ["land", "--drain"]):
        done = run(*command, "--home", home)
        assert done.code == 1
        assert "coattail doctor --repair" in done.err
    done = run("doctor", "--home", home)
    assert done.code == 1
    assert "coattail doctor --repair" in done.out
    repaired = run("doctor", "--repair", "--home", home, "--json").json
    assert repaired["healthy"]
    assert f"rebuilt {file.name} with " in repaired["repaired"][0]
    assert_same(home, undisturbed)
    again = run("replay", market_folder, "--home", home, "--json").json["landed"]
    assert (again["landed"], again["gaps"]) == (0, [])
    assert again["duplicates"] == len(trades(undisturbed))
    assert_same(home, undisturbed)
    assert "nothing to repair" in run("doctor", "--repair", "--home", home).out


@pytest.mark.parametrize("table", ["raw_trades", "bars", "volume_aggregates", "anomaly_alerts", "coverage"])
def test_torn_metadata_falls_back_and_what_is_lacking_comes_again(
    run: Run, market_folder: Path, tmp_path: Path, undisturbed: Path, table: str
) -> None:
    home = tmp_path / "home"
    for exchange in ("binance", "coinbase"):
        run("replay", market_folder / f"{exchange}.frames.zst", "--home", home)
    newest = next(found for found in find_tables(Storage(embedded(home))) if found.name == table).metadata
    assert newest is not None
    path = Path(newest.removeprefix("file://"))
    path.write_bytes(path.read_bytes()[:700])
    if table == "raw_trades":
        assert run("land", "--drain", "--home", home).code == 1
    done = run("doctor", "--home", home)
    assert (done.code, f"{table}: {path.name} cannot be read" in done.out) == (1, True)
    repaired = run("doctor", "--repair", "--home", home)
    assert repaired.code == 0, repaired.out
    aside = next((line for line in repaired.out.splitlines() if line.startswith("set aside ")), "")
    assert f"{table} is back at the commit of " in repaired.out or table in aside
    assert run("land", "--drain", "--home", home).code == 0
    assert_same(home, undisturbed)
    assert Home.open(home).running_engine() is None
    assert run("replay", market_folder, "--home", home, "--json").json["landed"]["landed"] == 0


def test_without_any_metadata_of_the_trades_nothing_is_touched(run: Run, market_folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    run("replay", market_folder, "--home", home)
    for path in home.glob("warehouse/coattail/raw_trades/metadata/*.metadata.json"):
        path.write_text("{")
    before = sorted(path.name for path in home.rglob("*"))
    done = run("doctor", "--repair", "--home", home)
    assert done.code == 1
    assert "no metadata of raw_trades can be read" in done.err
    assert sorted(path.name for path in home.rglob("*")) == before


def test_nothing_is_repaired_under_a_running_engine(run: Run) -> None:
    run("init")
    with Home.open(".coattail").engine_lock("land"):
        done = run("doctor", "--repair")
    assert done.code == 1
    assert "`land` (process " in done.err
