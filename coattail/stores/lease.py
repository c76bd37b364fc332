"""The lease of a place: one engine alone writes to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event
from typing import TYPE_CHECKING

from coattail.home import EngineInfo, Home
from coattail.stores.fence import superseded

if TYPE_CHECKING:
    from coattail.stores.lake import Lake


class Tenure:
    """That an engine has the place, as far as it knows: one that was paused may have lost it."""

    def __init__(self, epoch: int | None) -> None:
        self.epoch = epoch
        """The engine's number, which grows with each one; None where the lock itself ends with the process."""
        self.lost = Event()

    def check(self) -> None:
        """Raises: Superseded: If another engine is known to have taken the place over."""
        if self.lost.is_set():
            assert self.epoch is not None
            raise superseded(self.epoch)

    def fence(self, lake: Lake) -> None:
        """Have the tables refuse whoever had the place before, from now on.

        Raises: Superseded: If another engine has taken it over meanwhile.
        """
        if self.epoch is not None:
            from coattail.stores.swap import raise_fence

            raise_fence(lake, self.epoch)


class Lease(ABC):
    """Who may write to a place. Two never hold it at once, but for one that does not know yet that it has lost it."""

    @abstractmethod
    def held(self, command: str) -> AbstractContextManager[Tenure]:
        """A context manager that holds the place for an engine.

        command: What people know it by. Raises: HomeError: If another engine holds the place, which the message names.
        """

    @abstractmethod
    def holder(self, *, surely: bool = False) -> EngineInfo | None:
        """The engine that holds the place, or None.

        surely: Wait until it is certain whether that engine still lives, which takes seconds where nobody but itself
        can tell; without it, an engine that was killed just now may be named.
        """


class HomeLease(Lease):
    """A lock of the home, for a place of one machine: the system releases it, however the process ends."""

    def __init__(self, home: Home) -> None:
        self._home = home

    @contextmanager
    def held(self, command: str) -> Iterator[Tenure]:
        with self._home.engine_lock(command):
            yield Tenure(None)

    def holder(self, *, surely: bool = False) -> EngineInfo | None:
        return self._home.running_engine()
