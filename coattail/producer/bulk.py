"""Step 2 of 7: Binance's daily files, checked against their checksums, into the stream: days at the speed of reading.

Single trades (`trades`) where a day has them, else aggregates (`aggTrades`), each of which covers a range of ids. What
is here already is left out, and so is an aggregate of which a part is here: it cannot be taken apart.

Source: github.com/binance/binance-public-data (README: paths, CHECKSUM files, files appear on the next day).
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from coattail import __version__
from coattail.connectors.base import BaseConnector, MarketType
from coattail.connectors.history import AskFailed, Unreachable, WrongAnswer
from coattail.errors import CoattailError, DamagedInput, UsageError
from coattail.intervals import Intervals
from coattail.packing import Packer
from coattail.producer.backfill import Fetched
from coattail.producer.refill import Lacking
from coattail.recordings import Recording, batch_of
from coattail.records import Row, micros
from coattail.streams.base import Stream
from coattail.symbols import is_perpetual, quote_of

BASE = "https://data.binance.vision"
KINDS = ("trades", "aggTrades")
"""The best first."""

_FOLDERS: dict[MarketType, str] = {"spot": "spot", "usdm": "futures/um", "coinm": "futures/cm"}
_LINES = 4096
"""Read together."""
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_TRIES = 3


class NoSuchFile(AskFailed):
    """The mirror has no file of this day."""


@dataclass
class InstrumentDays:
    """One instrument's days, and what is here of it."""

    connector: BaseConnector
    symbol: str
    since: datetime
    until: datetime
    covered: Intervals
    seen: Callable[[int, int], bool]
    """Whether everything between two times (µs) is here already, so that the day need not be read."""
    result: Fetched
    ends: list[int] = field(default_factory=list)
    """First and last id of each file that was read."""

    def days(self) -> Iterator[datetime]:
        """The UTC days that it touches."""
        day = self.since.replace(hour=0, minute=0, second=0, microsecond=0)
        while day < self.until:
            yield day
            day += timedelta(days=1)

    @property
    def market(self) -> MarketType:
        """By its symbol."""
        if not is_perpetual(self.symbol):
            return "spot"
        return "coinm" if quote_of(self.symbol) == "USD" else "usdm"


def refuse_without_files(connector: BaseConnector) -> None:
    """Refuse an exchange that publishes no daily files.

    Raises: UsageError: If it is one.
    """
    if "binance-bulk" not in connector.layouts:
        raise UsageError(f"{connector.exchange} publishes no daily files", next_step="leave out --source bulk")


