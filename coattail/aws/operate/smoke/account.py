"""Whose account it is and what it allows; and that applying is done when it is done."""

from __future__ import annotations

from collections.abc import Sequence

from coattail.aws.operate.account import refuse_another
from coattail.aws.operate.planning import plan
from coattail.aws.operate.smoke.run import CheckFailed, NotHere, Smoke
from coattail.aws.operate.starting import EnvironmentStart, prepared
from coattail.aws.operate.steps import StepDone
from coattail.tiers import workers_of


def credentials(smoke: Smoke) -> str:
    """Credentials of the account, and room for a job of the tier."""
    refuse_another(smoke.at)
    there = f"account {smoke.at.account_id} in {smoke.at.region}"
    if smoke.emulated:
        return f"{there}; quotas are not emulated"
    needed = workers_of(smoke.at.tier).vcpus
    found = smoke.services.pages(
        "service-quotas", "list_service_quotas", "Quotas", "Service Quotas", ServiceCode="emr-serverless"
    )
    vcpus = [each["Value"] for each in found if "vcpu" in each["QuotaName"].lower()]
    if vcpus and min(vcpus) < needed:
        raise CheckFailed(
            f"{there} may run {min(vcpus):g} vCPU of EMR Serverless, and tier {smoke.at.tier} needs {needed}",
            next_step="ask for more in Service Quotas, or choose a smaller tier",
        )
    said = f"{min(vcpus):g} vCPU of EMR Serverless allowed, {needed} needed" if vcpus else "no quota is said"
    mode = smoke.services.ask("kinesis", "describe_account_settings", "Kinesis")
    status = mode.get("MinimumThroughputBillingCommitment", {}).get("Status", "DISABLED")
    if status.startswith("ENABLED"):
        said += "; Kinesis bills a minimum throughput (On-demand Advantage), whatever is used"
    return f"{there}; {said}"


def applied(smoke: Smoke) -> str:
    """Everything is made with a stream, and a second plan would change nothing."""
    if smoke.emulated:
        raise NotHere("this emulation makes its services itself; make aws-emulate applies infra/ to one (minutes)")
    made = EnvironmentStart(
        smoke.home, smoke.at, agree=lambda _: None, with_job=False, on_progress=smoke.on_progress
    ).run()
    services = next(step for step in made.steps if step.name == "services")
    infra = prepared(smoke.home, smoke.at, smoke.on_progress)
    again = plan(infra, streaming=True, on_progress=smoke.on_progress, bundle=_bundle(made.steps))
    if again.changes:
        named = ", ".join(each.address for each in again.changes[:3])
        raise CheckFailed(f"a second plan would change {len(again.changes)} ({named})", next_step=f"see {again.log}")
    return f"{services.detail}; a second plan is empty"


def _bundle(steps: Sequence[StepDone]) -> str | None:
    """What the step `bundle` has named."""
    names = [step.detail for step in steps if step.name == "bundle"]
    return names[0] if names and names[0].startswith("deps-") else None
