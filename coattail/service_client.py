"""Clients of AWS' services, made in one way, and what their errors mean to a person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from coattail.errors import ConfigError

SIGNED = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
KEY_PROPERTIES = dict(zip(SIGNED, ("access-key-id", "secret-access-key", "session-token"), strict=True))
"""Argument of boto3 -> what PyIceberg calls it, after `glue.` or `s3.`."""

THROTTLED = frozenset({
    "ProvisionedThroughputExceededException", "ThrottlingException", "Throttling", "TooManyRequestsException",
    "LimitExceededException", "RequestLimitExceeded", "KMSThrottlingException", "SlowDown", "RequestThrottled",
    "ThrottledException", "BandwidthLimitExceeded", "SLOW_DOWN", "THROTTLING", "503",
})  # fmt: skip
"""Codes of services that are asked too often; botocore repeats such calls by itself, within its attempts."""

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "EXPIRED_TOKEN"}
_INVALID = {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch",
            "InvalidSignatureException", "IncompleteSignature", "InvalidToken", "INVALID_ACCESS_KEY_ID",
            "SIGNATURE_DOES_NOT_MATCH", "INVALID_CLIENT_TOKEN_ID"}  # fmt: skip
_SKEWED = {"RequestTimeTooSkewed", "RequestInTheFuture", "REQUEST_TIME_TOO_SKEWED"}
_FORBIDDEN = {"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "403", "Forbidden", "ACCESS_DENIED",
              "UnauthorizedOperation", "AuthorizationError"}  # fmt: skip
_ELSEWHERE = {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
              "TemporaryRedirect"}  # fmt: skip
_ABSENT = {"NoSuchBucket", "ResourceNotFoundException", "EntityNotFoundException", "404", "NO_SUCH_BUCKET",
           "ParameterNotFound", "NotFoundException"}  # fmt: skip
_FAULTY = {"InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "500", "502", "503", "504",
           "INTERNAL_FAILURE", "SERVICE_UNAVAILABLE"}  # fmt: skip
_OF_ARROW = re.compile(r"AWS Error (\w+)(?: \(HTTP status (\d+)\))?")
_SKEW_SAID = re.compile(r"Signature (expired|not yet current)|RequestTimeTooSkewed", re.IGNORECASE)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class Trouble(NamedTuple):
    """What an error of a service means."""

    message: str
    """What happened, with the service's own words."""
    next_step: str
    code: str
    """The service's word for it; empty where no service has answered."""


def connect(
    service: str, *, setting: str, region: str | None = None, endpoint: str | None = None, attempts: int = 6,
    read_seconds: float = 20, at_once: int = 10, keys: Mapping[str, str | None] | None = None,
) -> Any:  # fmt: skip
    """A client of boto3. Credentials come from AWS' own chain (environment, profile, role, container), or are `keys`.

    setting: The key that says where the service is, for the sentence of an error. region, endpoint: None means as AWS'
    own configuration says. attempts: Of a call that is throttled or fails, with botocore's pauses between them; 1
    repeats nothing. read_seconds: How long an answer may take. at_once: Connections. keys: By botocore's names
    (`SIGNED`), or `profile_name`.

    Raises: ConfigError: If no region is known, or the endpoint makes no sense.
    """
    import boto3
    import botocore.exceptions as botocore
    from botocore.config import Config
    from botocore.session import get_session

    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts}, connect_timeout=5, read_timeout=read_seconds,
        max_pool_connections=at_once, tcp_keepalive=True,
    )  # fmt: skip
    try:
        core = get_session()
        core.register_component("data_loader", _loader())
        session = boto3.session.Session(botocore_session=core, **(keys or {}))
        return session.client(service, region_name=region, endpoint_url=endpoint, config=config)
    except botocore.NoRegionError as error:
        raise ConfigError(f"{setting} names no region", next_step="say it like region=eu-central-1") from error
    except botocore.ProfileNotFound as error:
        raise ConfigError(f"AWS_PROFILE names no profile ({error})", next_step="see ~/.aws/config") from error
    except (botocore.BotoCoreError, ValueError) as error:
        raise ConfigError(f"{setting} makes no client of {service} ({error})", next_step="correct it") from error


