"""How far an engine is that runs elsewhere, by what it says of itself in the hot store."""

from __future__ import annotations

import logging
from contextlib import closing
from datetime import datetime, timedelta

from coattail.config import Settings
from coattail.errors import CoattailError
from coattail.home import Home
from coattail.jobs.base import JobCount

log = logging.getLogger(__name__)

_SKEW = timedelta(minutes=10)
"""How far the engine's clock may be from the service's that says when it began. What another engine said in that time
is true as well: it counts since the home began.
"""


def engine_count(home: Home, settings: Settings, job: str, since: datetime) -> JobCount | None:
    """Trades landed since the home began, and what waits, as the engine of a job said last; None where it has not.

    job: Only `stream` has an engine. since: When it began: what was said before is another engine's word.
    """
    from coattail.stores.opening import open_hot

    if job != "stream":
        return None
    try:
        with closing(open_hot(home, settings)) as hot:
            said = hot.fact("engine")
    except CoattailError as error:
        log.warning("how far the job is cannot be read: %s", error)
        return None
    if said is None or said[1] < since - _SKEW:
        return None
    waiting = said[0].get("backlog_bytes", 0) / 1e6
    landed = said[0].get("totals", {}).get("landed", 0)
    return JobCount(doing=f"landed since the home began, while {waiting:,.1f} MB wait", done=landed, unit="trades")
