"""A home to try jobs on: what waits in its stream is what landed in the other one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coattail import Workspace
from coattail.errors import StoreError
from coattail.home import Home
from coattail.streams.local import LocalStream
from coattail.workspace.rehearsal import Rehearsal, _written


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_a_number_is_written_as_exchanges_write_one(number: float) -> None:
    text = _written(number)
    assert float(text) == number
    assert set(text) <= set("0123456789.")


def test_its_settings_are_those_of_the_other_and_it_goes_when_it_is_closed(day: Home, tmp_path: Path) -> None:
    with Workspace(day.path, preset="classic", settings={"engine.trigger": "7s"}) as ws:
        rehearsal = Rehearsal(ws)
        there = rehearsal.ws
        assert there.settings == ws.settings
        assert there.home.path != ws.home.path
        assert LocalStream(there.home.stream).backlog({}).segments > 0
        assert "nothing has landed yet" in repr(there)
        rehearsal.close()
        assert not there.home.path.exists()


def test_a_home_in_which_nothing_landed_has_nothing_to_rehearse(home: Home) -> None:
    with pytest.raises(StoreError, match="nothing has landed yet"):
        Rehearsal(Workspace(home.path))
