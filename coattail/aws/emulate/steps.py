"""Jobs of EMR Serverless as a step of Step Functions: ministack lacks it, and the model that stands here does it."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from coattail.jobs.emr_applications import EmrRefusal
from coattail.jobs.emr_model import ENDED, EmrModel

_STEP = "arn:aws:states:::emr-serverless:startJobRun"
_LOOK_SECONDS = 0.1


def let_steps_run_jobs(model: EmrModel) -> None:
    """Have ministack's Step Functions, in this process, run the step `emr-serverless:startJobRun`, with `.sync` to its
    end: it fails with States.TaskFailed if the job does, and is otherwise answered with the job run.
    """
    from ministack.services import stepfunctions

    def run(resource: str, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            arguments = _renamed(asked, _shape())
            application = arguments.pop("applicationId")
            started = model.start(application, {"clientToken": str(uuid.uuid4()), **arguments})
            found = started if not resource.endswith(".sync") else _ended(model, application, started["jobRunId"])
        except EmrRefusal as refusal:
            raise stepfunctions._ExecutionError(f"EMRServerless.{refusal.kind}", str(refusal)) from None
        said = {name[0].upper() + name[1:]: value for name, value in found.items()}
        if found.get("state", "SUCCESS") != "SUCCESS":
            raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(said))
        return said

    stepfunctions._SERVICE_DISPATCH[_STEP] = run


def _ended(model: EmrModel, application: str, identity: str) -> dict[str, Any]:
    """The job run, once it is over."""
    while True:
        run: dict[str, Any] = model.get(application, identity)["jobRun"]
        if run["state"] in ENDED:
            return run
        time.sleep(_LOOK_SECONDS)


def _shape() -> Any:
    import botocore.session

    service = botocore.session.Session().get_service_model("emr-serverless")
    return service.operation_model("StartJobRun").input_shape


def _renamed(value: Any, shape: Any) -> Any:
    """Arguments of a state, whose names begin with a capital letter, as the service calls them."""
    if shape.type_name == "structure":
        known = {name[0].upper() + name[1:]: name for name in shape.members}
        if unknown := sorted(value.keys() - known.keys()):
            raise EmrRefusal("ValidationException", f"{shape.name} has no {', '.join(unknown)}")
        return {known[name]: _renamed(inner, shape.members[known[name]]) for name, inner in value.items()}
    if shape.type_name == "list":
        return [_renamed(inner, shape.member) for inner in value]
    return value
