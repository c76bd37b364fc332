"""A folder in a bucket, where jobs find what they run from and leave files that people read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from coattail.errors import CoattailError
from coattail.service_client import connect, trouble
from coattail.service_url import bucket_url


class ArtifactError(CoattailError):
    """A file cannot be put into the bucket, or looked for."""


class Artifacts:
    """`s3://BUCKET/FOLDER?region=…&endpoint=…`. Delivery: a file is there as a whole, or not at all.

    setting: Which says the address, for the sentence of an error. Nothing is connected yet.
    Raises: ConfigError: If the address makes no sense, or boto3 is not installed.
    """

    def __init__(self, url: str, *, setting: str) -> None:
        self._at, self._setting = bucket_url(setting, url), setting

    @cached_property
    def _client(self) -> Any:
        return connect("s3", setting=self._setting, region=self._at.region, endpoint=self._at.endpoint)

    def location(self, name: str) -> str:
        """Where a file of this name is: `s3://BUCKET/FOLDER/NAME`."""
        return f"s3://{self._at.bucket}/{self._key(name)}"

    def holds(self, name: str) -> bool:
        """Whether there is a file of this name. Raises: ArtifactError: If S3 refuses, or does not answer."""
        absent = list[str]()
        with self._worded(name, absent):
            self._client.head_object(Bucket=self._at.bucket, Key=self._key(name))
        return not absent

    def put(self, name: str, path: Path, heard: Callable[[int], None] = lambda _: None) -> str:
        """Put a file there, in parts where it is large; returns its location.

        heard: Called with how many bytes have gone since the last time, from several threads.
        Raises: ArtifactError: If S3 refuses, or does not answer.
        """
        with self._worded(name):
            self._client.upload_file(str(path), self._at.bucket, self._key(name), Callback=heard)
        return self.location(name)

    def _key(self, name: str) -> str:
        return "/".join(part for part in (self._at.folder, name) if part)

    @contextmanager
    def _worded(self, name: str, absent: list[str] | None = None) -> Iterator[None]:
        import boto3.exceptions
        import botocore.exceptions

        try:
            yield
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, boto3.exceptions.Boto3Error) as e:
            cause = e.__context__ if isinstance(e, boto3.exceptions.Boto3Error) and e.__context__ is not None else e
            found = trouble(cause if isinstance(cause, Exception) else e, self.location(name), setting=self._setting)
            if absent is not None and found is not None and found.code == "404":
                absent.append(name)
                return
            message, step = (str(e), "try again") if found is None else (found.message, found.next_step)
            raise ArtifactError(message, next_step=step) from e
