"""The address of a folder in a bucket, as settings and events name it."""

from __future__ import annotations

import pytest

from coattail.errors import ConfigError
from coattail.service_url import BucketUrl, bucket_url

pytest.importorskip("boto3", reason="the aws extra is not installed")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("s3://raw/historical", BucketUrl("raw", "historical", None, None)),
        ("s3://raw", BucketUrl("raw", "", None, None)),
        (
            "s3://my.raw-1/a/b/?region=eu-west-3&endpoint=http://127.0.0.1:4566",
            BucketUrl("my.raw-1", "a/b", "eu-west-3", "http://127.0.0.1:4566"),
        ),
    ],
)
def test_it_names_bucket_folder_region_and_endpoint(url: str, found: BucketUrl) -> None:
    assert bucket_url("dlq.url", url) == found


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("/var/raw", "names no folder of a bucket; write s3://BUCKET/FOLDER?region="),
        ("s3://No_Bucket/raw", "names no folder of a bucket"),
        ("s3://raw/a#b", "names no folder of a bucket"),
        ("s3://raw/a?regoin=eu-west-1", "unknown option 'regoin'"),
        ("s3://raw/a?endpoint=127.0.0.1", "'127.0.0.1' is not an address"),
    ],
)
def test_one_that_makes_no_sense_is_named_with_the_form(url: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bucket_url("dlq.url", url)
    assert f"dlq.url = {url!r}" in str(caught.value)
    assert message in str(caught.value)
