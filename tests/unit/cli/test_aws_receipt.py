"""`coattail aws receipt`, of jobs on an emulated EMR Serverless."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from coattail.jobs.base import JobOrder
from coattail.jobs.emulated import EmulatedEmr
from coattail.jobs.opening import open_jobs
from tests.harness.documented import SCHEMAS, keys
from tests.harness.emulator import INSTALLED

Run = Callable[..., Any]
pytestmark = pytest.mark.skipif(not INSTALLED, reason="boto3 is not installed: coattail[dev,aws]")


@pytest.fixture
def service(coattail: Run, tmp_path: Path) -> Iterator[EmulatedEmr]:
    with EmulatedEmr(["true"], step=0.001) as emulated:
        assert coattail("init").code == 0
        (tmp_path / ".coattail" / "aws.yaml").write_text(yaml.safe_dump({"jobs": {"url": emulated.url}}))
        yield emulated


@pytest.mark.slow
def test_it_sums_what_the_service_has_billed(coattail: Run, service: EmulatedEmr, tmp_path: Path) -> None:
    nothing = coattail("aws", "receipt")
    assert (nothing.code, nothing.out[:15]) == (0, "no job has run ")
    jobs = open_jobs(service.url, tmp_path, [])
    ids = [jobs.submit(JobOrder(job=name)) for name in ("maintain", "daily")]
    for identity in ids:
        while not jobs.look(identity).state.ended:
            pass
    done = coattail("aws", "receipt", "--json")
    assert "local emulation" in done.err
    found = json.loads(done.out)
    assert set(keys(found)) == set(keys(SCHEMAS["aws receipt"]))
    assert {each["id"] for each in found["jobs"]} == set(ids)
    for total in ("vcpu_hours", "memory_gb_hours", "dollars", "estimated"):
        assert found[total] == pytest.approx(sum(each[total] for each in found["jobs"]))
    assert {each["quantities"] for each in found["jobs"]} == {"local emulation: nobody bills it"}
    for each in found["jobs"]:
        assert each["memory_gb_hours"] == pytest.approx(2 * each["vcpu_hours"], abs=2e-6)
        assert each["dollars"] == pytest.approx(each["vcpu_hours"] * 0.042094 + each["memory_gb_hours"] * 0.004628)
    one = json.loads(coattail("aws", "receipt", ids[0], "--json").out)
    assert ([each["id"] for each in one["jobs"]], one["since"]) == ([ids[0]], None)
    rates = tmp_path / "rates.yaml"
    rates.write_text("prices: {emr_vcpu_hour_arm64: 1, emr_gb_hour_arm64: 0}\n")
    mine = json.loads(coattail("aws", "receipt", ids[0], "--rates", rates, "--json").out)
    assert mine["dollars"] == pytest.approx(one["vcpu_hours"])
    assert "2 jobs: " in coattail("aws", "receipt", "--since", "1h").out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["00none"], 2, "00none"),
        (["00a", "--since", "1h"], 2, "--since and the ids of jobs both say which"),
        (["--since", "then"], 2, "--since 'then'"),
        (["--rates", "nowhere.yaml"], 1, "there is no configuration file nowhere.yaml"),
    ],
)
def test_what_makes_no_sense_is_refused(
    coattail: Run, service: EmulatedEmr, words: list[str], code: int, said: str
) -> None:
    done = coattail("aws", "receipt", *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_a_place_without_jobs_there_has_no_receipt(coattail: Run, tmp_path: Path) -> None:
    coattail("init")
    (tmp_path / ".coattail" / "aws.yaml").write_text("tier: small\n")
    done = coattail("aws", "receipt")
    assert done.code == 2
    assert "names nobody who runs jobs" in done.err
