import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coattail.config import load_settings
from coattail.errors import HomeError
from coattail.home import Home
from coattail.workspace.opening import open_stores
from tests.harness.places import catalog_db


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home", create=True)


def test_a_home_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="there is no home"):
        open_stores(tmp_path / "none")


def test_stores_are_read_only_unless_asked_otherwise(home: Home) -> None:
    with open_stores(home.path) as stores:
        assert stores.lake.names() == []
        assert stores.hot.fact("engine") is None
        assert list(stores.letters.rows()) == []
    assert not catalog_db(home).exists()
    assert not home.hot_db.exists()


def test_opening_for_writing_makes_no_catalog_where_nothing_has_landed(home: Home) -> None:
    with open_stores(home, write=True) as stores:
        assert stores.lake.names() == []
    assert not catalog_db(home).exists()


def test_a_read_only_home_is_refused_for_writing_also_where_it_is_open_already(
    shared_folder: Path, as_nobody: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    home = Home.open(shared_folder / "home", create=True)
    for path in [home.path, *home.path.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = as_nobody(
        "from coattail.home import Home\nfrom coattail.workspace.opening import open_stores\n"
        f"home = Home.open({str(home.path)!r})\nopen_stores(home)\nopen_stores(home, write=True)"
    )
    assert f"HomeError: the home {home.path} is read-only" in done.stderr
    for path in [home.path, *home.path.rglob("*")]:
        path.chmod(0o755)


def test_the_settings_are_those_of_the_home_or_those_of_the_run(home: Home) -> None:
    home.config_file.write_text("engine:\n  keep_snapshots: 7\n")
    assert open_stores(home).settings.engine.keep_snapshots == 7
    flags = {"engine.keep_snapshots": 9}
    given = open_stores(home, settings=lambda: load_settings(home, overrides=flags))
    assert given.settings.engine.keep_snapshots == 9


def test_a_store_is_closed_with_the_others_and_opened_again_when_asked_for(home: Home) -> None:
    with open_stores(home) as stores:
        first = stores.hot
        assert stores.hot is first
    assert stores.hot is not first
    stores.close()


def test_opening_a_home_imports_nothing_heavy(home: Home) -> None:
    code = (
        "import sys; from coattail.workspace.opening import open_stores; "
        f"open_stores({str(home.path)!r}).hot.fact('engine'); "
        "print({'polars', 'pyarrow', 'pyiceberg', 'sqlalchemy', 'duckdb', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
