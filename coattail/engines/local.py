"""The local engine: one process, no JVM. Decode ahead, land and judge, write behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from coattail.engines.engine import DrainProgress, Engine
from coattail.landing.decode import Decoded, decode
from coattail.landing.kernel import land_decoded
from coattail.stores.totals import Totals
from coattail.streams.base import Offsets, Read


class LocalEngine(Engine):
    """`Engine` in one Python process."""

    name = "local"

    def drain(self, progress: Callable[[DrainProgress], None] | None = None) -> Totals:
        """Land everything that waits in the stream; returns the home's running totals."""
        for number, (read, decoded) in enumerate(self._decoded_ahead(), start=1):
            self._land(read, decoded, judge=self._judged_after(number))
            if progress is not None:
                progress(DrainProgress(self.totals, self.waiting_bytes))
            if self._derived_due():
                self.commit_derived()
        self._catch_up()
        self._wait_for_writes()
        return self.totals

    def _follow(self, stop: threading.Event) -> Totals:
        trigger = self._settings.engine.trigger.total_seconds()
        while not stop.is_set():
            began = time.monotonic()
            busy = self.step()
            if not busy:
                stop.wait(max(0.0, trigger - (time.monotonic() - began)))
        return self.totals

    def step(self) -> bool:
        """Land one batch, and the derived tables when they are due; returns whether more waits already."""
        read = self._read(self._offsets)
        if read.packs or read.offsets != self._offsets:
            self._land(read, decode(read.packs))
        self._wait_for_writes()
        self._look_after()
        return self._heartbeat() >= self._settings.engine.batch_bytes

    def _read(self, after: Offsets) -> Read:
        read = self._stream.read(after, limit_bytes=self._settings.engine.batch_bytes)
        self._say_lost(read.lost)
        return read

    def _decoded_ahead(self) -> Iterator[tuple[Read, Decoded]]:
        """Batches until the stream is empty; the next one is read and decoded while this one is landed."""

        def load(after: Offsets) -> tuple[Read, Decoded]:
            read = self._read(after)
            return read, decode(read.packs)

        after = self._offsets
        with ThreadPoolExecutor(1, thread_name_prefix="decode-ahead") as reader:
            coming = reader.submit(load, after)
            while True:
                read, decoded = coming.result()
                if not read.packs and read.offsets == after:
                    return
                after = read.offsets
                coming = reader.submit(load, after)
                yield read, decoded

    def _land(self, read: Read, decoded: Decoded, *, judge: bool = True) -> None:
        self._take(land_decoded(decoded, self._coverage, self._checks), read.offsets, judge=judge)
