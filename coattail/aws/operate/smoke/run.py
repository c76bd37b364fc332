"""One check after the other, and what each came to: PASS, FAIL or SKIP, with the reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import msgspec

from coattail.aws.operate.account import Services
from coattail.aws.operate.environment import Environment
from coattail.aws.operate.standing import settings_there
from coattail.config import Settings
from coattail.errors import CoattailError
from coattail.home import Home
from coattail.jobs.base import Jobs
from coattail.workspace.progress import OnProgress, unheard

CLOSING = 2
"""Checks at the end that are made whatever happens: the stop, and the receipt."""

SmokeVerdict = Literal["PASS", "FAIL", "SKIP"]


class NotHere(Exception):
    """What a check needs is not there, or the emulation has no such thing: the reason of a SKIP."""


class CheckFailed(CoattailError):
    """The environment does not do what it should."""


class SmokeResult(msgspec.Struct, frozen=True, kw_only=True):
    """One check, as it came out."""

    number: int
    name: str
    outcome: SmokeVerdict
    seconds: float
    detail: str

    def __str__(self) -> str:
        return f"{self.outcome} {self.number:2} {self.name:26}{self.seconds:7.1f} s  {self.detail}"


class SmokeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """All checks."""

    environment: str
    emulated: bool
    evidence: Literal["emulated", "account"]
    """How far it goes: against an emulation, or in an account."""
    results: list[SmokeResult]
    passed: int
    failed: int
    skipped: int
    dollars: float | None
    """What its jobs have cost, as the service has billed them, at list prices; null if it has billed nothing yet."""

    def __str__(self) -> str:
        cost = "nobody bills an emulation" if self.emulated else (
            "the bill is not known" if self.dollars is None else f"about ${self.dollars:.2f} for jobs"
        )  # fmt: skip
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped, {cost}"


@dataclass
class Smoke:
    """What the checks share."""

    home: Home
    at: Environment
    services: Services
    scratch: Path
    """A folder that goes at the end."""
    analyst_profile: str | None = None
    """A profile of AWS' configuration that has assumed the analyst's role, which asks for a second factor."""
    on_progress: OnProgress = unheard
    jobs_run: list[str] = field(default_factory=list)
    """Ids of the jobs that were submitted."""

    @property
    def emulated(self) -> bool:
        return self.at.emulated

    @cached_property
    def settings(self) -> Settings:
        """Those of the place, read once it is there."""
        return settings_there(self.home, self.at)

    @cached_property
    def jobs(self) -> Jobs:
        """Who runs jobs there."""
        from coattail.aws.operate.starting import jobs_there

        return jobs_there(self.home, self.settings)


SmokeCheck = tuple[str, Callable[[Smoke], str]]
"""Its name, and what makes it: it returns what it has found, and raises NotHere or CoattailError."""


def run(
    smoke: Smoke, checks: Iterable[SmokeCheck], said: Callable[[SmokeResult], object] = lambda _: None
) -> SmokeDocument:
    """Make each check, whatever became of the one before. said: Called with each result.

    After Ctrl-C only the last two are made, which stop the environment and say what it cost.
    """
    results: list[SmokeResult] = []
    every, interrupted = list(checks), False
    for number, (name, check) in enumerate(every, 1):
        began = time.monotonic()
        outcome: SmokeVerdict = "PASS"
        try:
            if interrupted and number <= len(every) - CLOSING:
                raise NotHere("interrupted")
            detail = check(smoke)
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted, outcome, detail = True, "FAIL", "interrupted"
        except NotHere as reason:
            outcome, detail = "SKIP", str(reason)
        except CoattailError as error:
            outcome, detail = "FAIL", str(error)
        except Exception as error:  # a check that breaks has not passed, and those after it, a stop among them, go on
            outcome, detail = "FAIL", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        seconds = round(time.monotonic() - began, 1)
        results.append(SmokeResult(number=number, name=name, outcome=outcome, seconds=seconds, detail=detail))
        said(results[-1])
    counted = {word: sum(each.outcome == word for each in results) for word in ("PASS", "FAIL", "SKIP")}
    return SmokeDocument(
        environment=smoke.at.environment, emulated=smoke.emulated,
        evidence="emulated" if smoke.emulated else "account", results=results, passed=counted["PASS"],
        failed=counted["FAIL"], skipped=counted["SKIP"], dollars=None if smoke.emulated else billed_dollars(smoke),
    )  # fmt: skip


def billed_dollars(smoke: Smoke) -> float | None:
    """What the jobs have cost so far, by list prices of what the service has billed; None where it says nothing."""
    if "jobs" not in smoke.__dict__:
        return None
    costs = [smoke.jobs.look(identity).cost for identity in smoke.jobs_run]
    known = [cost.dollars for cost in costs if cost is not None]
    return round(sum(known), 4) if known else None
