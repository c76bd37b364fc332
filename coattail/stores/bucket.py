"""Files below a folder of a bucket: each is put whole, listed in pages, read several at once."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import BinaryIO, NamedTuple

from coattail.errors import StoreError
from coattail.service_client import connect, trouble
from coattail.service_url import BucketUrl

log = logging.getLogger(__name__)

_AT_ONCE = 8
"""Files that are read at the same time: as many answers are in memory."""
_ATTEMPTS = 16
"""Of a call that is throttled (503 SlowDown) or fails: with botocore's pauses they last two minutes on average."""
_PUT_BEFORE = ("PreconditionFailed", "ConditionalRequestConflict")
"""What the service says where a file is there that must not be, or somebody is putting it at this moment."""
_PAGE = 1000
"""Files listed, or deleted, by one call: the service's limit."""
_PIECE = 1 << 20
_READINGS = 3
"""Of a file whose content breaks off: botocore repeats only what comes before it."""


class ObjectFile(NamedTuple):
    """A file as it is listed."""

    name: str
    """Below the folder."""
    put_at: datetime
    """By the clock of the service."""
    size: int
    """Bytes."""


class BucketFolder:
    """A folder of a bucket; how it is encrypted is the bucket's own choice. Names are those below the folder.

    Delivery: a file is there for everybody when `put` returns, whole; a call that is repeated does nothing twice.
    Raises: StoreError: Wherever the service refuses or does not answer, however often it is asked.
    """

    def __init__(self, at: BucketUrl, *, setting: str) -> None:
        """`setting`: the key or the option that names the place, for the sentence of an error.

        Nobody is asked yet. Raises: ConfigError: If AWS_PROFILE names no profile, or the endpoint makes no sense.
        """
        self.place = f"s3://{at.bucket}/{at.folder}".rstrip("/")
        self._at, self._setting = at, setting
        self._prefix = f"{at.folder}/" if at.folder else ""
        self._s3 = connect(
            "s3", setting=setting, region=at.region, endpoint=at.endpoint, attempts=_ATTEMPTS, at_once=_AT_ONCE
        )

    def put(self, name: str, content: bytes) -> None:
        """Put a file, or put it anew: one request."""
        with self._errors():
            self._s3.put_object(Bucket=self._at.bucket, Key=self._prefix + name, Body=content)

    def put_new(self, name: str, content: bytes) -> bool:
        """Put a file; False: one of its name is there already, and stays."""
        with self._errors():
            try:
                self._s3.put_object(Bucket=self._at.bucket, Key=self._prefix + name, Body=content, IfNoneMatch="*")
            except self._s3.exceptions.ClientError as error:
                if error.response["Error"]["Code"] not in _PUT_BEFORE:
                    raise
                return False
        return True

    def page(self, *, beginning: str = "", after: str = "") -> tuple[list[ObjectFile], bool]:
        """The first `_PAGE` files whose names begin so and come after a name, in order, and whether there are more."""
        behind = {"StartAfter": self._prefix + after} if after else {}
        with self._errors():
            found = self._s3.list_objects_v2(
                Bucket=self._at.bucket, Prefix=self._prefix + beginning, MaxKeys=_PAGE, **behind
            )
        files = [
            ObjectFile(each["Key"].removeprefix(self._prefix), each["LastModified"], each["Size"])
            for each in found.get("Contents", [])
        ]
        return files, found["IsTruncated"]

    def files(self, *, beginning: str = "", after: str = "") -> Iterator[ObjectFile]:
        """All files whose names begin so and come after a name, in order: a request for each thousand."""
        more = True
        while more:
            found, more = self.page(beginning=beginning, after=after)
            yield from found
            after = found[-1].name if found else after

    def contents(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Each file's name and content in this order; one that is not there any more is left out."""
        waiting = deque(names)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="bucket") as pool:
            under_way: deque[tuple[str, Future[bytes | None]]] = deque()
            try:
                while waiting or under_way:
                    while waiting and len(under_way) < _AT_ONCE:
                        name = waiting.popleft()
                        under_way.append((name, pool.submit(self._content, name)))
                    name, coming = under_way.popleft()
                    if (content := coming.result()) is not None:
                        yield name, content
            finally:
                for _, coming in under_way:
                    coming.cancel()

    def _content(self, name: str) -> bytes | None:
        import botocore.exceptions as botocore

        with self._errors():
            for left in reversed(range(_READINGS)):
                try:
                    found = self._s3.get_object(Bucket=self._at.bucket, Key=self._prefix + name)
                except self._s3.exceptions.NoSuchKey:
                    return None
                try:
                    content: bytes = found["Body"].read()
                except botocore.BotoCoreError:  # it broke off, or is not what the service has
                    found["Body"].close()
                    if not left:
                        raise
                else:
                    return content
        return None

    def copy(self, name: str, to: BinaryIO) -> None:
        """Write a file's content, however large, at the end of a file of this machine."""
        with self._errors():
            found = self._s3.get_object(Bucket=self._at.bucket, Key=self._prefix + name)
            for piece in found["Body"].iter_chunks(_PIECE):
                to.write(piece)

    def delete(self, names: Sequence[str]) -> int:
        """Delete files, a thousand with a request; returns how many are gone. What must stay only costs room: the log
        says so."""
        kept = 0
        for begin in range(0, len(names), _PAGE):
            keys = [{"Key": self._prefix + name} for name in names[begin : begin + _PAGE]]
            with self._errors():
                answer = self._s3.delete_objects(Bucket=self._at.bucket, Delete={"Objects": keys, "Quiet": True})
            if refused := answer.get("Errors"):
                kept += len(refused)
                said = refused[0].get("Code"), refused[0].get("Key")
                log.warning("%s keeps files that should go (%s: %s); allow s3:DeleteObject there", self.place, *said)
        return len(names) - kept

    def close(self) -> None:
        """Close the connections."""
        self._s3.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            found = trouble(error, self.place, setting=self._setting)
            if found is None:
                raise
            raise StoreError(found.message, next_step=found.next_step) from error
