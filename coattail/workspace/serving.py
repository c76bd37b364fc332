"""What is served of a home where no engine has said it: one starts for a moment, and does."""

from __future__ import annotations

from coattail.config import Settings
from coattail.engines.kinds import engine_class
from coattail.home import Home
from coattail.stores.opening import open_hot, open_lake
from coattail.stores.served import MARKET
from coattail.tables import RAW_TRADES


def unsaid(home: Home, settings: Settings) -> bool:
    """Whether trades have landed and nothing is said of them for serving.

    So it is after an older version's engine, and where all of it was removed because its time was over.
    """
    hot = open_hot(home, settings)
    try:
        if hot.fact(MARKET) is not None:
            return False
    finally:
        hot.close()
    lake = open_lake(home, settings)
    try:
        return lake.newest(RAW_TRADES.name) is not None
    finally:
        lake.close()


def say(home: Home, settings: Settings) -> None:
    """Start an engine, which says what there is for serving, and stop it.

    Raises: HomeError: If one runs meanwhile, or the home cannot be written.
    """
    with engine_class("local")(home, settings, command="live"):
        pass
