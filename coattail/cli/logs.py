"""The log file of a home; the console stays quiet, unless somebody waits for another engine."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

_LIMIT_BYTES, _KEPT_FILES = 5_000_000, 3
_ALOUD = "coattail.stores.lease_dynamo"
"""Who says on the console, too, what he warns of: that a command waits, for which engine, and how long."""


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Send log records (ours from INFO, others' from WARNING) to `path`, or nowhere if it cannot be written."""
    handler: logging.Handler
    try:
        handler = RotatingFileHandler(path, maxBytes=_LIMIT_BYTES, backupCount=_KEPT_FILES, encoding="utf-8")
    except OSError:
        handler = logging.NullHandler()
    formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(process)d %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root, own = logging.getLogger(), logging.getLogger("coattail")
    level = own.level
    aloud, console = logging.getLogger(_ALOUD), logging.StreamHandler()
    console.setLevel(logging.WARNING)
    root.addHandler(handler)
    aloud.addHandler(console)
    own.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        aloud.removeHandler(console)
        own.setLevel(level)
        handler.close()
