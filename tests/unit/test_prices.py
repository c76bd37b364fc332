"""List prices, and those that somebody gives in their place."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from coattail.errors import ConfigError
from coattail.jobs.emr_request import ARCHITECTURES
from coattail.prices import MOST_AGE, YOURS, given_prices, known_regions, list_prices

TODAY = date(2026, 11, 28)


def rates(folder: Path, text: str) -> Path:
    file = folder / "rates.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("region", known_regions())
def test_every_price_has_a_unit_a_day_and_a_source(region: str) -> None:
    for name, price in list_prices(region).lines.items():
        assert price.dollars > 0, name
        assert price.count > 0, name
        assert price.unit, name
        assert price.of >= date(2026, 11, 27), name
        assert price.source.startswith("aws.amazon.com/"), name


def test_what_no_other_text_says_is_not_confirmed() -> None:
    prices = list_prices("us-east-1")
    assert prices["kinesis_stream_hour"].confirmed
    assert not prices["emr_vcpu_hour_arm64"].confirmed
    assert not any(price.confirmed for price in list_prices("us-west-2").lines.values())


def test_a_price_of_many_is_known_for_each() -> None:
    request = list_prices("us-west-2")["kms_request"]
    assert (request.dollars, request.count, request.unit, request.per) == (0.03, 10_000, "requests", "10,000 requests")
    assert request.each == 0.000003


def test_jobs_have_a_price_for_every_architecture() -> None:
    prices = list_prices("us-east-1")
    for architecture in ARCHITECTURES:
        for name in ("emr_vcpu_hour", "emr_gb_hour", "lambda_gb_second"):
            assert prices[f"{name}_{architecture}"].each > 0


def test_prices_grow_old() -> None:
    prices = list_prices("us-west-2")
    assert prices.old(prices.of + MOST_AGE) == []
    assert len(prices.old(prices.of + MOST_AGE + timedelta(days=1))) == len(prices.lines)


def test_an_unknown_region_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match="prices of eu-central-1 are not known here") as refused:
        list_prices("eu-central-1")
    assert "known are us-east-1 and us-west-2" in refused.value.next_step
    assert "--rates FILE" in refused.value.next_step


def test_given_prices_replace_listed_ones_and_an_agreement_takes_off_of_all(tmp_path: Path) -> None:
    file = rates(tmp_path, "region: us-west-2\ndiscount: 0.1\nprices: {kinesis_stream_hour: 0.03}\n")
    mine = given_prices(file, today=TODAY)
    assert mine["kinesis_stream_hour"].each == pytest.approx(0.027)
    assert mine["kinesis_stream_hour"].source == YOURS
    assert mine["kms_key_month"].each == pytest.approx(0.9)
    assert mine.said == "list prices of us-west-2, 2026-11-27, 1 of 35 yours, less 0.1 of each"


def test_a_region_of_ones_own_needs_every_price(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"eu-central-1 .* gives 1 of 35, without emr_vcpu_hour_arm64"):
        given_prices(rates(tmp_path, "region: eu-central-1\nprices: {kms_key_month: 1}\n"), today=TODAY)
    every = "".join(f"  {name}: 2\n" for name in list_prices("us-east-1").lines)
    mine = given_prices(rates(tmp_path, f"region: eu-central-1\nprices:\n{every}"), today=TODAY)
    assert (mine.region, mine.of, mine["kms_request"].each) == ("eu-central-1", TODAY, 0.0002)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prices: {kinesis_hour: 1}", "kinesis_hour, which does not exist"),
        ("prices: {kms_key_month: cheap}", "kms_key_month = 'cheap' is not a number of dollars"),
        ("prices: {kms_key_month: -1}", "is not a number of dollars"),
        ("prices: {kms_key_month: .nan}", "is not a number of dollars"),
        ("discount: 1.5", "is not a file of prices"),
        ("- 1", "is not a file of prices"),
        ("price: {}", "is not a file of prices"),
        ("prices: [1]", "is not a file of prices"),
        ("prices: {", "is not valid YAML"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        given_prices(rates(tmp_path, text), today=TODAY)
    assert said in str(refused.value)


def test_no_file_is_said() -> None:
    with pytest.raises(ConfigError, match=r"there is no configuration file nowhere\.yaml"):
        given_prices(Path("nowhere.yaml"), today=TODAY)
