"""Errors of AWS in a sentence, and the next step."""

from __future__ import annotations

import botocore.exceptions as botocore
import pytest

from coattail.errors import ConfigError
from coattail.service_client import Trouble, connect, trouble

WHAT = "the bucket of the lake"


def refusal(code: str, message: str = "said the service") -> botocore.ClientError:
    return botocore.ClientError({"Error": {"Code": code, "Message": message}}, "PutObject")


@pytest.mark.parametrize(
    ("error", "message", "step"),
    [
        (botocore.NoCredentialsError(), "there are no AWS credentials for the bucket of the lake", "AWS_PROFILE"),
        (refusal("ExpiredToken"), "have expired", "aws sso login"),
        (botocore.UnauthorizedSSOTokenError(), "cannot be had", "aws sso login"),
        (refusal("InvalidAccessKeyId"), "are not valid", "AWS_ACCESS_KEY_ID"),
        (refusal("RequestTimeTooSkewed"), "clock is wrong", "set the clock"),
        (refusal("InvalidSignatureException", "Signature expired: 1 is now earlier than 2"), "clock is wrong", "clock"),
        (refusal("AccessDenied"), "may not be used", "another account"),
        (refusal("AccessDenied", "not authorized to perform: kms:Decrypt"), "key that encrypts", "allow the role"),
        (refusal("KMSDisabledException"), "key that encrypts", "allow the role"),
        (refusal("PermanentRedirect"), "in another region", "correct the region in lake"),
        (refusal("NoSuchBucket"), "is not there", "create it, or correct lake"),
        (refusal("SlowDown"), "asked too often", "nothing landed is lost"),
        (refusal("InternalError"), "fails", "nothing landed is lost"),
        (refusal("Whatever"), "refuses", "check lake"),
        (botocore.EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), "does not answer", "network"),
        (OSError("When writing: AWS Error ACCESS_DENIED during PutObject operation: no"), "may not be used", "check"),
        (OSError("AWS Error UNKNOWN (HTTP status 301) during HeadObject operation"), "another region", "correct"),
        (OSError("AWS Error UNKNOWN (HTTP status 503) during HeadObject operation"), "asked too often", "wait"),
        (OSError("AWS Error SLOW_DOWN during PutObject operation: slower"), "asked too often", "wait"),
        (OSError("AWS Error NO_SUCH_BUCKET during ListObjectsV2 operation"), "is not there", "create it"),
    ],
)  # fmt: skip
def test_an_error_is_a_sentence_and_the_next_step(error: Exception, message: str, step: str) -> None:
    found = trouble(error, WHAT, setting="lake")
    assert isinstance(found, Trouble)
    assert message in found.message
    assert WHAT in found.message
    assert step in found.next_step


def test_what_is_no_error_of_a_service_stays_what_it_is() -> None:
    assert trouble(OSError("No space left on device"), WHAT, setting="lake") is None
    assert trouble(ValueError("x"), WHAT, setting="lake") is None


def test_without_a_region_or_with_a_strange_endpoint_there_is_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(ConfigError, match=r"hot.url names no region; say it like region="):
        connect("dynamodb", setting="hot.url")
    with pytest.raises(ConfigError, match="makes no client of s3"):
        connect("s3", setting="dlq.url", region="eu-central-1", endpoint="nonsense")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigError, match="AWS_PROFILE names no profile"):
        connect("s3", setting="dlq.url", region="eu-central-1")
