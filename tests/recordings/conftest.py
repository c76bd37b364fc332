"""Where the recorded market data are; they are read there and never copied."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def recordings() -> Path:
    """`COATTAIL_RECORDINGS`, or the folder `shared/recordings` beside the repository; skips where neither is."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "recordings"
    folder = Path(os.environ.get("COATTAIL_RECORDINGS") or beside)
    if not folder.is_dir():
        pytest.skip(f"no recorded market data at {folder}; set COATTAIL_RECORDINGS to the folder that holds them")
    return folder
