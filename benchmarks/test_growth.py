"""What grows with detectors, symbols, data and days, and how fast."""

from __future__ import annotations

import math
import pickle
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.conftest import Size
from benchmarks.engines import drained
from benchmarks.measuring import Side, Spent, cpu_ratio, interleaved, ratio, seconds, spread
from coattail import detectors
from coattail.config import CLASSIC, DEFAULT
from coattail.detectors import DETECTORS
from coattail.engines.engine import Engine
from coattail.engines.local import LocalEngine
from coattail.landing.coverage import Coverage
from coattail.landing.ledger import FILL, Run
from coattail.stores.catalog import embedded
from coattail.stores.lake import Lake
from coattail.tables import COVERAGE, SESSIONS

Backlog = Callable[[float], Path]


@dataclass(frozen=True)
class Measured:
    """An engine, and how rows of the table name it."""

    kind: type[Engine]
    where: str
    preset: str = CLASSIC


SPARK = pytest.param("spark", marks=pytest.mark.spark)


@pytest.fixture(scope="module", params=[CLASSIC, DEFAULT, SPARK])
def engine(request: pytest.FixtureRequest) -> Measured:
    """The local engine under each preset, and Spark's under `classic`."""
    if request.param != "spark":
        return Measured(LocalEngine, report.under(request.param), request.param)
    pytest.importorskip("pyspark", reason="make bench installs it")
    request.getfixturevalue("warm_spark")
    from coattail.engines.spark import SparkEngine

    return Measured(SparkEngine, " on Spark")


# -- detectors ---------------------------------------------------------------------------------------------------


