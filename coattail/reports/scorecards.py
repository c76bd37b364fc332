"""How well detectors did on simulated markets: the package's own figures, if it has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

_FILE = Path(__file__).parents[1] / "conf" / "scorecards.json"


def read_scorecards(path: Path = _FILE) -> Mapping[str, Any]:
    """Preset -> module -> figures; nothing where there is no such file, or it is of another form."""
    try:
        found = msgspec.json.decode(path.read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return {}
    return found if isinstance(found, dict) else {}
