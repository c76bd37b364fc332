"""`coattail aws cost`: tiers, plans, prices of one's own, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from coattail.aws.costs.words import old_words
from coattail.aws.operate.environment import Environment, write_environment
from coattail.batch.forecast import Forecast, Growth
from coattail.home import Home
from coattail.prices import list_prices
from tests.harness.documented import SCHEMAS, keys

Run = Callable[..., Any]
KEY = {"mode": "managed", "address": "module.kms.aws_kms_key.this", "type": "aws_kms_key", "values": {}}

NETWORK = {"address": "module.network.aws_vpc.this", "type": "aws_vpc", "values": {}}


def plan(folder: Path, *resources: dict[str, Any], **variables: object) -> Path:
    file = folder / "plan.json"
    said = {name: {"value": value} for name, value in {"region": "us-east-1", **variables}.items()}
    held = {"root_module": {"resources": list(resources)}}
    file.write_text(json.dumps({"format_version": "1.2", "variables": said, "planned_values": held}))
    return file


def test_it_needs_no_home_and_says_that_it_is_an_estimate(coattail: Run) -> None:
    done = coattail("aws", "cost", "--hours", "8")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("tier small: arm64, estimate from list prices of us-west-2, 2026-11-27\n")
    for said in ("an hour of streaming    $0.42", "8 hours of it           $3.3", "a day of it stopped     $0.037",
                 "a day of it forgotten   $1.96", "a daily run             $0.057", "█"):  # fmt: skip
        assert said in done.out


def test_a_place_that_the_environment_names_is_not_asked(coattail: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    here = coattail("aws", "cost").out
    monkeypatch.setenv("COATTAIL_PLACE", "ssm:/coattail/dev?region=us-west-2&endpoint=http://127.0.0.1:9")
    done = coattail("aws", "cost")
    assert (done.code, done.out) == (0, here)


def test_an_environment_keeps_its_tier_until_bootstrap_changes_it(coattail: Run, tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home", create=True)
    write_environment(home.path, Environment(environment="dev", account_id="1" * 12, region="us-west-2"))
    for words in (("aws", "plan"), ("aws", "start", "--yes"), ("aws", "status"), ("aws", "stop")):
        refused = coattail("--home", home.path, "--tier", "large", *words)
        assert refused.code == 2
        assert "the environment dev has the tier small; change it: coattail aws bootstrap" in refused.err


def test_every_option_changes_it(coattail: Run) -> None:
    given = {
        "--tier": "large", "--region": "us-east-1", "--architecture": "x86_64", "--zones": "2", "--rate": "7",
        "--bytes": "8", "--trigger": "9", "--alerts": "10", "--calls": "11", "--queries": "12", "--stored": "13",
        "--minutes": "14", "--hours": "15",
    }  # fmt: skip
    found = json.loads(coattail("aws", "cost", *[w for pair in given.items() for w in pair], "--json").out)
    assert list(found["load"].values()) == [7, 8, 9, 24, 10, 11, 12, 13, 14]
    assert found["total"] == pytest.approx(15 * found["hourly"])
    assert (found["tier"], found["region"], found["architecture"]) == ("large", "us-east-1", "x86_64")
    assert next(each["quantity"] for each in found["items"] if each["service"] == "VPC") == 8


def test_the_trigger_is_that_of_the_settings(coattail: Run) -> None:
    found = json.loads(coattail("aws", "cost", "--setting", "engine.trigger=30s", "--json").out)
    assert found["load"]["trigger_seconds"] == 30


def test_a_plan_is_priced_in_its_own_region(coattail: Run, tmp_path: Path) -> None:
    file = plan(tmp_path, KEY, NETWORK, environment="dev", tier="medium", architecture="x86_64")
    found = json.loads(coattail("aws", "cost", "--plan", file, "--json").out)
    assert (found["of"], found["region"], found["tier"]) == ("plan, environment dev", "us-east-1", "medium")
    assert (found["architecture"], found["streaming"]) == ("x86_64", False)
    assert set(keys(found)) == set(keys(SCHEMAS["aws cost"]))
    text = coattail("aws", "cost", "--plan", file).out
    assert "an hour of streaming" not in text
    assert "a day of it stopped     $0.037" in text


def test_a_plan_for_an_emulation_is_billed_by_nobody(coattail: Run, tmp_path: Path) -> None:
    done = coattail("aws", "cost", "--plan", plan(tmp_path, KEY, endpoint="http://127.0.0.1:4566"))
    assert "local emulation: nobody bills it" in done.out


def test_what_has_no_price_is_refused(coattail: Run, tmp_path: Path) -> None:
    other = {"address": "module.network.aws_nat_gateway.out", "type": "aws_nat_gateway", "values": {}}
    done = coattail("aws", "cost", "--plan", plan(tmp_path, KEY, other))
    assert (done.code, done.out) == (1, "")
    assert "module.network.aws_nat_gateway.out (aws_nat_gateway)" in done.err


def test_prices_of_ones_own(coattail: Run, tmp_path: Path) -> None:
    rates = tmp_path / "rates.yaml"
    rates.write_text("discount: 0.5\nprices: {kms_key_month: 2}\n")
    found = json.loads(coattail("aws", "cost", "--rates", rates, "--json").out)
    listed = json.loads(coattail("aws", "cost", "--json").out)
    key, listed_key = (
        next(each["dollars"] for each in one["items"] if each["unit"] == "key-month") for one in (found, listed)
    )
    assert key == pytest.approx(listed_key)
    assert found["hourly"] == pytest.approx(listed["hourly"] / 2 + key / 2)
    assert found["prices"] == "list prices of us-west-2, 2026-11-27, 1 of 35 yours, less 0.5 of each"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--region", "eu-central-1"], 1, "eu-central-1 are not known here; known are us-east-1 and us-west-2"),
        (["--tier", "huge"], 2, "unknown tier 'huge'"),
        (["--architecture", "riscv"], 2, "unknown architecture 'riscv'; choose arm64 or x86_64"),
        (["--rate", "-1"], 2, "trades_per_second = -1 makes no sense"),
        (["--trigger", "0"], 2, "trigger_seconds = 0 makes no sense"),
        (["--plan", "nowhere.json"], 2, "nowhere.json cannot be read (No such file or directory)"),
        (["--plan", "bad.json"], 2, "bad.json is not JSON"),
        (["--plan", "plan.json", "--zones", "2"], 2, "a plan says its zones itself"),
        (["--plan", "list.json"], 2, "this is not a plan of Terraform"),
        (["--rates", "nowhere.yaml"], 1, "there is no configuration file nowhere.yaml"),
        (["--from-home", "--rate", "1"], 2, "--rate and --from-home both say"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(coattail: Run, tmp_path: Path, words: list[str], code: int, said: str) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    plan(tmp_path, KEY)
    done = coattail("aws", "cost", *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_a_home_that_is_too_young_says_nothing_about_trades(coattail: Run) -> None:
    coattail("init")
    done = coattail("aws", "cost", "--from-home")
    assert done.code == 2
    assert "too young to say how many trades come" in done.err


def test_a_home_says_how_many_trades_come(coattail: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """8.64 million rows of 100 bytes, and 172.8 MB more a day: 20 trades a second."""
    raw = Growth("raw_trades", 8_640_000, 864_000_000, 0, timedelta(days=1), 172_800_000.0, "snapshots")
    monkeypatch.setattr("coattail.workspace.upkeep.growth", lambda stores: Forecast(0, [raw]))
    coattail("init")
    found = json.loads(coattail("aws", "cost", "--from-home", "--json").out)
    assert found["load"]["trades_per_second"] == pytest.approx(20)


def test_what_is_there_is_priced_as_a_plan_is(coattail: Run, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text(json.dumps({"format_version": "1.0", "values": {"root_module": {"resources": [KEY]}}}))
    assert json.loads(coattail("aws", "cost", "--plan", file, "--json").out)["region"] == "us-west-2"
    found = json.loads(coattail("aws", "cost", "--plan", file, "--region", "us-east-1", "--json").out)
    assert [each["what"] for each in found["items"] if not each["by_use"]] == ["1 key"]


def test_old_prices_are_a_warning() -> None:
    prices = list_prices("us-west-2")
    assert old_words(prices.old(prices.of + timedelta(days=180)), prices.of + timedelta(days=180)) == ""
    later = prices.of + timedelta(days=200)
    said = old_words(prices.old(later), later)
    assert said.startswith(f"{len(prices.lines)} prices are older than 180 days, emr_vcpu_hour_arm64 by 20: ")
    assert "--rates FILE" in said


def test_the_command_looks_at_the_clock(coattail: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coattail.cli.aws_cost.today", lambda: date(2027, 6, 1))
    done = coattail("aws", "cost", "--json")
    assert done.code == 0
    assert done.err.startswith("warning: 35 prices are older than 180 days")
    assert "kinesis_stream_hour" in json.loads(done.out)["old"]