@cache
def _loader() -> Any:
    """The descriptions of services, read once: a client after the first takes 15 ms of a processor, not 90."""
    from botocore.session import get_session

    return get_session().get_component("data_loader")


def trouble(error: Exception, what: str, *, setting: str) -> Trouble | None:
    """What an error of boto3, botocore or PyArrow's S3 means; None for an error of anything else.

    what: What was asked, with its article: `the stream trades`. setting: The key that says where that is.
    """
    import botocore.exceptions as botocore

    if isinstance(error, botocore.ClientError):
        code: str = error.response.get("Error", {}).get("Code", "")
        return _said(code, str(error), what, setting)
    if isinstance(error, (botocore.NoCredentialsError, botocore.PartialCredentialsError)):
        return Trouble(f"there are no AWS credentials for {what} ({error})", _SIGN_IN, "")
    if isinstance(error, (botocore.SSOError, botocore.TokenRetrievalError, botocore.CredentialRetrievalError)):
        return Trouble(f"the AWS credentials for {what} cannot be had ({error})", _SIGN_IN_AGAIN, "")
    if isinstance(error, (botocore.HTTPClientError, botocore.ConnectionError)):
        step = f"check {setting} and the network; nothing landed is lost"
        return Trouble(f"{what} does not answer ({error})", step, "")
    if isinstance(error, botocore.BotoCoreError):
        return Trouble(f"{what} cannot be asked ({error})", f"check {setting}", "")
    if isinstance(error, OSError) and (found := _OF_ARROW.search(str(error))) is not None:
        return _said(found[2] if found[1] == "UNKNOWN" else found[1], str(error), what, setting)
    return None


_SIGN_IN = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_SIGN_IN_AGAIN = "sign in again, for example by aws sso login, or set AWS_PROFILE to another profile"


def _said(code: str, words: str, what: str, setting: str) -> Trouble:
    if code in _SKEWED or _SKEW_SAID.search(words):
        return Trouble(f"this machine's clock is wrong by minutes, says {what} ({words})", "set the clock (NTP)", code)
    if code in _EXPIRED:
        return Trouble(f"the AWS credentials for {what} have expired ({words})", _SIGN_IN_AGAIN, code)
    if code in _INVALID:
        return Trouble(f"the AWS credentials for {what} are not valid ({words})", _SIGN_IN, code)
    if code in THROTTLED:
        return Trouble(f"{what} is asked too often ({words})", "wait, and start again: nothing landed is lost", code)
    if "KMS" in code or code == "InvalidKeyId" or (code in _FORBIDDEN and "kms:" in words):
        return Trouble(f"the key that encrypts {what} is refused ({words})", "allow the role to use the key", code)
    if code in _FORBIDDEN:
        step = f"check {setting}, and what the credentials may do: another account's is refused too"
        return Trouble(f"{what} may not be used with these credentials ({words})", step, code)
    if code in _ELSEWHERE:
        return Trouble(f"{what} is in another region ({words})", f"correct the region in {setting}", code)
    if code in _ABSENT:
        return Trouble(f"{what} is not there ({words})", f"create it, or correct {setting} and its region", code)
    if code in _FAULTY:
        return Trouble(f"{what} fails ({words})", "start again in a while: nothing landed is lost", code)
    return Trouble(f"{what} refuses ({words})", f"check {setting}, its region and what the credentials may do", code)


def is_bucket(name: str) -> bool:
    """Whether S3 allows a bucket of this name. Source: Amazon S3 user guide, general purpose bucket naming rules."""
    return _BUCKET.fullmatch(name) is not None
