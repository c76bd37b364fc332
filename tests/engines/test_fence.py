"""Two engines of one place: one that was paused and wakes cannot commit, wherever it was paused."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

from coattail.engines.local import LocalEngine
from coattail.errors import StoreError
from coattail.home import EngineInfo, Home
from coattail.stores import swap
from coattail.stores.catalog import embedded
from coattail.stores.commits import written_commits
from coattail.stores.fence import Superseded, epoch_of
from coattail.stores.lake import Lake
from coattail.stores.lease import Lease, Tenure
from coattail.streams.local import LocalStream
from coattail.tables import RAW_TRADES
from tests.harness.aws_place import lake_there
from tests.harness.running import EVERY_SEGMENT, feed, found, landed, new_home, settings_of
from tests.harness.scenes import evenly, market

_buckets = itertools.count(1)


class Granted(Lease):
    """Whoever asks has the place: those before are taken for dead."""

    def __init__(self) -> None:
        self._epochs = itertools.count(1)

    @contextmanager
    def held(self, command: str) -> Iterator[Tenure]:
        yield Tenure(next(self._epochs))

    def holder(self, *, surely: bool = False) -> EngineInfo | None:
        raise AssertionError


class Place:
    """Tables and a stream of one place, and engines of several machines on it."""

    def __init__(self, folder: Path, lake: dict[str, str]) -> None:
        self.settings = settings_of({**EVERY_SEGMENT, "lake": lake})
        self.pieces = evenly(market(), 4)
        self.stream = LocalStream(folder / "stream")
        self._folder = folder

    def home(self, machine: str) -> Home:
        return new_home(self._folder / machine)

    def engine(self, machine: str) -> LocalEngine:
        return LocalEngine(self.home(machine), self.settings, stream=self.stream)

    def lake(self) -> Lake:
        return Lake(self.settings.lake, writable=False)

    def holds_what_one_engine_lands(self) -> None:
        alone = landed(self._folder / "alone", self.pieces)
        assert astuple(found(self.home("second"), self.settings))[:4] == astuple(found(alone))[:4]


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    lease = Granted()
    monkeypatch.setattr("coattail.engines.engine.open_lease", lambda home, settings: lease)
    if getattr(request, "param", "sqlite") == "sqlite":
        return Place(tmp_path, embedded(tmp_path))
    return Place(tmp_path, lake_there(f"fence-{next(_buckets)}", request.getfixturevalue("service")))


def test_one_that_was_paused_between_two_batches_cannot_commit(place: Place) -> None:
    paused, second = place.engine("first"), place.engine("second")
    feed(place.stream, place.pieces[:2])
    paused.__enter__()
    paused.drain()
    with second:
        feed(place.stream, place.pieces[2:])
        with pytest.raises(Superseded, match="engine 2 has taken this place over from engine 1"):
            paused.drain()
        second.drain()
        with pytest.raises(Superseded):
            paused.commit_derived()
    with pytest.raises(Superseded):
        paused.__exit__(None, None, None)
    place.holds_what_one_engine_lands()
    commits = written_commits(place.lake().iceberg(RAW_TRADES.name))
    assert [commit.properties["epoch"] for commit in commits] == ["1", "1", "2", "2"]


def interrupted(
    monkeypatch: pytest.MonkeyPatch, lake: Callable[[], Lake], table: str, happens: Callable[[], object]
) -> None:
    """Have something happen once, when a commit to the table is prepared: the table was read, the files are written."""
    change, once = Lake.change, iter([happens])

    def slowly(self: Lake, name: str, what: Callable[[Any], object], **more: Any) -> Any:
        def late(known: Any) -> None:
            if name == table and self is lake():
                next(once, lambda: None)()
            what(known)

        return change(self, name, late, **more)

    monkeypatch.setattr(Lake, "change", slowly)


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ("raw_trades", "sqlite"),
        ("anomaly_alerts", "sqlite"),
        ("coverage", "sqlite"),
        pytest.param("raw_trades", "glue", marks=pytest.mark.slow),
    ],
    indirect=["place"],
)
def test_one_that_was_paused_in_the_midst_of_a_commit_cannot_end_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    paused, second = place.engine("first"), place.engine("second")
    feed(place.stream, place.pieces[:2])
    with paused:
        paused.drain()
    feed(place.stream, place.pieces[2:])
    paused.__enter__()
    interrupted(monkeypatch, lambda: paused._lake, table, second.__enter__)
    with pytest.raises(Superseded, match="engine 3"):
        paused.drain(), paused.commit_derived()
    second.drain()
    second.__exit__(None, None, None)
    place.holds_what_one_engine_lands()


@pytest.mark.parametrize("place", ["sqlite", pytest.param("glue", marks=pytest.mark.slow)], indirect=True)
def test_without_the_fence_it_can_and_the_living_one_fails(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "raise_fence", lambda lake, epoch: None)
    paused, second = place.engine("first"), place.engine("second")
    feed(place.stream, place.pieces[:2])
    with paused:
        paused.drain()
        second.__enter__()
        feed(place.stream, place.pieces[2:])
        paused.drain()
    with pytest.raises(StoreError, match="somebody else has committed"):
        second.drain()


def test_on_a_place_where_nothing_has_landed_one_who_wakes_is_refused_too(place: Place) -> None:
    paused, second = place.engine("first"), place.engine("second")
    paused.__enter__()
    with second:
        feed(place.stream, place.pieces)
        with pytest.raises(Superseded):
            paused.drain()
        second.drain()
    place.holds_what_one_engine_lands()


def test_a_fence_changes_no_row_and_no_word_of_where_the_table_stands(place: Place) -> None:
    feed(place.stream, place.pieces)
    with place.engine("second") as engine:
        engine.drain()
        totals = engine.totals
    for epoch in (2, 3):
        with place.engine("second") as engine:
            assert engine.totals == totals
        assert epoch_of(place.lake().iceberg(RAW_TRADES.name)) == epoch
    place.holds_what_one_engine_lands()
