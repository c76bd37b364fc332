"""From a home to what the application needs of it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from coattail.api.buckets import Buckets
from coattail.api.guard import Access
from coattail.api.source import PATIENCE, HotSource
from coattail.config import Settings
from coattail.errors import UsageError
from coattail.home import Home
from coattail.stores.opening import open_hot

_ANYWHERE = ("0.0.0.0", "::", "")


def source_of(home: Home, settings: Settings) -> HotSource:
    """The hot store of a home, also of one in which an engine makes it only later."""
    return HotSource(
        lambda: open_hot(home, settings, patience=PATIENCE),
        engine_runs=home.engine_alive if settings.hot.url is None else None,
    )


def access_of(host: str, names: Iterable[str], rate: float) -> Access:
    """Whom a server at `host` answers: by the names of the loopback interface, its own, and those given.

    rate: Requests a second of each client; twice as many may come at once; 0: any number.
    Raises: UsageError: If the rate is below 0, or no number.
    """
    if not (math.isfinite(rate) and rate >= 0):
        raise UsageError(f"--rate is {rate:g}", next_step="give how many requests a second, or 0 for any number")
    own = () if host in _ANYWHERE else (host,)
    return Access(hosts=(*own, *names), buckets=Buckets(rate, max(1.0, 2 * rate)) if rate else None)
