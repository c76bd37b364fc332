"""When something was received: the system's clock, but never set back."""

from __future__ import annotations

import time
from collections.abc import Callable


class ReceiptClock:
    """µs since 1970 UTC, never falling.

    Whoever sets the system's clock back, or is set back by a time server, would otherwise make every trade look as if
    it came from the future, and such trades are rejected. It follows a clock that is set forward.
    """

    def __init__(self, wall: Callable[[], int] = time.time_ns, steady: Callable[[], int] = time.monotonic_ns) -> None:
        """`wall` and `steady`: the system's clocks, in ns."""
        self._wall, self._steady = wall, steady
        self._ahead = 0
        """What the steady clock lacks to the highest time so far."""

    def __call__(self) -> int:
        """The time."""
        wall, steady = self._wall(), self._steady()
        if wall - steady > self._ahead:
            self._ahead = wall - steady
        return (steady + self._ahead) // 1000


received_now = ReceiptClock()
"""The one clock of this process."""
