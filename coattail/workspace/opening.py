"""From a home to its stores: settings, lake, hot store and dead letters, each opened on first use."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

from coattail.errors import UsageError
from coattail.home import Home
from coattail.workspace.times import Moment

if TYPE_CHECKING:
    from coattail.config import Settings
    from coattail.stores.dlq import DeadLetters
    from coattail.stores.hot import HotStore
    from coattail.stores.lake import Lake
    from coattail.stores.outline import Outlines
    from coattail.stores.replies import Marks
    from coattail.stores.then import LakeThen


class Stores:
    """A home's stores; a context manager that closes those that were opened. An engine may run meanwhile.

    Each store is opened on first use: whoever reads only `hot` pays for SQLite alone, not for PyIceberg.
    """

    def __init__(
        self, home: Home, *, write: bool = False, settings: Callable[[], Settings] | None = None,
        as_of: Moment | int | None = None,
    ) -> None:  # fmt: skip
        self.home = home
        self.write = write
        """Whether tables and alerts may be changed through these stores."""
        self.as_of = as_of
        """The snapshot of raw_trades that every table is read at: its id, a tag or a time; None means the newest."""
        self._load = settings
        self._opened = ExitStack()

    @cached_property
    def settings(self) -> Settings:
        """The settings that hold for this home."""
        from coattail.config import load_settings

        return self._load() if self._load is not None else load_settings(self.home)

    @cached_property
    def lake(self) -> Lake:
        """The tables. Where nothing has landed yet there is no catalog, and opening does not make one."""
        from coattail.stores.opening import open_lake

        lake = open_lake(self.home, self.settings, writable=self.write)
        self._opened.callback(lake.close)
        return lake if self.as_of is None else self._then(lake)

    def _then(self, lake: Lake) -> LakeThen:
        from coattail.stores.then import LakeThen
        from coattail.tables import RAW_TRADES
        from coattail.workspace.past import state_meant

        now = datetime.now(UTC)
        then = LakeThen(lake, *state_meant(lake, RAW_TRADES.name, self.as_of, now=now, option="as_of"))
        self._opened.callback(then.close)
        return then

    @cached_property
    def outlines(self) -> Outlines:
        """How the tables stand, without opening the lake."""
        from coattail.stores.opening import open_outlines

        if self.as_of is None:
            return open_outlines(self.home, self.settings)
        from coattail.stores.then import LakeThen, OutlinesThen

        assert isinstance(self.lake, LakeThen)
        return OutlinesThen(self.lake)

    @cached_property
    def hot(self) -> HotStore:
        """The newest alerts and what the engine says of itself. It has no past: as of then it is empty."""
        from coattail.stores.opening import no_hot, open_hot

        hot = no_hot() if self.as_of is not None else open_hot(self.home, self.settings, writable=self.write)
        self._opened.callback(hot.close)
        return hot

    @cached_property
    def letters(self) -> DeadLetters:
        """The rejected records.

        Raises: UsageError: As of then, because they have no past.
        """
        self.of_now("what was rejected")
        from coattail.stores.opening import open_letters

        return open_letters(self.home, self.settings)

    def marks(self) -> Marks:
        """What people have said of alerts by now."""
        from coattail.stores.opening import open_replies

        with closing(open_replies(self.home)) as replies:
            return replies.marks()

    def of_now(self, what: str) -> None:
        """Refuse a question about what has no past.

        Raises: UsageError: If these are the stores as of then.
        """
        if self.as_of is not None:
            step = "ask a Workspace without as_of"
            raise UsageError(f"{what} is known of now only, not as of {self.as_of}", next_step=step)

    def close(self) -> None:
        """Close every store that was opened; asking for one again opens it again."""
        self._opened.close()
        for name in ("lake", "outlines", "hot", "letters"):
            self.__dict__.pop(name, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_stores(
    home: str | os.PathLike[str] | Home, *, write: bool = False, settings: Callable[[], Settings] | None = None,
    as_of: Moment | int | None = None,
) -> Stores:  # fmt: skip
    """The stores of a home: `home` is its folder, or the home itself.

    write: Tables and alerts may be changed; without it every store is opened read-only.
    settings: Loads the settings when they are asked for; None means those of the home, without flags.
    as_of: The snapshot of raw_trades that every table is read at: its id, a tag or a time; None means the newest.
    Raises: HomeError: If there is no home, or it cannot be used (with `write`: be written to).
    """
    if isinstance(home, Home) and not write:
        opened = home
    else:
        opened = Home.open(home.path if isinstance(home, Home) else home, write=write)
    return Stores(opened, write=write, settings=settings, as_of=as_of)
