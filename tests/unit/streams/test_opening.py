"""`stream.url`: which stream it opens, and what it says about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from coattail.config import load_settings
from coattail.errors import ConfigError
from coattail.streams.kinesis import KinesisStream
from coattail.streams.local import LocalStream
from coattail.streams.opening import open_stream
from tests.harness.kinesis_service import KinesisService


def test_without_a_url_it_is_the_home_s_own_folder(tmp_path: Path) -> None:
    assert load_settings(None).stream.url is None
    stream = open_stream(None, tmp_path)
    assert isinstance(stream, LocalStream)
    stream.append([(1, b"x")])
    assert list(tmp_path.glob("segments/*.seg"))


def test_a_url_names_stream_region_and_endpoint(service: KinesisService, tmp_path: Path) -> None:
    service.create("my.trades_1-a", 1)
    url = f"kinesis://my.trades_1-a?region=eu-west-3&endpoint={service.endpoint}"
    stream = open_stream(load_settings(None, overrides={"stream.url": url}).stream.url, tmp_path)
    assert isinstance(stream, KinesisStream)
    stream.append([(3, b"pack")])
    assert service.stored("my.trades_1-a") == [("lane-03", b"pack")]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("kinesis", "names no stream; write kinesis://NAME"),
        ("kafka://trades", "names no stream; write kinesis://NAME"),
        ("kinesis://", "'' is not a stream's name"),
        ("kinesis://tra des", "'tra des' is not a stream's name"),
        ("kinesis://trades/lane", "names no stream"),
        ("kinesis://trades?regoin=eu-west-1", "unknown option 'regoin'"),
        ("kinesis://trades?region", "is not a URL"),
        ("kinesis://[trades", "is not a URL"),
        ("kinesis://trades?endpoint=127.0.0.1:4566", "'127.0.0.1:4566' is not an address; write it like http"),
    ],
)
def test_a_url_that_makes_no_sense_is_named_with_the_form(url: str, message: str, tmp_path: Path) -> None:
    pytest.importorskip("boto3", reason="the aws extra is not installed")
    with pytest.raises(ConfigError) as caught:
        open_stream(url, tmp_path)
    assert repr(url) in str(caught.value)
    assert message in str(caught.value)


def test_without_boto3_it_says_which_extra_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("coattail.service_url.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"boto3, which is not installed; install the extra.*coattail\[aws\]"):
        open_stream("kinesis://trades?region=eu-west-1", tmp_path)


def test_without_a_region_it_says_where_to_name_one(
    service: KinesisService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"stream.url names no region; say it like region=eu-central-1"):
        _ = open_stream("kinesis://trades", tmp_path).stream_id
