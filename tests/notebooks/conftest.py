"""The home that `make demo` leaves, landed without the waiting: what the notebooks' answers are about."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from coattail.config import load_settings
from coattail.home import Home
from coattail.workspace.demo import OVERRIDES, PACE, Demo

_LIVE_SECONDS = 20
"""As long as `coattail demo` goes on by default."""
_AT_ONCE = 1e9


@pytest.fixture(scope="session")
def demo() -> Iterator[Home]:
    with tempfile.TemporaryDirectory() as folder:
        yield demo_home(Path(folder) / "home")


def demo_home(path: Path) -> Home:
    """A home with what a demo has landed by its end."""
    home = Home.open(path, create=True)
    show = Demo(home, load_settings(home, overrides=OVERRIDES), pace=_AT_ONCE)
    show.feed_history()
    with show:
        show.land_history()
        show.go_on(_LIVE_SECONDS * PACE / _AT_ONCE)
    show.judge()
    return home
