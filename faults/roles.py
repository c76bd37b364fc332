"""R32: each role does its work by the policy that is planned for it, and cannot without any part of it."""

from __future__ import annotations

import copy
import os
from unittest import mock

from coattail.aws.terraform import TerraformMissing
from faults.experiment import Control, Experiment, LeftOut, Outcome, Task
from tests.harness.backfilling import past_day
from tests.harness.emulator import INSTALLED, emulator
from tests.harness.planned import EVERYTHING, Plan
from tests.harness.roles import ROOT, Roles, mutations, unenforced
from tests.harness.workloads import HOURS, RATE, WORK
from tools.infra import prepared


def run(task: Task) -> Outcome:
    """Every role of `WORK`: its work by its policy, and by each policy that allows a little less.

    Raises: LeftOut: If the emulator of AWS, Terraform or its provider is not here.
    """
    if not INSTALLED:
        raise LeftOut("the emulate extra is not installed")
    try:
        with prepared() as terraform:
            plan = Plan(terraform.plan(**EVERYTHING))
    except TerraformMissing as missing:
        raise LeftOut(str(missing)) from missing
    wrong, refused, listed, unneeded = list[str](), 0, 0, list[str]()
    with (
        mock.patch.dict(os.environ, ROOT),
        emulator(AUTH="true", **ROOT) as service,
        past_day(HOURS, rate=RATE) as day,
    ):
        roles = Roles(plan, service, task.folder, day.binance.rest_url)
        for role, work in WORK.items():
            policy = roles.policy(role)
            wrong += [f"{role} cannot do its work: {why}" for why in [roles.fails(role, policy, work)] if why]
            for less, without in mutations(policy):
                why, listed_here = roles.fails(role, without, work), unenforced(less)
                wrong += [f"{role} does without {less}"] if not why and not listed_here else []
                wrong += (
                    [f"{role} is refused without {less}, which is on the list: {why}"] if why and listed_here else []
                )
                refused, listed = refused + bool(why), listed + listed_here
            task.say(f"{role}: done")
        wide = copy.deepcopy(roles.policy("api"))
        wide["Statement"][0]["Action"].append("dynamodb:Scan")
        unneeded = [less for less, without in mutations(wide)
                    if not unenforced(less) and not roles.fails("api", without, WORK["api"])]  # fmt: skip
    return Outcome(
        f"{len(WORK)} roles, {refused + listed} policies that allow less",
        {"wrong": len(wrong), "refused": refused, "on the list of what no emulation refuses": listed},
        wrong,
        [Control("an API that may scan the table, too", f"done without {', '.join(unneeded)}", bool(unneeded))],
    )


R32 = Experiment(
    id="R32",
    does="each role works by its planned policy where permissions are held, and fails without any part of it",
    run=run,
    engines=("aws",),
    seed=524,
    long={},
    short=None,
    shortly="tests/unit/infra/test_roles_at_work.py",
)
