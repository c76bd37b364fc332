"""History in files: packs of past trades as a loader leaves them, in a folder or a bucket, until they are landed.

    binance/BTC-USDT/00000000003735683259-00000000003735733258-49998-2.seg

A name says which ids a file accounts for: the first, the last, how many trades it holds, and how many ids the exchange
does not have. So what is there already is known by listing, and nothing but the names needs to be remembered.
"""

from __future__ import annotations

import os
import re
import uuid
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple, Self

from coattail.errors import StoreError
from coattail.intervals import Intervals
from coattail.service_url import bucket_url
from coattail.stores.bucket import BucketFolder
from coattail.streams.segment import packs_of

_NAME = re.compile(r"([a-z0-9_]+)/([A-Z0-9-]+)/(\d+)-(\d+)-(\d+)-(\d+)\.seg")


class FiledTrades(NamedTuple):
    """A file, as its name says it."""

    exchange: str
    symbol: str
    first: int
    last: int
    trades: int
    """Records in it; of an aggregate, one."""
    lacking: int
    """Ids between the first and the last that the exchange does not have."""
    size: int = 0
    """Bytes."""

    @classmethod
    def named(cls, name: str, size: int) -> Self | None:
        """The file of this name; None where it is another thing."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        first, last, trades, lacking = map(int, found.groups()[2:])
        return cls(found[1], found[2], first, last, trades, lacking, size)

    @property
    def name(self) -> str:
        """Below the folder."""
        ids = f"{self.first:020}-{self.last:020}-{self.trades}-{self.lacking}"
        return f"{self.exchange}/{self.symbol}/{ids}.seg"


def ids_of(files: list[FiledTrades]) -> Intervals:
    """The ids that the files account for."""
    return Intervals.of((file.first, file.last) for file in files)


class HistoryFiles(ABC):
    """Delivery: a file is there whole when `put` returns, or not at all; what a name holds never changes.

    Raises: StoreError: If the place cannot be used.
    """

    place: str
    """As messages call it."""

    @abstractmethod
    def listed(self, exchange: str = "", symbol: str = "") -> list[FiledTrades]:
        """The files of an instrument, or of all, by name; anything else that lies there is passed over."""

    @abstractmethod
    def put(self, file: FiledTrades, content: bytes) -> bool:
        """Write a file; False: one of its name is there already, and stays."""

    @abstractmethod
    def read(self, file: FiledTrades) -> bytes:
        """Its content."""

    def packs(self, file: FiledTrades) -> list[tuple[int, bytes]]:
        """The (lane, pack)s in it.

        Raises: StoreError: If it is damaged.
        """
        try:
            return packs_of(self.read(file))
        except ValueError as error:
            raise StoreError(
                f"{self.place}/{file.name} is damaged ({error})",
                next_step="remove it, and load that time again",
            ) from error


def history_files(setting: str, at: str) -> HistoryFiles:
    """The files at an address: s3://BUCKET/FOLDER?region=…&endpoint=…, or a folder of this machine.

    setting: Which option or variable says it, for messages. Raises: ConfigError: If the address makes no sense.
    """
    return FilesInBucket(setting, at) if "://" in at else FilesInFolder(Path(at).expanduser())


class FilesInFolder(HistoryFiles):
    """In a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = str(folder)

    def listed(self, exchange: str = "", symbol: str = "") -> list[FiledTrades]:
        found = []
        for path in sorted((self._folder / exchange / symbol).rglob("*.seg")):
            if file := FiledTrades.named(path.relative_to(self._folder).as_posix(), path.stat().st_size):
                found.append(file)
        return found

    def put(self, file: FiledTrades, content: bytes) -> bool:
        path = self._folder / file.name
        temporary = path.with_suffix(f".{uuid.uuid4().hex}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as written:
                written.write(content)
                written.flush()
                os.fsync(written.fileno())
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(
                f"{path} cannot be written ({error.strerror})", next_step="choose another folder"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def read(self, file: FiledTrades) -> bytes:
        path = self._folder / file.name
        try:
            return path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path} cannot be read ({error.strerror})", next_step="check its permissions") from error


class FilesInBucket(HistoryFiles):
    """In a bucket. The credentials need s3:ListBucket, s3:GetObject and, to put, s3:PutObject."""

    def __init__(self, setting: str, url: str) -> None:
        self._folder = BucketFolder(bucket_url(setting, url), setting=setting)
        self.place = self._folder.place

    def listed(self, exchange: str = "", symbol: str = "") -> list[FiledTrades]:
        within = "".join(f"{part}/" for part in (exchange, symbol) if part)
        found = (FiledTrades.named(file.name, file.size) for file in self._folder.files(beginning=within))
        return [file for file in found if file is not None]

    def put(self, file: FiledTrades, content: bytes) -> bool:
        return self._folder.put_new(file.name, content)

    def read(self, file: FiledTrades) -> bytes:
        for _, content in self._folder.contents([file.name]):
            return content
        raise StoreError(f"{self.place}/{file.name} is not there any more", next_step="load that time again")