@pytest.fixture
def many_detectors(engine: Measured, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Eleven modules: the three there are, and eight like the dearest of them, each with a lookback and a table."""
    known = DETECTORS[engine.preset]
    names, dearest = list(known), known["volume-anomaly"]
    for number in range(11 - len(names)):
        name = f"volume-again-{number}"
        table = replace(dearest.table, name=f"volume_again_{number}")
        body = {"name": name, "table": table, "module_id": f"MOD-9{number:02d}", "__doc__": "Another volume."}
        kind = dataclass(frozen=True, kw_only=True)(type(f"VolumeAgain{number}", (dearest,), body))
        monkeypatch.setitem(known, name, kind)
        monkeypatch.setattr(detectors, "REGISTERED", (*detectors.REGISTERED, kind))
        names.append(name)
    return names


def modules(names: list[str], preset: str) -> dict[str, object]:
    """Settings that run these; each copy has parameters of its own."""
    parameter, usual = ("baseline_windows", 60) if preset == CLASSIC else ("least_history", 50)
    copies = {name: {parameter: usual - number} for number, name in enumerate(names[3:])}
    return {"modules": names, "detectors": copies}


def test_one_three_and_eleven_detectors(
    engine: Measured, many_detectors: list[str], backlog: Backlog, size: Size, tmp_path: Path
) -> None:
    stream = backlog(1)

    def side(count: int) -> Side:
        def run(folder: Path) -> Spent:
            names = many_detectors[:count]
            tables = [DETECTORS[engine.preset][name].table for name in names]
            settings = modules(names, engine.preset)
            done = drained(engine.kind, stream, folder, settings, tables, preset=engine.preset)
            lake = Lake(embedded(done.home.path))
            assert all(lake.scan(table, columns=["revision"]).height for table in tables), "a module wrote nothing"
            lake.close()
            return done.spent

        return run

    one, three, seven, eleven = interleaved(tmp_path, size.rounds, *(side(count) for count in (1, 3, 7, 11)))
    report.row(
        f"detectors 3 against 1{engine.where}",
        ours=seconds(three),
        peer=seconds(one),
        unit="s",
        ratio=ratio(three, one),
        must=1.2,
        aim=1.1,
        less_is_better=True,
        note=f"drain of a million trades; volume alone, and with orders and spreads; {cpu_ratio(three, one)}; "
        f"{spread(one)}",
    )
    report.row(
        f"detectors 11 against 3{engine.where}",
        ours=seconds(eleven),
        peer=seconds(three),
        unit="s",
        ratio=ratio(eleven, three),
        must=1.25,
        aim=1.2,
        less_is_better=True,
        note=f"drain of a million trades; eight more volume detectors with tables; 7 against 3: "
        f"{ratio(seven, three):.2f}; {cpu_ratio(eleven, three)}; {spread(three)}",
    )


# -- symbols -----------------------------------------------------------------------------------------------------


def test_three_hundred_symbols(engine: Measured, skewed: Callable[[int], Path], size: Size, tmp_path: Path) -> None:
    streams = [skewed(symbols) for symbols in (3, 30, 300)]
    landed: dict[Path, int] = {}

    def side(stream: Path) -> Side:
        def run(folder: Path) -> Spent:
            done = drained(engine.kind, stream, folder, preset=engine.preset)
            landed[stream] = done.landed
            return done.spent / (done.landed / 1e6)

        return run

    few, some, many = interleaved(tmp_path, size.rounds, *(side(stream) for stream in streams))
    assert max(landed.values()) < 1.1 * min(landed.values()), "about equal trades"
    report.row(
        f"symbols 300 against 3{engine.where}",
        ours=seconds(many),
        peer=seconds(few),
        unit="µs a trade",
        ratio=ratio(many, few),
        must=1.6,
        aim=1.3,
        less_is_better=True,
        note=f"the n-th symbol traded 1/n as often, each at two venues; 30 against 3: {ratio(some, few):.2f}; "
        f"{cpu_ratio(many, few)}; {spread(few)}",
    )


# -- data --------------------------------------------------------------------------------------------------------


def test_eight_times_the_data(engine: Measured, backlog: Backlog, size: Size, tmp_path: Path) -> None:
    streams = [backlog(millions) for millions in (0.25, 0.5, 1, 2)]
    landed: dict[Path, int] = {}

    def side(stream: Path) -> Side:
        def run(folder: Path) -> Spent:
            done = drained(engine.kind, stream, folder, preset=engine.preset)
            landed[stream] = done.landed
            return done.spent

        return run

    times = interleaved(tmp_path, size.rounds, *(side(stream) for stream in streams))
    sizes = [math.log(landed[stream]) for stream in streams]

    def slope(figures: list[float]) -> float:
        return statistics.linear_regression(sizes, [math.log(figure) for figure in figures]).slope

    medians = [seconds(rounds) for rounds in times]
    by_cpu = slope([statistics.median(spent.cpu for spent in rounds) for rounds in times])
    report.row(
        f"data x 8{engine.where}",
        ours=medians[-1],
        peer=medians[0],
        unit="s",
        ratio=slope(medians),
        must=1.10,
        aim=1.03,
        less_is_better=True,
        note=f"log-log slope of drain time over 0.25 to 2 M trades, {by_cpu:.2f} of processor time; peer: 0.25 M",
    )


# -- days --------------------------------------------------------------------------------------------------------


def with_gaps(coverage: Coverage, gaps: int) -> Coverage:
    """The same ids and times, but for `gaps` single ids that are missing, spread over all instruments."""
    return Coverage().with_changes(_broken(coverage, gaps))[0]


def _broken(coverage: Coverage, gaps: int) -> Iterator[Run]:
    ids = sum(last - first + 1 for ledger in coverage.ledgers.values() for first, last in ledger.landed)
    for (exchange, symbol), ledger in coverage.ledgers.items():
        for first, last, begin, end, *_ in ledger.here:
            pieces = max(1, round((last - first + 1) / ids * gaps) + 1)
            length, duration = (last - first + 1) // pieces, (end - begin) // pieces
            for piece in range(pieces):
                low, at = first + piece * length, begin + piece * duration
                high = last if piece == pieces - 1 else low + length - 2
                fills = {"first_fill": at * FILL, "last_fill": (at + duration) * FILL}
                yield Run(exchange, symbol, "session", low, high, at, at + duration, **fills)


def test_dedup_state_after_a_day(one_day: Path, tmp_path: Path) -> None:
    done = drained(LocalEngine, one_day, tmp_path)
    lake = Lake(embedded(done.home.path))
    coverage = Coverage.restored(lake.scan(COVERAGE), lake.scan(SESSIONS))
    stored = sum(file.file_size_in_bytes for table in (COVERAGE, SESSIONS) for file in lake.files(table.name))
    ids = lake.iceberg("raw_trades").scan(selected_fields=("event_id",)).to_arrow().column("event_id")
    lake.close()
    keys = sum(chunk.nbytes for chunk in ids.chunks) - 4 * len(ids)  # without Arrow's offsets
    memory, broken = (len(pickle.dumps(c)) for c in (coverage, with_gaps(coverage, 1_000)))
    report.row(
        "dedup state after a day",
        ours=broken / 1e6,
        peer=keys / 1e6,
        unit="MB",
        ratio=keys / broken,
        must=1.0,
        aim=0.1,
        judged="ours",
        less_is_better=True,
        note=f"{done.landed:,} trades; a ledger with 1,000 gaps ({memory / 1e3:.1f} kB without any; "
        f"{stored / 1e3:.1f} kB stored as tables); peer: the event ids alone that a keyed state would hold",
    )


def test_the_ledger_with_gaps_has_them() -> None:
    whole, _ = Coverage().with_changes([Run("binance", "BTC-USDT", "s", 1, 1_000_000, 0, 86_400_000_000)])
    assert abs(len(with_gaps(whole, 1_000).ledgers["binance", "BTC-USDT"].landed) - 1_000) < 3