def load_days(
    wanted: Sequence[InstrumentDays],
    stream: Stream,
    folder: Path,
    *,
    base: str = BASE,
    stop: threading.Event,
    on_day: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> None:
    """Read the files of all days into the stream, and note in each result what came, and of which days there is none.

    folder: For the files while they are read.
    base: Where they are: a URL, or a folder of this machine with the same paths below it.
    on_day: Called before each file with its name, and how many of all days are done.
    Delivery: at least once; what is read twice lands once.
    """
    todo = [(one, day) for one in wanted for day in one.days()]
    packer = Packer()
    for done, (one, day) in enumerate(todo):
        name = f"{one.connector.native(one.symbol)} {day:%Y-%m-%d}"
        on_day(name, done, len(todo))
        if stop.is_set():
            break
        since, until = (micros(max(day, one.since)), micros(min(day + timedelta(days=1), one.until)))
        if one.seen(since, until):
            continue
        try:
            file = _fetched(one, day, base, folder)
        except AskFailed as error:
            _fails(one.result, error)
            continue
        try:
            _read(one, file, since, until, packer, stream, stop)
        except DamagedInput as error:
            _fails(one.result, error)
        finally:
            file.unlink()
    stream.append(packer.take())
    on_day("", len(todo), len(todo))


def _fails(result: Fetched, error: CoattailError) -> None:
    """One more day that could not be read."""
    before = "" if result.failure is None else f"{result.failure.message}; "
    result.failure = AskFailed(before + error.message, next_step=error.next_step)


def _read(
    one: InstrumentDays, file: Path, since: int, until: int, packer: Packer, stream: Stream, stop: threading.Event
) -> None:
    recording = Recording(file, format="binance-bulk", exchange=one.connector.exchange, market=one.market)
    session = f"bulk:{file.name}"
    frames = recording.frames()
    while (lines := list(itertools.islice(frames, _LINES))) and not stop.is_set():
        batch = batch_of(lines, one.connector.exchange, source="backfill", session=session)
        for symbol, part in batch.parts.items():
            kept = [at for at, row in enumerate(part.rows) if _is_new(one, row, since, until)]
            part.rows, part.payloads = [part.rows[at] for at in kept], [part.payloads[at] for at in kept]
            packer.add_rows(batch.shared(symbol), part.rows, part.payloads)
            one.result.take(part)
        for record in batch.malformed:
            packer.add(record)
        if packer.full:
            stream.append(packer.take())


def _is_new(one: InstrumentDays, row: Row, since: int, until: int) -> bool:
    """Whether to send it: a row without an id or a time is, so that it is counted among the rejected ones."""
    if row.trade_id is None or row.timestamp is None:
        return True
    if not since <= row.timestamp < until:
        return False
    first, last = row.trade_id, row.trade_id if row.last_trade_id is None else row.last_trade_id
    one.ends += [first, last]
    one.ends[:] = [min(one.ends), max(one.ends)]
    here = one.covered.meeting(first, last)
    if len(here) and not one.covered.holds(first, last):
        why = f"only an aggregate of the trades {first} to {last} has them, and others of these are here"
        missing = Intervals([first], [last]).minus(one.covered)
        one.result.lacking += [Lacking(one.symbol, *hole, why) for hole in missing]
    return not len(here)


def _fetched(one: InstrumentDays, day: datetime, base: str, folder: Path) -> Path:
    """The day's file in `folder`, as its checksum says it is.

    Raises: AskFailed: If there is none, or it is another one.
    """
    native = one.connector.native(one.symbol)
    for kind in KINDS:
        name = f"{native}-{kind}-{day:%Y-%m-%d}.zip"
        path = f"data/{_FOLDERS[one.market]}/daily/{kind}/{native}/{name}"
        with suppress(NoSuchFile):
            wanted = _got(base, f"{path}.CHECKSUM", folder / f"{name}.CHECKSUM")
            said = wanted.read_text(encoding="utf-8", errors="replace").split()
            wanted.unlink()
            file = _got(base, path, folder / name)
            digest = hashlib.sha256()
            with file.open("rb") as stored:
                while chunk := stored.read(1 << 20):
                    digest.update(chunk)
            if not said or digest.hexdigest() != said[0].lower():
                file.unlink()
                raise WrongAnswer(
                    f"{base}/{path} has the sha256 {digest.hexdigest()}, and its CHECKSUM says {(said or [''])[0]}",
                    next_step="the download broke or the mirror is damaged: try again, or another --bulk-from",
                )
            return file
    late = " yet; they appear on the next day" if day + timedelta(days=2) > datetime.now(UTC) else ""
    raise NoSuchFile(
        f"{base} has no daily file of {native} of {day:%Y-%m-%d}{late}",
        next_step="leave out --source bulk: the trades of that day can be asked for by id" * (one.market == "spot"),
    )


def _got(base: str, path: str, to: Path) -> Path:
    if not base.startswith(("http://", "https://")):
        source = Path(base).expanduser() / path
        try:
            shutil.copyfile(source, to)
        except FileNotFoundError:
            raise NoSuchFile(f"there is no {source}") from None
        except OSError as error:
            raise Unreachable(
                f"{source} cannot be read ({error.strerror})", next_step="check its permissions"
            ) from error
        return to
    own = urlsplit(base).hostname in ("127.0.0.1", "localhost", "::1")
    url = f"{base.rstrip('/')}/{path}"
    problem = ""
    for _ in range(_TRIES):
        try:
            with (
                httpx.Client(trust_env=not own, timeout=_TIMEOUT, follow_redirects=True,
                             headers={"User-Agent": f"coattail/{__version__}"}) as client,
                client.stream("GET", url) as response,
            ):  # fmt: skip
                if response.status_code == 404:
                    raise NoSuchFile(f"there is no {url}")
                response.raise_for_status()
                with to.open("wb") as file:
                    for chunk in response.iter_bytes(1 << 20):
                        file.write(chunk)
                return to
        except (httpx.HTTPError, OSError) as error:
            problem = str(error) or type(error).__name__
    raise Unreachable(f"{url} cannot be had ({problem})", next_step="check the network and --bulk-from, or go on later")
