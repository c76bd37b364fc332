"""The service's answers, and its refusals sorted by what one does about them."""

from __future__ import annotations

import logging
import random
from typing import Any

from coattail.errors import StreamError
from coattail.service_client import THROTTLED, connect, trouble

log = logging.getLogger(__name__)

_AGAIN = {"InternalFailure", "InternalFailureException", "InternalServerError", "ServiceUnavailable"}


_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0


def pause_after(failures: int, chance: random.Random) -> float:
    """Seconds to wait after this many failures in a row (1, 2, …): about twice as long each time, up to a limit.

    It is drawn from the upper half of that, so that two callers do not stay in step.

    Source: aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter.
    """
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures - 1, 16))
    return chance.uniform(longest / 2, longest)


class Retriable(Exception):
    """The same call may succeed later: a throttle, a fault of the service, a connection that broke."""

    def __init__(self, reason: str, *, throttled: bool = False) -> None:
        super().__init__(reason)
        self.throttled = throttled


class Expired(Exception):
    """The iterator or page token is no longer valid; a new one is."""


class Refused(Exception):
    """An argument, such as a sequence number, means nothing to the service (any more)."""


class Missing(Exception):
    """The stream or the shard is not there."""


class Service:
    """Kinesis as `call(operation, …)`; the client is made at the first call, and credentials come from AWS' own chain.

    One attempt per call with bounded time: callers repeat, count and pace, so that no retry is invisible.
    """

    def __init__(self, name: str, region: str | None, endpoint: str | None) -> None:
        self.name, self._region, self._endpoint = name, region, endpoint
        self._client: Any = None

    def call(self, operation: str, **arguments: object) -> dict[str, Any]:
        """The answer.

        Raises: Retriable, Expired, Refused, Missing: As they say. StreamError: If repeating cannot help.
        """
        import botocore.exceptions as botocore

        if self._client is None:
            self._client = self._connect()
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**arguments)
            return answer
        except botocore.ClientError as error:
            raise self._sorted(error) from error
        except (botocore.HTTPClientError, botocore.ConnectionError) as error:
            raise Retriable(str(error)) from error
        except botocore.BotoCoreError as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> StreamError:
        found = trouble(error, f"the stream {self.name}", setting="stream.url")
        assert found is not None
        return StreamError(found.message, next_step=found.next_step)

    def _sorted(self, error: Any) -> Exception:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in THROTTLED:
            return Retriable(str(error), throttled=True)
        if code in _AGAIN or status >= 500:
            return Retriable(str(error))
        if code in ("ExpiredIteratorException", "ExpiredNextTokenException"):
            return Expired(str(error))
        if code == "ResourceNotFoundException":
            return Missing(str(error))
        if code == "InvalidArgumentException":
            return Refused(str(error))
        return self._error(error)

    def _connect(self) -> Any:
        return connect(
            "kinesis", setting="stream.url", region=self._region, endpoint=self._endpoint, attempts=1, at_once=4
        )
