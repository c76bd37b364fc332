"""How a job on EMR Serverless ended, in a sentence: by what its driver said last, and what the service says. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

LINES = 200
"""How many lines of the driver's log are read: Spark writes some dozens after the last word of the job itself."""

_OF_SPARK = re.compile(r"\d\d(\d\d)?[/-]\d\d[/-]\d\d[ T]\d\d:\d\d:\d\d(,\d+)? (INFO|WARN|ERROR|DEBUG) ")
_OWN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (?:stopped; )?(?P<said>.*)")
"""As `coattail.jobs.working.log_to_stderr` writes a line."""
_ASIDE = re.compile(
    r"\s|Traceback |Exception ignored in|During handling of|The above exception|Caused by:|\S+:\d+: \w*Warning|$"
)
_FOREIGN = (
    re.compile(r"No module named '(msgspec|numpy|polars|pyarrow|pyiceberg_core|pydantic_core|zstandard|yaml)\._?\w"),
    re.compile(r"cannot import name .* from '\w+\._?\w+' \(unknown location\)"),
    re.compile(r"/\S+\.so[.\d]*: (cannot open shared object file|wrong ELF class|invalid ELF header)"),
    re.compile(r"Exec format error|Polars binary is missing|compiled module files exist, but seem incompatible"),
)
"""What Python says where the compiled part of a package is for another machine, or another Python: tried with wheels of
aarch64 on x86-64."""
_MEMORY = re.compile(r"OutOfMemoryError|MemoryError|Cannot allocate memory|ExitCode: 137|exit code 137")


def why(details: str, lines: Sequence[str], *, architecture: str) -> str:
    """Why a job failed: its own last word, else the service's.

    details: `stateDetails` of the service. lines: The end of what the driver's Python wrote; none where no
    log is there. architecture: What jobs.url says that the workers are.
    """
    for line in (*reversed(lines), details):
        if any(sign.search(line) for sign in _FOREIGN):
            return (
                f"the bundle is for another architecture, or another Python, than the workers ({line.strip()}); "
                f"jobs.url says architecture={architecture}: let `coattail --place aws doctor` hold that against the "
                "application, and make a bundle for what it is: coattail aws bundle --upload"
            )
    said = next(_plain(lines), details.strip()) or "the service says no reason, and the driver has left no log"
    if _MEMORY.search(said) or _MEMORY.search(details):
        return f"it ran out of memory ({said}); choose a larger tier, or give it less at once"
    return said


def came_to(lines: Sequence[str]) -> str:
    """What a job said that it came to, as its last word; empty if it said nothing."""
    said = [found["said"] for line in lines if (found := _OWN.fullmatch(line))]
    return said[-1] if said else ""


def _plain(lines: Sequence[str]) -> Iterator[str]:
    """Sentences among the lines, the last one first: without what Spark logs, and without traces."""
    for line in reversed(lines):
        if not (_OF_SPARK.match(line) or _OWN.match(line) or _ASIDE.match(line)):
            yield line.strip()
