"""An environment made known, and what a start of it would change."""

from __future__ import annotations

from pathlib import Path

import msgspec

from coattail.aws.costs.estimate import CostEstimate, cost_of_plan
from coattail.aws.operate.account import Services, refuse_another
from coattail.aws.operate.billed import prices_of
from coattail.aws.operate.copy import InfraCopy, forget_place, refuse_moved, refuse_undeclared
from coattail.aws.operate.environment import Environment, environments, read_environment, write_environment
from coattail.aws.operate.refusals import StillThere
from coattail.aws.operate.said import TerraformRun, plainly
from coattail.aws.operate.states import is_applied, make_bucket
from coattail.workspace.progress import OnProgress, unheard

_VERBS = (("create", "make"), ("update", "change"), ("replace", "replace"), ("delete", "remove"))
_SHOWN = 12


class BootstrapDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that is known now."""

    environment: Environment
    emulated: bool
    bucket: str
    made: bool
    """Whether the bucket was made; False: it was there."""
    file: Path
    place: str

    def __str__(self) -> str:
        state = "made" if self.made else "it was there"
        return "\n".join((
            f"environment {self.environment.words()}",
            f"state: s3://{self.bucket} ({state}): versioned, encrypted, closed to the public, over TLS only",
            f"written: {self.file}",
        ))  # fmt: skip


def bootstrap(home: Path, environment: Environment) -> BootstrapDocument:
    """Make the bucket of the state, and write down what is known of the environment. It may be repeated.

    Raises: AnotherAccount: If the credentials are of another account. BucketTaken: If the bucket is somebody else's.
    InfraRefused: If infra/ has no such variable. StillThere: If it would move away from what is there. AwsRefused.
    """
    refuse_undeclared(environment)
    if environment.environment in environments(home):
        _leave(home, read_environment(home, environment.environment), environment)
    refuse_another(environment)
    with Services(environment) as services:
        made = make_bucket(services)
    return BootstrapDocument(
        environment=environment, emulated=environment.emulated, bucket=environment.states, made=made,
        file=write_environment(home, environment), place=environment.place,
    )  # fmt: skip


def _leave(home: Path, before: Environment, after: Environment) -> None:
    """Have an environment leave its place for another, if nothing was made there: nobody would stop it any more."""
    refuse_moved(home, before)
    if before.emulated or (before.states, before.key, None) == (after.states, after.key, after.endpoint):
        return
    refuse_another(before)
    with Services(before) as services:
        if is_applied(services):
            raise StillThere(
                f"{before.words()} is there, and would be forgotten, and billed",
                next_step=f"coattail aws cleanup --environment {before.environment} removes it; or give the new one "
                "another name: coattail aws bootstrap --environment NAME",
            )
    forget_place(home, before)


class PlannedChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a plan."""

    address: str
    """Of the resource, as Terraform says it."""
    action: str
    """create, update, replace or delete."""


class PlanDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What an apply would change. Printing it says how much, and the first of it."""

    environment: str
    emulated: bool
    streaming: bool
    """Whether the stream and the interface endpoints would be there."""
    changes: list[PlannedChange]
    drift: list[PlannedChange]
    """What somebody else has changed or deleted since the last apply; an apply makes it again."""
    cost: CostEstimate
    """By list prices; as of `coattail aws cost`."""
    log: Path
    """All that Terraform has said."""

    def __str__(self) -> str:
        return f"{self._changes()}\n{self.price()}"

    def price(self) -> str:
        """What it costs, in words."""
        if self.emulated:
            return "it costs nothing: local emulation"
        cost = self.cost
        return (
            f"it costs about ${cost.hourly:.2f} an hour until it is stopped, ${cost.idle_daily:.2f} a day when it is, "
            f"and ${cost.forgotten_daily:.2f} a day if nobody stops it ({cost.prices}; coattail aws cost)"
        )

    def _changes(self) -> str:
        if not self.changes:
            return "nothing would change"
        counted = {verb: [c for c in self.changes if c.action == action] for action, verb in _VERBS}
        lines = [f"resources: {', '.join(f'{verb} {len(found)}' for verb, found in counted.items() if found)}"]
        lines += [f"  {each.action:8} {plainly(each.address)}" for each in self.changes[:_SHOWN]]
        if len(self.changes) > _SHOWN:
            lines.append(f"  … and {len(self.changes) - _SHOWN} more: {self.log}")
        drift = sorted(self.drift, key=lambda each: each.action != "delete")  # what is gone is said first
        lines += [f"  {_past(each.action)} by somebody else: {plainly(each.address)}" for each in drift[:_SHOWN]]
        if len(drift) > _SHOWN:
            lines.append(f"  … and {len(drift) - _SHOWN} more that somebody else has changed")
        return "\n".join(lines)


def _past(action: str) -> str:
    return {"delete": "deleted", "update": "changed"}.get(action, action)


def plan(infra: InfraCopy, *, streaming: bool, on_progress: OnProgress = unheard, **variables: object) -> PlanDocument:
    """What an apply would change; nothing is made. Raises: CoattailError: In a sentence, if Terraform fails."""
    return plan_document(infra, infra.plan(streaming=streaming, on_progress=on_progress, **variables), streaming)


def plan_document(infra: InfraCopy, said: TerraformRun, streaming: bool) -> PlanDocument:
    """What the last plan has said. Raises: UnpricedResource: If it holds what has no price."""
    at = infra.environment
    return PlanDocument(
        environment=at.environment, emulated=at.emulated, streaming=streaming,
        changes=[PlannedChange(address=address, action=action) for address, action in said.planned.items()],
        drift=[PlannedChange(address=address, action=action) for address, action in said.drifted.items()],
        cost=cost_of_plan(infra.document(), prices_of(at)), log=said.log,
    )  # fmt: skip
