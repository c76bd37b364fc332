"""The command line as people use it: recordings in, homes out."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from coattail.cli import main
from coattail.market import Market, write
from tests.harness.browser import Browser
from tests.harness.commands import Child, Done


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs a command in this process, in an empty folder."""
    monkeypatch.delenv("COATTAIL_HOME", raising=False)
    monkeypatch.chdir(tmp_path)

    def go(*arguments: object) -> Done:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Done(code, *capsys.readouterr())

    return go


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Starts a command in a process of its own; what still runs at the end is ended."""
    children: list[Child] = []

    def start(*arguments: object) -> Child:
        children.append(Child(*arguments, folder=tmp_path))
        return children[-1]

    yield start
    for child in children:
        if child.process.poll() is None:
            child.process.kill()
            child.process.communicate()


@pytest.fixture(scope="session")
def market_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of 80 simulated minutes of a thin market: 2 planted events are in it."""
    folder = tmp_path_factory.mktemp("market")
    write(Market(seed=7, rate=0.1, duration=timedelta(minutes=80)), folder)
    return folder


@pytest.fixture(scope="session")
def undisturbed(market_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home into which that market was replayed without any trouble; only to be looked at."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    assert main(["replay", str(market_folder), "--home", str(home)]) == 0
    return home


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo of `demo_output` ran."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session")
def demo_output(demo_folder: Path) -> str:
    """What a whole demo prints that goes on for two seconds."""
    done = Child("demo", "--seconds", "2", folder=demo_folder).end()
    assert (done.code, done.err) == (0, "")
    return done.out


@pytest.fixture
def browse(tmp_path: Path) -> Iterator[Callable[..., Browser]]:
    """Opens a page in a browser."""
    browsers: list[Browser] = []

    def go(page: str | Path, *, width: int = 1200, height: int = 4000, dark: bool = False) -> Browser:
        browsers.append(Browser(tmp_path / f"profile-{len(browsers)}", width=width, height=height, dark=dark))
        browsers[-1].open(Path(page))
        return browsers[-1]

    yield go
    for browser in browsers:
        browser.close()
