"""What Spark says of its batches: how long each step took. For people; nothing that counts depends on it."""

from __future__ import annotations

from typing import Any

from pyspark.sql.streaming.listener import StreamingQueryListener


class BatchListener(StreamingQueryListener):
    """Keeps the newest progress report of a query.

    `newest`: batch (number), rows (packs and notes read), milliseconds by step: all of it (`triggerExecution`),
    asking the source (`latestOffset`, `getBatch`), planning, landing and judging (`addBatch`), Spark's own log
    (`walCommit`, `commitOffsets`).
    """

    def __init__(self) -> None:
        self.newest: dict[str, Any] = {}

    def onQueryStarted(self, event: Any) -> None:
        """Nothing to keep."""

    def onQueryProgress(self, event: Any) -> None:
        """Keep it, if the batch had rows."""
        progress = event.progress
        if progress.numInputRows:
            steps = {name: int(ms) for name, ms in progress.durationMs.items()}
            self.newest = {"batch": progress.batchId, "rows": progress.numInputRows, "milliseconds": steps}

    def onQueryIdle(self, event: Any) -> None:
        """Nothing to keep."""

    def onQueryTerminated(self, event: Any) -> None:
        """Nothing to keep."""
