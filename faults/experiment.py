"""What an experiment is: something done to the product, what must hold then, and a plainer design that must not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Engines = tuple[str, ...]
KERNELS: Engines = ("kernels",)
"""The landing kernel, the ledger and the detectors in memory, without an engine's stores."""
LOCAL: Engines = ("local",)
BOTH: Engines = ("local", "spark")


class LeftOut(Exception):
    """Why an experiment cannot be run here."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run of an experiment: on which engine, from which seed, how large, and where its files go."""

    engine: str
    seed: int
    size: Mapping[str, int]
    folder: Path
    say: Callable[[str], None] = print


@dataclass
class Control:
    """A plainer design under the same experiment, what became of it, and whether it failed, as it must."""

    plainer: str
    came_of_it: str
    failed: bool

    def __str__(self) -> str:
        return f"{self.plainer}: {self.came_of_it}" if self.failed else f"{self.plainer}: DID NOT FAIL"


@dataclass
class Outcome:
    """The outcome: how much was done, in words, the figures, and whatever was not as it must be."""

    size: str
    figures: dict[str, object] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    table: str = ""
    """Markdown for the page, between marks of the experiment's own (`<!-- R6 -->`); empty where a row says it all."""

    @property
    def passed(self) -> bool:
        """Whether everything held, and every plainer design failed."""
        return not self.wrong and all(control.failed for control in self.controls)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """`run` does it. `long` is its size in `make faults`, `short` in `make test` (None: other tests are its short
    form, which `shortly` names); `does` is what a reader of the table reads.
    """

    id: str
    does: str
    run: Callable[[Task], Outcome]
    engines: Engines
    seed: int
    long: Mapping[str, int]
    short: Mapping[str, int] | None
    short_engines: Engines = ()
    shortly: str = ""

    @property
    def number(self) -> int:
        """R7 -> 7."""
        return int(self.id[1:])
