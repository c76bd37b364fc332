"""Steps of a command, each of which looks first whether it is done; one that fails says how to go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import msgspec

from coattail.aws.operate.refusals import AGAIN, OperationFailed
from coattail.errors import CoattailError, UsageError


class StepDone(msgspec.Struct, frozen=True, kw_only=True):
    """One step, as it came out."""

    name: str
    outcome: Literal["done", "there", "left out"]
    """there: it was done before; left out: it does not apply."""
    detail: str
    seconds: float


class CameTo(NamedTuple):
    """What a step has come to."""

    detail: str
    outcome: Literal["done", "there", "left out"] = "done"


OperateStep = tuple[str, Callable[[], CameTo]]
"""Its name, and what does it."""


def walk(steps: Iterable[OperateStep], said: Callable[[StepDone], object] = lambda _: None) -> list[StepDone]:
    """Do them in order. said: Called with each as it is done.

    Raises: OperationFailed: With the step's name, what went wrong and how to go on. UsageError: As the step says it.
    """
    done: list[StepDone] = []
    for name, doing in steps:
        began = time.monotonic()
        try:
            detail, outcome = doing()
        except (UsageError, OperationFailed) as error:
            error.message = f"{name}: {error.message}"
            raise
        except CoattailError as error:
            step = f"{error.next_step}; then {AGAIN}" if error.next_step else AGAIN
            raise OperationFailed(f"{name}: {error.message}", next_step=step) from error
        done.append(StepDone(name=name, outcome=outcome, detail=detail, seconds=round(time.monotonic() - began, 1)))
        said(done[-1])
    return done
