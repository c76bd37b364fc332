"""An environment removed with its data, and the bucket of its state with the last environment."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from coattail.aws.operate.account import AwsRefused, Services, refuse_another
from coattail.aws.operate.billed import BilledDocument
from coattail.aws.operate.copy import forget_place, refuse_moved
from coattail.aws.operate.environment import FILE, Environment, folder_of
from coattail.aws.operate.standing import STARTED
from coattail.aws.operate.starting import prepared
from coattail.aws.operate.states import bucket_exists, is_applied, remove_state
from coattail.aws.operate.steps import CameTo, StepDone, walk
from coattail.aws.operate.stopping import EnvironmentStop, prove
from coattail.home import Home
from coattail.workspace.progress import OnProgress, unheard
from coattail.workspace.text import size

BUCKETS = ("raw", "processed", "checkpoint", "athena")
_MOST_PAGES = 20


class HeldData(msgspec.Struct, frozen=True, kw_only=True):
    """What a bucket of the environment holds."""

    bucket: str
    objects: int
    bytes: int
    more: bool
    """Whether there is more than was counted."""


class CleanupDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that is gone."""

    environment: str
    emulated: bool
    held: list[HeldData]
    """What was lost."""
    bucket_removed: bool
    """Whether the bucket of the state went, too: no other environment is in it."""
    proof: BilledDocument
    steps: list[StepDone]


def held(services: Services) -> list[HeldData]:
    """What the environment's buckets hold; those that are not there are left out. Raises: AwsRefused."""
    at = services.environment
    found = []
    for role in BUCKETS:
        try:
            found.append(_held(services, at.bucket(role)))
        except AwsRefused as error:
            if error.code not in ("NoSuchBucket", "404"):
                raise
    return found


def _held(services: Services, bucket: str) -> HeldData:
    objects = total = 0
    more: dict[str, str] = {}
    for _ in range(_MOST_PAGES):
        page = services.ask("s3", "list_objects_v2", f"the bucket {bucket}", Bucket=bucket, **more)
        objects += len(page.get("Contents", []))
        total += sum(each["Size"] for each in page.get("Contents", []))
        if not page.get("IsTruncated"):
            return HeldData(bucket=bucket, objects=objects, bytes=total, more=False)
        more = {"ContinuationToken": page["NextContinuationToken"]}
    return HeldData(bucket=bucket, objects=objects, bytes=total, more=True)


def loss(at: Environment, data: list[HeldData]) -> str:
    """What a person agrees to lose."""
    counted = ", ".join(
        f"{'more than ' if each.more else ''}{each.objects:,} objects ({size(each.bytes)}) of {each.bucket}"
        for each in data if each.objects
    )  # fmt: skip
    return (
        f"cleanup removes {at.words()} with its data: {counted or 'no object in a bucket'}, all alerts, all logs and "
        "the key that encrypted them. It cannot be undone"
    )


def clean(
    home: Home, at: Environment, data: list[HeldData], *, on_progress: OnProgress = unheard,
    said: Callable[[StepDone], object] = lambda _: None,
) -> CleanupDocument:  # fmt: skip
    """Stop it, remove everything, then its state, and what the home knows of it but for logs.

    data: As of `held`, for the record.
    Raises: CoattailError: With the step that failed; the same again goes on from there.
    """
    gone: list[bool] = []
    proof: list[BilledDocument] = []
    with Services(at) as services:

        def stop() -> CameTo:
            if not is_applied(services):
                return CameTo("nothing was ever applied", "left out")
            done = EnvironmentStop(home, at, force=True, on_progress=on_progress, said=said, force_destroy=True).run()
            return CameTo(done.steps[-1].detail)

        def destroy() -> CameTo:
            if not is_applied(services):
                return CameTo("nothing is there", "there")
            infra = prepared(home, at, on_progress)
            removed = infra.destroy(on_progress=on_progress, force_destroy=True)
            return CameTo(f"{len(removed.done)} resources removed")

        def state() -> CameTo:
            if not bucket_exists(services):
                gone.append(True)
                return CameTo("its bucket is gone", "there")
            gone.append(remove_state(services))
            return CameTo("removed with its bucket" if gone[0] else "removed; other environments keep the bucket")

        def proved() -> CameTo:
            proof.append(prove(services))
            return CameTo("nothing is billed by the hour")

        def forget() -> CameTo:
            file = folder_of(home.path, at.environment) / FILE
            for each in (file, file.with_name(STARTED)):
                each.unlink(missing_ok=True)
            forget_place(home.path, at)
            return CameTo(f"{file} removed; its logs stay in {file.parent / 'logs'}")

        refuse_moved(home.path, at)
        refuse_another(at)
        steps = [("stop", stop), ("destroy", destroy), ("state", state), ("proof", proved), ("home", forget)]
        done = walk(steps, said)
    return CleanupDocument(
        environment=at.environment, emulated=at.emulated, held=data, bucket_removed=gone[0], proof=proof[0], steps=done
    )
