"""Who signs, and clients of the services of an environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from coattail.errors import CoattailError, ConfigError
from coattail.service_client import connect, trouble

if TYPE_CHECKING:
    from coattail.aws.operate.environment import Environment

_SETTING = "the environment"


class AwsRefused(CoattailError):
    """A service has refused, or does not answer."""

    code = ""
    """The service's word for it; empty where none has answered."""


class AnotherAccount(CoattailError):
    """The credentials are of another account than the environment."""


def client(service: str, *, region: str, endpoint: str | None, attempts: int = 4) -> Any:
    """A client of boto3. Raises: ConfigError: If boto3 is not installed."""
    if find_spec("boto3") is None:
        raise ConfigError("AWS needs boto3, which is not installed", next_step="pip install 'coattail[aws]'")
    return connect(service, setting=_SETTING, region=region, endpoint=endpoint, attempts=attempts)


class Services:
    """Clients of an environment, each made once; a context manager that closes them."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._made: dict[str, Any] = {}

    def __enter__(self) -> Services:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._made.values():
            each.close()

    def of(self, service: str) -> Any:
        """The client of a service."""
        if service not in self._made:
            at = self.environment
            self._made[service] = client(service, region=at.region, endpoint=at.endpoint)
        return self._made[service]

    def ask(self, service: str, operation: str, what: str, **arguments: object) -> dict[str, Any]:
        """The answer to one call. what: As of `worded`. Raises: AwsRefused."""
        with worded(what):
            answer: dict[str, Any] = getattr(self.of(service), operation)(**arguments)
            return answer

    def pages(self, service: str, operation: str, key: str, what: str, **arguments: object) -> list[Any]:
        """Everything under a key of the answers to a call that has pages. Raises: AwsRefused."""
        with worded(what):
            pages = self.of(service).get_paginator(operation).paginate(**arguments)
            return [one for page in pages for one in page.get(key, [])]


@contextmanager
def worded(what: str) -> Iterator[None]:
    """Errors of boto3 as `AwsRefused`. what: What is asked, with its article: `the bucket x`."""
    import botocore.exceptions as botocore

    try:
        yield
    except (botocore.ClientError, botocore.BotoCoreError) as error:
        found = trouble(error, what, setting=_SETTING)
        assert found is not None
        made = AwsRefused(found.message, next_step=found.next_step)
        made.code = found.code
        raise made from error


def account_of(*, region: str, endpoint: str | None) -> str:
    """The account whose credentials sign.

    Raises: AwsRefused: If there are no credentials, or they are not valid. ConfigError: If boto3 is not installed.
    """
    sts = client("sts", region=region, endpoint=endpoint)
    try:
        with worded("STS"):
            account: str = sts.get_caller_identity()["Account"]
            return account
    finally:
        sts.close()


def refuse_another(environment: Environment) -> None:
    """Refuse credentials of another account.

    Raises: AnotherAccount. AwsRefused: As of `account_of`.
    """
    found = account_of(region=environment.region, endpoint=environment.endpoint)
    if found != environment.account_id:
        raise AnotherAccount(
            f"these credentials are of account {found}, and {environment.environment} is in {environment.account_id}",
            next_step="set AWS_PROFILE to one of that account, or bootstrap another environment",
        )
