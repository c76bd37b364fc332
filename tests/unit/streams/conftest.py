"""A Kinesis on loopback, and streams opened on it with a clock of their own."""

from collections.abc import Callable, Iterator

import pytest

from coattail.streams.kinesis import KinesisStream
from tests.harness.emulator import CREDENTIALS
from tests.harness.kinesis_service import Clock, KinesisService

Opened = Callable[..., KinesisStream]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[KinesisService]:
    pytest.importorskip("boto3", reason="the aws extra is not installed")
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with KinesisService() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(service: KinesisService, clock: Clock) -> Opened:
    """A new reader or producer of the stream `s`, on a clock that waits for nobody."""

    def open_one(**more: object) -> KinesisStream:
        return KinesisStream(
            "s", region="eu-central-1", endpoint=service.endpoint, clock=clock, sleep=clock.sleep, **more
        )

    return open_one
