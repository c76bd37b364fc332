"""A truth file is read, and refused where it is about something else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from coattail.errors import UsageError
from coattail.market import LIVELY, Market, PlantedWhale, market_facts
from coattail.market.recording import write
from coattail.market.truth import TRUTH_SCHEMA
from coattail.scoring.evaluation import EvaluationSet
from coattail.scoring.truth_file import TruthFile, read_truth, with_truth

HOURS = timedelta(minutes=20)


def market(seed: int, notional: float = 3e5) -> Market:
    whales = tuple(
        PlantedWhale(
            exchange="binance", symbol="BTC-USDT", start=Market.start + timedelta(minutes=m), notional=notional
        )
        for m in (3, 9, 15)
    )
    return Market(seed=seed, rate=0.1, duration=HOURS, planted=whales, character=LIVELY)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("market")
    write(market(5), path)
    return path


@pytest.fixture(scope="module")
def landed() -> EvaluationSet:
    one = market(5)
    facts = market_facts(one)
    return EvaluationSet(
        name="home", bars=facts.bars, orders=facts.orders, spans=facts.spans,
        truth=pl.DataFrame(schema=TRUTH_SCHEMA), since=one.start, until=one.end,
    )  # fmt: skip


def test_parquet_json_and_the_folder_tell_the_same(folder: Path, landed: EvaluationSet) -> None:
    read = [read_truth(path) for path in (folder / "truth.parquet", folder / "truth.json", folder)]
    for one in read:
        assert one.identity["seed"] == 5
        assert one.truth.drop("detail").equals(read[0].truth.drop("detail"))
        assert with_truth(landed, one).truth.height == read[0].truth.height


def test_the_truth_of_another_market_is_refused_by_its_name(folder: Path, landed: EvaluationSet) -> None:
    read = read_truth(folder)
    other = TruthFile(Path("other.parquet"), market(6, 9e5).truth(), market(6).identity)
    assert with_truth(landed, read).truth.height >= 3
    with pytest.raises(
        UsageError, match=r"other\.parquet \(seed 6, character lively, start .*\) is about another market"
    ):
        with_truth(landed, other)


def test_a_truth_about_other_symbols_is_refused(folder: Path, landed: EvaluationSet) -> None:
    read = read_truth(folder)
    elsewhere = replace(
        read, truth=read.truth.with_columns(pl.lit("DOGE-USD").alias("symbol"), pl.lit("burst").alias("kind"))
    )
    with pytest.raises(UsageError, match="it is about binance:DOGE-USD, of which no trade is here"):
        with_truth(landed, elsewhere)


def test_a_truth_of_another_time_is_refused_with_both_times(folder: Path, landed: EvaluationSet) -> None:
    read = read_truth(folder)
    later = replace(read, truth=read.truth.with_columns(pl.col("start", "end") + timedelta(days=9)))
    with pytest.raises(UsageError, match="when this home's trades happened: its events are from 2025-03-13"):
        with_truth(landed, later)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("truth.json", "{}"),
        ("truth.json", "no json"),
        ("truth.json", '{"events": [{"kind": "burst"}]}'),
        ("truth.json", "[]"),
        ("truth.parquet", "PAR1 not"),
    ],
)
def test_what_is_no_truth_is_refused(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match="is not a truth file"):
        read_truth(tmp_path / name)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no truth file"):
        read_truth(tmp_path / "nowhere.parquet")


def test_parquet_of_other_columns_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "truth.parquet")
    with pytest.raises(UsageError, match="is not a truth file"):
        read_truth(tmp_path)
