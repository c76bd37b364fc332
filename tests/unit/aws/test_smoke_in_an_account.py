"""What the checks of `coattail aws smoke` do where there is no emulation: services are played, and every call to one is
held against AWS' own description of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from coattail.aws.operate.account import Services
from coattail.aws.operate.environment import Environment
from coattail.aws.operate.smoke import account, closing, questions
from coattail.aws.operate.smoke.run import CheckFailed, NotHere, Smoke
from tests.harness.running import new_home, settings_of

DEV = Environment(environment="dev", account_id="123456789012", region="us-west-2")
CORE = botocore.session.Session()


class PlayedServices(Services):
    """Answers by the call's name: a value, or a function of its arguments."""

    def __init__(self, **answers: Any) -> None:
        super().__init__(DEV)
        self._answers = answers

    def ask(self, service: str, operation: str, what: str, **arguments: object) -> dict[str, Any]:
        name = "".join(word.capitalize() for word in operation.split("_"))
        shape = CORE.get_service_model(service).operation_model(name).input_shape
        report = ParamValidator().validate(arguments, shape) if shape else None
        assert report is None or not report.has_errors(), report.generate_report()
        answer = self._answers[operation]
        return dict(answer(**arguments) if callable(answer) else answer)

    def pages(self, service: str, operation: str, key: str, what: str, **arguments: object) -> list[Any]:
        return list(self.ask(service, operation, what, **arguments)[key])


@pytest.fixture
def smoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Smoke]:
    def made(**answers: Any) -> Smoke:
        found = Smoke(new_home(tmp_path / "home"), DEV, PlayedServices(**answers), tmp_path)
        found.__dict__["settings"] = settings_of({"metrics.url": "cloudwatch://coattail-dev?region=us-west-2"})
        return found

    monkeypatch.setattr(account, "refuse_another", lambda _: None)
    monkeypatch.setattr(closing, "_METRIC_SECONDS", 0.0)
    return made


def quota(vcpus: float, status: str = "DISABLED") -> dict[str, Any]:
    return {
        "list_service_quotas": {"Quotas": [{"QuotaName": "Max concurrent vCPUs per account", "Value": vcpus}]},
        "describe_account_settings": {"MinimumThroughputBillingCommitment": {"Status": status}},
    }


def test_a_quota_that_is_too_small_and_a_commitment_are_said(smoke: Callable[..., Smoke]) -> None:
    assert account.credentials(smoke(**quota(16))).endswith("16 vCPU of EMR Serverless allowed, 4 needed")
    assert "Kinesis bills a minimum throughput" in account.credentials(smoke(**quota(16, "ENABLED")))
    with pytest.raises(CheckFailed, match="may run 2 vCPU of EMR Serverless, and tier small needs 4; ask for more"):
        account.credentials(smoke(**quota(2)))


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (("SUCCEEDED", "FAILED"), None),
        (("SUCCEEDED", "SUCCEEDED"), "has SUCCEEDED$"),
        (("FAILED", "FAILED"), "has FAILED, "),
    ],
)
def test_the_workflow_must_succeed_once_and_fail_once(
    smoke: Callable[..., Smoke], ends: tuple[str, str], said: str | None
) -> None:
    started: list[str] = []

    def start_execution(stateMachineArn: str, name: str, input: str) -> dict[str, str]:
        assert stateMachineArn == "arn:aws:states:us-west-2:123456789012:stateMachine:coattail-dev-daily"
        started.append(input)
        return {"executionArn": f"{stateMachineArn.replace('stateMachine', 'execution')}:{name}"}

    made = smoke(start_execution=start_execution, describe_execution=lambda **_: {"status": ends[len(started) - 1]})
    if said is None:
        assert closing.workflow(made).startswith("one execution succeeded, one failed")
        assert [re.findall(r'"exchange": "(\w+)"', each) for each in started] == [["coinbase"], ["nowhere"]]
    else:
        with pytest.raises(CheckFailed) as failed:
            closing.workflow(made)
        assert re.search(said, failed.value.message)


def test_there_must_be_metrics_and_alarms(smoke: Callable[..., Smoke]) -> None:
    metrics = {"list_metrics": {"Metrics": [{"MetricName": "RecordsPassed"}]}}
    alarm = {"AlarmName": "coattail-dev-quality", "StateValue": "ALARM"}
    said = closing.metrics(smoke(**metrics, describe_alarms={"MetricAlarms": [alarm]}))
    assert said == "1 metrics in coattail-dev; 1 alarms; in alarm: coattail-dev-quality"
    with pytest.raises(CheckFailed, match="there are no alarms"):
        closing.metrics(smoke(**metrics, describe_alarms={"MetricAlarms": []}))
    with pytest.raises(CheckFailed, match="no metric is in coattail-dev"):
        closing.metrics(smoke(list_metrics={"Metrics": []}))


def test_an_analyst_is_looked_at_by_a_profile_only(smoke: Callable[..., Smoke]) -> None:
    with pytest.raises(NotHere, match="give --analyst-profile NAME"):
        questions.analyst(smoke())


class PlayedAthena:
    """Answers a statement by what it names."""

    def __init__(self, **reasons: str) -> None:
        self._reasons, self._asked = reasons, ""

    def start_query_execution(self, QueryString: str, **_: Any) -> dict[str, str]:
        self._asked = QueryString
        return {"QueryExecutionId": "1"}

    def get_query_execution(self, QueryExecutionId: str) -> dict[str, Any]:
        reason = next((why for name, why in self._reasons.items() if name in self._asked), None)
        state = {"State": "SUCCEEDED"} if reason is None else {"State": "FAILED", "StateChangeReason": reason}
        return {"QueryExecution": {"Status": state}}

    def list_objects_v2(self, **_: Any) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        if "files" in self._reasons:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "ListObjectsV2")
        return {}

    def close(self) -> None:
        pass


REFUSED = "COLUMN_NOT_FOUND: Column 'raw_event_payload' cannot be resolved or requester is not authorized"


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        ({"raw_event_payload": REFUSED, "files": "denied"}, None),
        ({"files": "denied"}, "an analyst sees raw payloads"),
        ({"raw_event_payload": REFUSED}, "may list the files of the tables"),
        ({"event_id": "not authorized", "files": "denied"}, "may not see trades"),
    ],
)
def test_an_analyst_must_see_trades_and_neither_payloads_nor_files(
    smoke: Callable[..., Smoke], monkeypatch: pytest.MonkeyPatch, reasons: dict[str, str], said: str | None
) -> None:
    monkeypatch.setattr(questions, "connect", lambda *_, **__: PlayedAthena(**reasons))
    made = smoke()
    made.analyst_profile = "analyst"
    if said is None:
        assert questions.analyst(made) == "trades are seen; payloads and files are refused"
    else:
        with pytest.raises(CheckFailed, match=said):
            questions.analyst(made)
