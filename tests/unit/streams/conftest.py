"""The helpers beside these tests are imported as `tests.…`, from wherever pytest is started."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[3])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from coattail.streams.kinesis import KinesisStream  # noqa: E402
from tests.harness.emulator import CREDENTIALS  # noqa: E402
from tests.harness.kinesis_service import Clock, KinesisService  # noqa: E402

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
