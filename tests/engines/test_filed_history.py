"""History that a loader puts into files, invocation by invocation, and that an engine lands from them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from coattail.connectors.asking import Asker
from coattail.connectors.coinbase_rest import CoinbaseHistory
from coattail.connectors.history import Limits
from coattail.connectors.named import connector_named
from coattail.errors import StoreError, UsageError
from coattail.home import Home
from coattail.intervals import Intervals
from coattail.market.exchange import Served
from coattail.producer.backfill import span_of
from coattail.producer.filing import Filing, file_history
from coattail.stores.filed import FiledTrades, FilesInFolder, HistoryFiles
from coattail.stores.opening import open_lake
from coattail.streams.local import LocalStream
from coattail.workspace.backfill import Backfill, backfill
from coattail.workspace.loading import Wish
from coattail.workspace.opening import open_stores
from coattail.workspace.state import state
from tests.harness.backfilling import START, SYMBOLS, differences, heard_of, past_day, settings_for, truth
from tests.harness.running import drained, feed, new_home, settings_of

HOURS = 1.5
END = START + timedelta(hours=HOURS)


@pytest.fixture(scope="module")
def day() -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch, past_day(HOURS, rate=0.15) as served:
        patch.setattr(CoinbaseHistory, "limits", Limits(1000, 1.0))
        yield served


def invoked(
    day: Served, name: str, files: HistoryFiles, *, clock: Callable[[], float] = lambda: 0.0, share: float = 1.0
) -> Filing:
    """What one invocation does, for a time that is over by this clock at 100."""
    connector = connector_named(name, [SYMBOLS[name][1]], rest_host=day.venues[name].rest_url)

    async def load() -> Filing:
        async with Asker() as asker:
            ids = await span_of(connector, SYMBOLS[name][1], START, START + share * (END - START), asker)
            return await file_history(
                connector, SYMBOLS[name][1], ids, files, asker, until=100.0, clock=clock, file_trades=600
            )

    return asyncio.run(load())


def ends_after(steps: int) -> Callable[[], float]:
    """A clock by which the time is over after so many looks at it."""
    looks = itertools.count()
    return lambda: 0.0 if next(looks) < steps else 100.0


def landed(home: Home, day: Served, files: Path) -> Backfill:
    return backfill(home, settings_for(day), Wish(source="files", files_from=str(files)))


class Unknowing(FilesInFolder):
    """One that listed before the others wrote."""

    def listed(self, exchange: str = "", symbol: str = "") -> list[FiledTrades]:
        return []


@pytest.mark.slow
def test_several_invocations_that_are_short_of_time_file_a_day_and_it_lands_exactly(
    day: Served, tmp_path: Path
) -> None:
    files, home = FilesInFolder(tmp_path / "filed"), new_home(tmp_path)
    for name in SYMBOLS:
        lefts = []
        while True:
            filing = invoked(day, name, files, clock=ends_after(1))
            lefts.append(sum(last - first + 1 for first, last in filing.left))
            if not lefts[-1]:
                break
        assert lefts == sorted(set(lefts), reverse=True), "each gets further"
        assert len(lefts) > 2
        assert invoked(day, name, files).written == 0, "what is there is not asked for again"
        of = files.listed(name)
        assert all(a.last + 1 == b.first for a, b in itertools.pairwise(of)), "they follow each other without a hole"
        assert sum(file.trades for file in of) == truth(day, name, START, END).height
    invoked(day, "binance", Unknowing(tmp_path / "filed"), share=0.5)  # at the same time as another
    done = landed(home, day, tmp_path / "filed")
    assert done.document.complete
    assert differences(home.path, truth(day, "binance", START, END), truth(day, "coinbase", START, END)) == []
    again = landed(home, day, tmp_path / "filed")
    assert again.document.landed is not None
    assert (again.document.complete, again.document.landed.received) == (True, 0)


@pytest.mark.slow
def test_files_land_on_a_detour_the_home_goes_on_in_its_own_stream_where_it_was(day: Served, tmp_path: Path) -> None:
    home, files = new_home(tmp_path), FilesInFolder(tmp_path / "filed")
    live = truth(day, "coinbase", START, END)
    third = live.height // 3
    own = LocalStream(home.stream)
    feed(own, [heard_of(live[:third], "live")])
    drained(home)
    feed(own, [heard_of(live[third:], "live")])
    invoked(day, "binance", files)
    landed(home, day, tmp_path / "filed")
    with open_stores(home, settings=lambda: settings_of({})) as stores:
        assert state(stores).stream.waiting_segments == 1, "what waited there waits still"
    drained(home)
    assert differences(home.path, live, truth(day, "binance", START, END)) == []
    with closing(open_lake(home, settings_of({}))) as lake:
        newest = lake.newest("raw_trades")
        assert newest is not None
        assert newest.properties["stream"] == own.stream_id
        assert '"duplicates":0' in newest.properties["totals"], "nothing was read twice"


@pytest.mark.slow
def test_what_the_exchange_does_not_have_is_accounted_for_with_why(day: Served, tmp_path: Path) -> None:
    files, home = FilesInFolder(tmp_path / "filed"), new_home(tmp_path)
    connector = connector_named("binance", ["BTC-USDT"], rest_host=day.binance.rest_url)
    newest = int(truth(day, "binance", START, END)["trade_id"].max())  # type: ignore[arg-type]
    lowest = int(truth(day, "binance", START, END)["trade_id"].min())  # type: ignore[arg-type]

    async def load(first: int, last: int) -> Filing:
        async with Asker() as asker:
            return await file_history(
                connector, "BTC-USDT", Intervals([first], [last]), files, asker, until=100.0, clock=lambda: 0.0
            )

    later = asyncio.run(load(newest - 9, newest + 5))
    assert (list(later.left), later.wait_seconds) == ([(newest + 1, newest + 5)], 30.0)
    never = asyncio.run(load(lowest - 5, lowest + 9))
    assert list(never.left) == []
    assert [file.lacking for file in never.files if file.first == lowest - 5] == [5]
    done = landed(home, day, tmp_path / "filed")
    (one,) = done.document.instruments
    assert not done.document.complete
    first = one.left[0]
    assert (first.first_id, first.last_id, first.why) == (
        lowest - 5, lowest - 1, "the exchange does not have them"
    )  # fmt: skip


@pytest.mark.slow
def test_a_damaged_file_is_named_and_the_others_land(day: Served, tmp_path: Path) -> None:
    files, home = FilesInFolder(tmp_path / "filed"), new_home(tmp_path)
    invoked(day, "binance", files)
    broken = files.listed()[1]
    path = tmp_path / "filed" / broken.name
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(StoreError, match="is damaged"):
        files.packs(broken)
    done = landed(home, day, tmp_path / "filed")
    assert not done.document.complete
    (one,) = done.document.instruments
    assert broken.name in (one.failed or "")
    assert one.missing == broken.last - broken.first + 1
    path.unlink()
    assert invoked(day, "binance", files).written == 1
    assert sum(file.trades for file in files.listed()) == truth(day, "binance", START, END).height


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(source="files"), "--source files and --files-from go together"),
        (Wish(source="files", files_from="x", gaps=True), "files land as they are"),
        (Wish(source="files", files_from="x"), "x holds no files of a loader"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(day: Served, tmp_path: Path, wish: Wish, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        backfill(new_home(tmp_path), settings_for(day), wish)


def test_a_file_is_written_once_and_other_things_are_passed_over(tmp_path: Path) -> None:
    files, file = FilesInFolder(tmp_path), FiledTrades("binance", "BTC-USDT", 1, 5, 5, 0)
    assert files.put(file, b"first")
    assert not files.put(file, b"second")
    assert files.read(file) == b"first"
    (tmp_path / "binance" / "notes.seg").write_bytes(b"?")
    assert files.listed() == [file._replace(size=5)]
    assert files.listed("coinbase") == []
