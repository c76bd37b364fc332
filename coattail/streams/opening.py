"""The stream that the settings name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from coattail.service_url import service_url
from coattail.streams.base import PATIENCE, Stream


def open_stream(url: str | None, folder: Path, *, patience: timedelta = PATIENCE) -> Stream:
    """The stream at `url` (`kinesis://NAME?region=…&endpoint=…`); None: the embedded one in `folder`. `patience`: how
    long a service that does not answer is asked again.

    Nothing is connected yet. Raises: ConfigError: If the URL makes no sense, or what it needs is not installed.
    """
    if url is None:
        from coattail.streams.local import LocalStream

        return LocalStream(folder)
    at = service_url("stream.url", url, scheme="kinesis", what="stream")
    from coattail.streams.kinesis import KinesisStream

    return KinesisStream(at.name, region=at.region, endpoint=at.endpoint, patience=patience)
