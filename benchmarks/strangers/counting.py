"""How a client tells that it has heard enough: a line `heard N` at each count of COATTAIL_COUNTS (`2000,62000`).

Where that is set, no trade is printed: what is measured then is the client, not its standard output.
"""

import os

_COUNTS = [int(count) for count in os.environ.get("COATTAIL_COUNTS", "").split(",") if count]
COUNTING = bool(_COUNTS)
_heard = 0


def count(trades: int) -> None:
    """So many more were heard."""
    global _heard
    _heard += trades
    while _COUNTS and _heard >= _COUNTS[0]:
        print(f"heard {_COUNTS.pop(0)}", flush=True)
