"""Independent random streams by name, so that adding an instrument or an event leaves the others as they were."""

from __future__ import annotations

import zlib

from numpy.random import PCG64, Generator, SeedSequence


def generator(seed: int, name: str, index: int = 0) -> Generator:
    """The stream called `name` in its `index`-th chunk of time; equal arguments give equal numbers."""
    return Generator(PCG64(SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()), index))))
