"""Files elsewhere, as DuckDB opens them: its threads share an open file, and none may read from another's place."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest

from coattail.stores.duckdb_files import _Positioned

CONTENT = bytes(range(256))


class _Slow(io.BytesIO):
    """Another thread always comes between a seek and the read after it."""

    def __init__(self, meet: Callable[[], object]) -> None:
        super().__init__(CONTENT)
        self._meet = meet

    def seek(self, *where: int) -> int:
        found = super().seek(*where)
        self._meet()
        return found


def read_by_two(file: Any, meet: Callable[[], object]) -> list[bytes]:
    def read(at: int) -> bytes:
        file.seek(at)
        meet()
        return bytes(file.read(8))

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(read, (16, 128)))


@pytest.mark.parametrize("native", [True, False])
def test_threads_that_share_a_file_each_read_where_they_are(native: bool) -> None:
    meet = threading.Barrier(2, timeout=10).wait
    file = _Positioned(pa.BufferReader(CONTENT) if native else io.BytesIO(CONTENT))
    assert read_by_two(file, meet) == [CONTENT[16:24], CONTENT[128:136]]
    file.seek(250)
    assert file.read(100) == CONTENT[250:]
    assert file.tell() == 256
    file.close()


def test_a_position_that_is_shared_gives_one_thread_what_the_other_asked_for() -> None:
    meet = threading.Barrier(2, timeout=10).wait
    with _Slow(meet) as file:
        assert read_by_two(file, lambda: None) != [CONTENT[16:24], CONTENT[128:136]]
