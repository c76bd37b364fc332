"""The planned roles at work on an emulation that holds permissions; R32 takes away every permission there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from botocore.exceptions import ClientError

from coattail.service_client import connect
from tests.harness.backfilling import past_day
from tests.harness.emulator import INSTALLED, emulator
from tests.harness.planned import Plan
from tests.harness.roles import ROOT, Roles, mutations, unenforced
from tests.harness.workloads import HOURS, RATE, WORK

pytestmark = [
    pytest.mark.skipif(not INSTALLED, reason="the emulator of AWS is not installed: coattail[dev,aws]"),
    pytest.mark.slow,
    pytest.mark.xdist_group("terraform"),
]
SMALL = ("producer", "loader", "api", "gate", "catalog", "scheduler")
"""Roles of which every permission is taken away here."""
SOME = ("Warehouse: s3:GetObject", "Metrics: cloudwatch:PutMetricData")
"""Of the jobs' permissions, one whose lack is an error, and one whose lack is a warning."""


@pytest.fixture(scope="module")
def roles(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roles]:
    with pytest.MonkeyPatch.context() as patch, past_day(HOURS, rate=RATE) as day:
        for name, value in ROOT.items():
            patch.setenv(name, value)
        with emulator(AUTH="true", **ROOT) as service:
            found = Roles(plan, service, tmp_path_factory.mktemp("roles"), day.binance.rest_url)
            assert found.fails("producer", found.policy("producer"), WORK["producer"]) == ""
            assert found.fails("jobs", found.policy("jobs"), WORK["jobs"]) == ""
            yield found


@pytest.mark.parametrize("role", SMALL)
def test_a_role_does_its_work_by_its_policy_and_not_by_one_that_allows_less(roles: Roles, role: str) -> None:
    policy = roles.policy(role)
    assert roles.fails(role, policy, WORK[role]) == ""
    needless = {less for less, without in mutations(policy)
                if not unenforced(less) and not roles.fails(role, without, WORK[role])}  # fmt: skip
    assert needless == set()


@pytest.mark.parametrize("lacking", SOME)
def test_jobs_are_refused_without_it(roles: Roles, lacking: str) -> None:
    [without] = [policy for less, policy in mutations(roles.policy("jobs")) if less == lacking]
    assert roles.fails("jobs", without, WORK["jobs"]) != ""


def test_who_asks_in_athena_may_ask_that_workgroup_alone(roles: Roles) -> None:
    for role in ("analyst", "scientist"):
        assert roles.fails(role, roles.policy(role), WORK[role]) == ""
    other = [policy for less, policy in mutations(roles.policy("analyst")) if less.startswith("Ask: on ")]
    assert [roles.fails("analyst", policy, WORK["analyst"]) != "" for policy in other] == [True]


def test_the_emulation_asks_some_things_in_its_own_way(roles: Roles) -> None:
    """What `understood` changes is still needed."""
    roles.allow_as_it_is("jobs", roles.policy("jobs"))
    datum = {"MetricName": "RecordsPassed", "Value": 1.0}
    with roles.acting("jobs"):
        for service, ask in (
            ("ssm", lambda ssm: ssm.get_parameters_by_path(Path="/coattail/dev")),
            ("glue", lambda glue: glue.get_database(Name="coattail")),
            ("cloudwatch", lambda metrics: metrics.put_metric_data(Namespace="coattail-dev", MetricData=[datum])),
        ):
            with closing(connect(service, setting="")) as client, pytest.raises(ClientError, match="AccessDenied"):
                ask(client)
