"""A second home to try jobs on: in its stream waits what has landed in the first one; and who runs jobs there."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl

from coattail.errors import StoreError
from coattail.home import Home
from coattail.jobs.emulated import EmulatedEmr
from coattail.packing import SEGMENT_RECORDS, Packer
from coattail.records import Row, Shared
from coattail.streams.local import LocalStream
from coattail.tables import RAW_TRADES
from coattail.workspace.bound import Workspace

_SHARED = ("exchange", "symbol", "session", "source")
_COLUMNS = (
    *_SHARED, "trade_id", "last_trade_id", "price", "quantity", "side", "timestamp", "ingestion_timestamp",
    "raw_event_payload",
)  # fmt: skip


class Rehearsal:
    """A home in a folder that goes with it, with the settings of another, in whose stream all trades of that one wait.

    near = Rehearsal(ws)
    near.ws.submit("stream", drain=True).wait()

    of: Whose trades; those that landed, in the order in which they were received. What was rejected is not repeated.
    Raises: StoreError: If nothing has landed there.
    """

    ws: Workspace

    def __init__(self, of: Workspace) -> None:
        if not of.stores.lake.has(RAW_TRADES.name):
            raise StoreError("nothing has landed yet", next_step="coattail replay FILE, or coattail demo")
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="coattail-rehearsal-")))
        home = Home.open(folder / "home", create=True)
        if of.home.config_file.exists():
            shutil.copy(of.home.config_file, home.config_file)
        self.ws = self._stack.enter_context(of.elsewhere(home))
        stream = LocalStream(home.stream)
        for packs in _packs(of.stores.lake.scan(RAW_TRADES, columns=_COLUMNS)):
            stream.append(packs)

    def emulated(self) -> str | None:
        """The address of an EMR Serverless, emulated on this machine, whose jobs work on this home; it ends with the
        rehearsal. None where boto3 is not installed (the extra `aws`)."""
        if find_spec("boto3") is None:
            return None
        return self._stack.enter_context(EmulatedEmr(program(self.ws.home))).url

    def close(self) -> None:
        """Remove the folder. A job that still runs there fails."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def program(home: Home) -> list[str]:
    """What runs a job on this home, as the program of a `coattail.jobs.emulated.EmulatedEmr`."""
    return [sys.executable, "-m", "coattail.workspace.at_work", str(home.path), "run"]


def _packs(trades: pl.DataFrame) -> Iterator[list[tuple[int, bytes]]]:
    """The trades as records, a segment of the stream at a time."""
    packer = Packer()
    for part in trades.sort("ingestion_timestamp", "exchange", "symbol", "trade_id").iter_slices(SEGMENT_RECORDS):
        for shared, one in part.group_by(_SHARED, maintain_order=True):
            packer.add_rows(Shared(*shared), list(map(Row, *_fields(one))), _payloads(one))
        yield packer.take()


def _fields(trades: pl.DataFrame) -> list[list[object]]:
    """The fields of `Row`, in its order."""
    at = {name: trades[name].dt.epoch("us").to_list() for name in ("ingestion_timestamp", "timestamp")}
    numbers = [list(map(_written, trades[name])) for name in ("price", "quantity")]
    ids = [trades[name].to_list() for name in ("trade_id", "last_trade_id")]
    return [
        at["ingestion_timestamp"],
        *ids,
        *numbers,
        [None] * trades.height,
        trades["side"].to_list(),
        at["timestamp"],
    ]


def _payloads(trades: pl.DataFrame) -> list[bytes]:
    return [(payload or "").encode() for payload in trades["raw_event_payload"]]


def _written(number: float) -> str:
    """The shortest decimal that is this number, as exchanges write one: without an exponent."""
    text = repr(number)
    return text if "e" not in text else np.format_float_positional(number, trim="-")
