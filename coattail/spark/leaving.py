"""An end in order where Spark was there first: its JVM, asked to end, has the driver's Python end before it.

spark-submit starts a JVM that starts Python; who cancels the job asks the JVM (SIGTERM), which would end at once and
leave a Python that can commit nothing more. A hook of the JVM is what EMR Serverless documents for that (job run
cancellation with grace period).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)

_PRIORITY = 100
"""Of the JVM's hook: those of a higher one go first, and Spark's own, which stops the executors, has 40."""
_PATIENCE_SECONDS = 120
"""For which the JVM waits: the grace of a streaming job that was cancelled without another one. Source: EMR Serverless,
job cancellation grace period."""


class _Leaving:
    """Called by the JVM, in a thread of its own; it returns once the main thread has ended."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop, self.called = stop, False

    def run(self) -> None:
        """`java.lang.Runnable.run`."""
        self.called = True
        log.info("Spark is asked to end: stopping before it")
        self.stop.set()
        threading.main_thread().join(_PATIENCE_SECONDS)

    class Java:
        """What Py4J takes it for."""

        implements = ("java.lang.Runnable",)


@contextmanager
def ended_in_order(session: SparkSession, stop: threading.Event) -> Iterator[None]:
    """While the block runs, a JVM that is asked to end sets `stop` first, and waits for the end of this process."""
    from pyspark import java_gateway

    listen: Any = java_gateway.ensure_callback_server_started
    listen(session.sparkContext._gateway)
    java: Any = session._jvm
    leaving = _Leaving(stop)
    hook, hooks = java.java.lang.Thread(leaving), java.org.apache.hadoop.util.ShutdownHookManager.get()
    hooks.addShutdownHook(hook, _PRIORITY, _PATIENCE_SECONDS, java.java.util.concurrent.TimeUnit.SECONDS)
    try:
        yield
    finally:
        if not leaving.called:
            hooks.removeShutdownHook(hook)
