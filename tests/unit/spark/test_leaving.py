"""The hook by which a JVM that is asked to end has Python end first; that it does is in faults/bundle.py."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from coattail.home import Home
from coattail.spark.leaving import _Leaving, ended_in_order

SparkOf = Callable[[Home], Any]


def test_spark_has_the_hook_while_the_block_runs_and_never_after_it(spark: SparkOf, home: Home) -> None:
    session, stop = spark(home), threading.Event()
    hooks = session._jvm.org.apache.hadoop.util.ShutdownHookManager.get()

    def priorities() -> list[int]:
        entries = hooks.getShutdownHooksInOrder()
        return [entries[at].getPriority() for at in range(len(entries))]

    before = priorities()
    with ended_in_order(session, stop):
        assert priorities() == [100, *before]
    assert priorities() == before
    assert not stop.is_set()


def test_the_hook_asks_for_a_stop_and_waits_for_the_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, main, over = threading.Event(), threading.Thread(target=lambda: over.wait()), threading.Event()
    main.start()
    monkeypatch.setattr(threading, "main_thread", lambda: main)
    leaving = _Leaving(stop)
    asked = threading.Thread(target=leaving.run)
    asked.start()
    assert stop.wait(10)
    assert asked.is_alive()
    over.set()
    asked.join(10)
    assert (asked.is_alive(), leaving.called) == (False, True)
