"""A filled hot store, and the application over it at the moment it was filled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from coattail.api.app import make_app
from coattail.api.source import PATIENCE, HotSource
from coattail.stores.hot import HotStore
from coattail.stores.hot_sqlite import SqliteHotStore
from tests.harness.served import NOW, fill


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HotStore]:
    """What an engine holds open."""
    store = SqliteHotStore(tmp_path / "hot.db")
    fill(store)
    yield store
    store.close()


@pytest.fixture
def source(store: HotStore, tmp_path: Path) -> Iterator[HotSource]:
    """A reader beside it; its clock stands."""
    source = HotSource(
        lambda: SqliteHotStore(tmp_path / "hot.db", writable=False, patience=PATIENCE), clock=lambda: NOW
    )
    yield source
    source.close()


@pytest.fixture
def app(source: HotSource) -> FastAPI:
    return make_app(source)
