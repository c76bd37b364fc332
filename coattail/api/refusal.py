"""The one form of every refusal: a status, and JSON that says what happened and what to do."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from coattail.errors import CoattailError
from coattail.workspace.documents.serving import ErrorDocument

JSON = "application/json"


class Refusal(CoattailError):
    """A request that gets no answer.

    status: Of HTTP. error: A word for programs. field: The parameter that is wrong. retry_after: Seconds.
    """

    def __init__(
        self, status: int, error: str, message: str, *, next_step: str, field: str | None = None,
        retry_after: int | None = None, headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, next_step=next_step)
        self.status = status
        self.error = error
        self.field = field
        self.headers = {**(headers or {}), **({} if retry_after is None else {"Retry-After": str(retry_after)})}

    def answer(self) -> Response:
        """The refusal as a response."""
        said = ErrorDocument(error=self.error, message=self.message, next_step=self.next_step, field=self.field)
        return Response(
            msgspec.json.encode(said), self.status, {"Cache-Control": "no-store", **self.headers}, media_type=JSON
        )


def wrong(field: str, message: str, *, next_step: str) -> Refusal:
    """The refusal of a parameter that makes no sense."""
    return Refusal(400, "bad_request", message, next_step=next_step, field=field)
