"""How tests use the command line, and what they look at afterwards."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from coattail.home import Home
from coattail.stores.catalog import embedded
from coattail.stores.dlq_folder import FolderDeadLetters
from coattail.stores.lake import Lake
from coattail.tables import ALERTS, RAW_TRADES, Table
from tests.harness.processes import environment

DEADLINE_SECONDS = 60
PASSING = ("ingestion_timestamp", "source", "late", "stream_lane", "stream_offset", "stream_index")
"""Columns of raw_trades in which two landings of the same trades may differ."""


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.out))


class Child:
    """A command in a process of its own, whose output is read as it comes."""

    def __init__(self, *arguments: object, folder: Path, **others: str) -> None:
        """`others`: further environment variables."""
        variables = environment(PYTHONUNBUFFERED="1", **others)
        variables.pop("COATTAIL_HOME", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "coattail", *map(str, arguments)],
            cwd=folder, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def line_with(self, text: str) -> str:
        """Wait for an output line that has the text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if text in line:
                return line
        raise AssertionError(f"no line with {text!r}; stderr: {self.process.communicate()[1]}")

    def end(self, signal_number: int | None = None) -> Done:
        if signal_number is not None:
            self.process.send_signal(signal_number)
        out, err = self.process.communicate(timeout=DEADLINE_SECONDS)
        return Done(self.process.returncode, out, err)


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that can be observed."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def trades(home: Path) -> pl.DataFrame:
    """raw_trades without what may differ between two landings of the same trades."""
    return _rows(home, RAW_TRADES).drop(PASSING).sort("event_id")


def alerts(home: Path) -> pl.DataFrame:
    """The current final alerts."""
    newest = _rows(home, ALERTS).sort("revision").unique("alert_id", keep="last").filter(pl.col("status") == "final")
    return newest.drop("revision", "recorded_at").sort("alert_id")


def _rows(home: Path, table: Table) -> pl.DataFrame:
    opened = Home.open(home)
    lake = Lake(embedded(opened.path), writable=False)
    try:
        return lake.scan(table)
    finally:
        lake.close()


def letters(home: Path) -> list[dict[str, Any]]:
    """What is in the DLQ."""
    return list(FolderDeadLetters(Home.open(home).dlq).rows())
