"""The Spark engine: the landing kernel in Spark's tasks, over micro-batches of PySpark Structured Streaming.

Tasks decode, check, deduplicate and write Parquet files; the driver adds up what they found, judges, and makes the
same commits as the local engine. The table is the checkpoint: Spark's own checkpoint is scratch of one run, begun
anew at every start from the offsets that the newest commit carries.
"""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from coattail.engines.engine import DrainProgress, Engine
from coattail.errors import DISK_FULL, CoattailError, SparkError, StreamError
from coattail.landing.kernel import gathered
from coattail.stores.totals import Totals
from coattail.streams.base import Sharded
from coattail.tables import RAW_TRADES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

    from coattail.spark.shards import ShardQuery
    from coattail.spark.tasks import LandedPartition

log = logging.getLogger(__name__)

_PARTITIONS_PER_CORE = 2
"""Symbols are skewed: with more groups of lanes than cores, no core waits long for the busiest."""

_SHORTEST_LOOK = 0.2
"""Seconds between two looks at a live run, at least."""


class SparkEngine(Engine):
    """`Engine` on Spark: `local[*]`, or the master that the session has.

    Raises: SparkError: If Java, PySpark or a jar is missing, or Spark gives up; whatever had been committed stays.
    """

    name = "spark"

    def _start(self, stack: ExitStack) -> None:
        from coattail.spark.listening import BatchListener
        from coattail.spark.session import spark_session, stop_session
        from coattail.spark.source import PackSource

        self._spark: SparkSession = spark_session(
            "coattail",
            cores=self._settings.spark.cores,
            log_file=self._home.path / "logs" / "spark.log",
            conf={"spark.driver.memory": f"{self._settings.spark.driver_memory // 1024}k"},
        )
        stack.callback(stop_session, self._spark)
        self._spark.dataSource.register(PackSource)
        self._listener = BatchListener()
        self._spark.streams.addListener(self._listener)
        stack.callback(self._spark.streams.removeListener, self._listener)
        self._target = self._lake.target(RAW_TRADES)
        self._waiting: int | None = None
        self._busy = threading.Lock()
        """Held while a batch is landed, and by whoever looks after the engine between two."""

    # -- loops -----------------------------------------------------------------------------------------------

    def drain(self, progress: Callable[[DrainProgress], None] | None = None) -> Totals:
        """Land everything that waits in the stream; returns the home's running totals."""
        with self._following(every=timedelta(0), until_empty=True, progress=progress) as ended:
            ended.wait()
        self._catch_up()
        return self.totals

    def _follow(self, stop: threading.Event) -> Totals:
        with self._following(every=self._settings.engine.trigger) as ended, self._ended_in_order(stop):
            while not stop.wait(max(_SHORTEST_LOOK, self._settings.engine.trigger.total_seconds())):
                with self._busy:
                    if ended.is_set():
                        break
                    self._wait_for_writes()
                    self._look_after()
                    self._heartbeat()
        return self.totals

    def _ended_in_order(self, stop: threading.Event) -> AbstractContextManager[None]:
        from coattail.spark.leaving import ended_in_order
        from coattail.spark.session import submitted

        return ended_in_order(self._spark, stop) if submitted() else nullcontext()

    @contextmanager
    def _following(
        self,
        *,
        every: timedelta,
        until_empty: bool = False,
        progress: Callable[[DrainProgress], None] | None = None,
    ) -> Iterator[threading.Event]:
        """A query that lands the stream while the block runs; the event says that it has come to an end."""
        ended = threading.Event()
        failures: list[BaseException] = []

        numbers = itertools.count(1)

        def take(frame: DataFrame, _: int) -> None:
            with self._busy:
                if ended.is_set():
                    return
                try:
                    came = self._land(frame, judge=not until_empty or self._judged_after(next(numbers)))
                    if until_empty and not came:
                        ended.set()
                    elif progress is not None:
                        progress(DrainProgress(self.totals, self.waiting_bytes))
                except BaseException as error:
                    failures.append(error)
                    ended.set()
                    raise

        query = self._query(take, every=every, until_empty=until_empty)
        watch = threading.Thread(target=_watch, args=(query, ended), name="spark-query", daemon=True)
        watch.start()
        try:
            yield ended
        finally:
            with self._busy:  # the batch that has begun is finished; the next one finds that it is over
                ended.set()
            query.stop()
            watch.join()
            self._waiting = None
            self._forget_checkpoint()
        self._wait_for_writes()
        if error := failures[0] if failures else query.exception():
            raise _as_ours(error) if _is_of_spark(error) else error

    def _query(
        self, take: Callable[[DataFrame, int], None], *, every: timedelta, until_empty: bool
    ) -> StreamingQuery | ShardQuery:
        from coattail.spark.shards import THROUGH_DRIVER, ShardQuery

        self._forget_checkpoint()
        partitions = self._spark.sparkContext.defaultParallelism * _PARTITIONS_PER_CORE
        url, limit_bytes, seconds = self._settings.stream.url, self._settings.spark.batch_bytes, every.total_seconds()
        if url is not None and isinstance(self._stream, Sharded):
            shards = len(self._stream.shards(self._offsets))
            if shards > THROUGH_DRIVER:
                log.info("tasks read the stream, which has %d shards", shards)
                return ShardQuery(
                    self._spark, self._stream, url, after=lambda: self._offsets, take=take, every=seconds,
                    limit_bytes=limit_bytes, most=partitions,
                )  # fmt: skip
        source = self._spark.readStream.format("coattail").options(
            folder=str(self._home.stream),
            url=url or "",
            start=msgspec.json.encode(dict(self._offsets)).decode(),
            limit_bytes=limit_bytes,
            partitions=partitions,
            until_empty="1" if until_empty else "",
        )
        scratch = self._home.checkpoint.as_uri()  # of the driver, whatever file system Spark takes for its own
        writer = source.load().writeStream.foreachBatch(take).option("checkpointLocation", scratch)
        return writer.trigger(processingTime=f"{seconds} seconds").start()

    def _forget_checkpoint(self) -> None:
        if self._home.checkpoint.exists():
            shutil.rmtree(self._home.checkpoint)

    @property
    def waiting_bytes(self) -> int:
        """What the stream held after the newest batch when that was read: nobody else asks a stream meanwhile."""
        return super().waiting_bytes if self._waiting is None else self._waiting

    def _vitals(self) -> dict[str, Any]:
        return {"spark": self._listener.newest}

    # -- one batch -------------------------------------------------------------------------------------------

    def _land(self, frame: DataFrame, *, judge: bool) -> bool:
        """Land a batch; returns whether anything came."""
        from coattail.spark.source import joined

        parts = self._parts(frame)
        notes = [part.note for part in parts if part.note is not None]
        note = joined(notes) if notes else None
        if note is None or note.after != dict(self._offsets):
            raise StreamError(
                f"a batch starts after {note and note.after}, and the table is at {dict(self._offsets)}",
                next_step="start the engine again: it continues from the table's offsets",
            )
        self._say_lost(note.lost)
        self._waiting = note.waiting_bytes
        if note.offsets != note.after:
            files = [file.data_file() for part in parts for file in part.files]
            landed = gathered([part.landed for part in parts], self._coverage)
            self._take(landed, note.offsets, files, judge=judge)
            if self._derived_due():
                self.commit_derived()
        self._heartbeat()
        return note.offsets != note.after

    def _parts(self, frame: DataFrame) -> list[LandedPartition]:
        """What the tasks made of a batch, every instrument in one part."""
        from coattail.spark.tasks import PART_SCHEMA, landing, parts_of

        kernel: Any = landing(self._coverage, self._checks, self._target)
        parts = parts_of(frame.mapInArrow(kernel, PART_SCHEMA).toArrow())
        owners = Counter(
            instrument for part in parts for instrument in {(r.exchange, r.symbol) for r in part.landed.runs}
        )
        if any(count > 1 for count in owners.values()):  # somebody wrote packs into the wrong lanes
            log.warning("an instrument came in several lanes: the batch is landed in one piece")
            parts = parts_of(frame.coalesce(1).mapInArrow(kernel, PART_SCHEMA).toArrow())
        return parts


def _watch(query: StreamingQuery | ShardQuery, ended: threading.Event) -> None:
    """Log that a query ended by itself."""
    try:
        query.awaitTermination()
    except Exception as error:
        log.debug("the query ended: %s", error)  # raised anew, in our words, by whoever waits
    finally:
        ended.set()


def _is_of_spark(error: BaseException) -> bool:
    """Whether it comes out of Spark: a task's exception, too, which then has words only."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    return isinstance(error, (Py4JError, PySparkException))


def _as_ours(error: BaseException) -> CoattailError:
    """One sentence for why Spark gave up: a full disk, the last line of its cause that is ours, or its own.

    It is read while the session is open: Spark's exceptions have no words afterwards.
    """
    text = str(error)
    lines = [line for line in text.splitlines() if line.strip()] or [type(error).__name__]
    ours = [line.split(": ", 1)[1] for line in lines if line.startswith("coattail.errors.") and ": " in line]
    its_own = lines[-1] if "Traceback" in text else lines[0]
    full = any(os.strerror(code) in text for code in DISK_FULL)
    reason = "the disk is full" if full else ours[-1] if ours else its_own
    return SparkError(f"Spark gave up ({reason})", next_step="start again; logs/spark.log in the home has the details")
