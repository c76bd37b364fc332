"""Short files of rows, and what a recording makes of them."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coattail.recordings import RecordedLine, Recording
from coattail.records import Row

WALL = 1_800_000_000_000_000
"""Now, for these tests (µs): in January 2027."""
MS = 1_723_075_200_000
"""2024-08-08 00:00:00 UTC (ms)."""

SPOT_TRADES = [
    f"3735683259,61837.63000000,0.02000000,1236.75260000,{MS},True,True",
    f"3735683260,61837.64000000,0.50000000,30918.82000000,{MS + 7},False,True",
]
SPOT_AGGREGATES = [
    f"900,61837.63000000,0.02000000,3735683259,3735683259,{MS},True,True",
    f"901,61837.64000000,0.50000000,3735683260,3735683269,{MS + 7},False,True",
]
TARDIS_HEADER = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"


def zip_of(*members: tuple[str, Sequence[str] | str], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of text files, each given as its lines or as its text."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packed) as archive:
        for name, content in members:
            archive.writestr(name, content if isinstance(content, str) else lines(*content))
    return buffer.getvalue()


def lines(*texts: str) -> str:
    return "".join(text + "\n" for text in texts)


def written(path: Path, content: bytes | str) -> Path:
    """The file, packed as its name says (.gz)."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def frames(path: Path, **options: Any) -> list[RecordedLine]:
    return list(Recording(path, wall=WALL, **options).frames())


def rows(found: list[RecordedLine]) -> list[Row]:
    return [frame.row for frame in found if frame.row is not None]


def errors(found: list[RecordedLine]) -> list[str]:
    return [frame.error for frame in found if frame.kind == "garbage"]
