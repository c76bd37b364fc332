"""Every lease keeps the same promise: one engine has a place, and who takes it over has a higher number."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import pytest

from coattail.errors import HomeError
from coattail.home import Home
from coattail.stores import dynamo
from coattail.stores.dynamo import DynamoTable
from coattail.stores.fence import Superseded
from coattail.stores.lease import HomeLease, Lease
from coattail.stores.lease_dynamo import DynamoLease
from tests.harness.aws_place import REGION
from tests.harness.faulty_front import Faults, faulty
from tests.harness.running import new_home

EXPIRES = timedelta(milliseconds=300)
Make = Callable[[Home], Lease]
_tables = itertools.count()


def table_there(service: str) -> str:
    name = f"lease-{next(_tables)}"
    dynamo.create(name, region=REGION, endpoint=service)
    return name


def on_dynamo(table: str, endpoint: str) -> Make:
    return lambda home: DynamoLease(DynamoTable(table, region=REGION, endpoint=endpoint), home, expires=EXPIRES)


@pytest.fixture(params=["home", "dynamo"])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "home":
        return HomeLease
    service = request.getfixturevalue("service")
    return on_dynamo(table_there(service), service)


def test_a_second_engine_is_refused_with_the_name_of_the_first(make: Make, tmp_path: Path) -> None:
    home = new_home(tmp_path)
    assert make(home).holder() is None
    with make(home).held("coattail run"):
        with pytest.raises(HomeError, match=r"`coattail run` .* already runs"), make(home).held("coattail land"):
            pass
        holder = make(home).holder(surely=True)
        assert holder is not None
        assert holder.command == "coattail run"
    assert make(home).holder(surely=True) is None
    with make(home).held("coattail land") as tenure:
        tenure.check()


def test_of_four_that_begin_at_once_one_has_the_place(make: Make, tmp_path: Path) -> None:
    home, gate, ended = new_home(tmp_path), threading.Barrier(4), threading.Event()
    had: list[bool] = []

    def begin() -> None:
        gate.wait()
        try:
            with make(home).held("coattail run"):
                had.append(True)
                ended.wait()
        except HomeError:
            had.append(False)
            if had.count(False) == 3:
                ended.set()

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(had) == [False, False, False, True]


# -- a place of several machines -------------------------------------------------------------------------------------


def homes(folder: Path, count: int) -> list[Home]:
    """As many machines."""
    return [new_home(folder / str(n)) for n in range(count)]


def test_one_that_lives_is_never_taken_for_dead(service: str, tmp_path: Path) -> None:
    lease, (first, second) = on_dynamo(table_there(service), service), homes(tmp_path, 2)
    with lease(first).held("coattail run"):
        until = time.monotonic() + 2 * EXPIRES.total_seconds()
        while time.monotonic() < until:
            with pytest.raises(HomeError, match=r"`coattail run` \(process \d+ of .*\) already runs on this place"):
                lease(second).held("coattail run").__enter__()
            assert lease(second).holder(surely=True) is not None


def test_who_died_is_followed_and_who_was_only_paused_learns_of_it(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, (first, second) = on_dynamo(table_there(service), service), homes(tmp_path, 2)
    awake = threading.Event()
    beat = DynamoLease._beat
    with ExitStack() as stack:
        with monkeypatch.context() as patch:
            patch.setattr(DynamoLease, "_beat", lambda *given: (awake.wait(), beat(*given)))  # paused
            paused = stack.enter_context(lease(first).held("coattail run"))
        began = time.monotonic()
        assert lease(second).holder() is not None
        assert lease(second).holder(surely=True) is None
        with lease(second).held("coattail run") as follower:
            assert time.monotonic() - began > EXPIRES.total_seconds()
            assert (paused.epoch, follower.epoch) == (1, 2)
            awake.set()
            assert paused.lost.wait(20)
            with pytest.raises(Superseded, match="taken this place over from engine 1"):
                paused.check()
            follower.check()
            stack.close()  # ends without letting go what is not its own
            assert lease(first).holder() is not None


def test_a_home_that_has_its_own_lock_does_not_wait_for_its_dead(service: str, tmp_path: Path) -> None:
    lease, home = on_dynamo(table_there(service), service), new_home(tmp_path)
    with closing(DynamoTable("x", region=REGION, endpoint=service)):
        lost = lease(home)
        assert isinstance(lost, DynamoLease)
        assert lost._taken("killed before it could let go", "coattail run") == 1
    with lease(home).held("coattail run") as tenure:
        assert tenure.epoch == 2
    lost._table.close()


def test_throttled_and_lost_answers_take_the_place_once(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    table, home, faults = table_there(service), new_home(tmp_path), Faults(11, share=0.6)
    with faulty(service, faults) as front:
        lease = on_dynamo(table, front)
        epochs = []
        for _ in range(8):
            with lease(home).held("coattail run") as tenure:
                epochs.append(tenure.epoch)
    assert epochs == sorted(set(epochs))
    assert min(faults.met[kind] for kind in ("throttled", "failed", "lost")) >= 1
