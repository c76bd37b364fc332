"""Athena's refusals as one sentence about the statement that the person wrote, with the next step."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from coattail.errors import CoattailError, StoreError, UsageError
from coattail.service_client import trouble
from coattail.sql.sources import Sources

if TYPE_CHECKING:
    from coattail.sql.athena import Workgroup

_TABLE = re.compile(r"Table '[^']*?([^'.]+)' does not exist", re.IGNORECASE)
_COLUMN = re.compile(r"Column '([^']+)' cannot be resolved", re.IGNORECASE)
_FUNCTION = re.compile(r"Function '([^']+)' not registered", re.IGNORECASE)
_KIND = re.compile(r"^[A-Z][A-Z_]+: ?")
_PLACE = re.compile(r"^line \d+:\d+: ")
_CUT_OFF = re.compile(r"bytes scanned limit", re.IGNORECASE)
_FORBIDDEN = re.compile(r"access ?denied|insufficient (lake formation )?permission|not authorized to perform|forbidden",
                        re.IGNORECASE)  # fmt: skip


class NoSuchTable(UsageError):
    """The catalog has no table of this name."""

    def __init__(self, name: str, next_step: str) -> None:
        super().__init__(f"there is no table '{name}'", next_step=next_step)
        self.name = name


def missing_table(error: UsageError) -> str:
    """The table that a statement names and the catalog lacks; empty where the error is another one."""
    return error.name if isinstance(error, NoSuchTable) else ""


def explained(
    error: Exception, group: Workgroup, *, cutoff: Callable[[], int | None] | None = None, what: str | None = None
) -> CoattailError:
    """What an error of PyAthena or boto3 means.

    cutoff: Asks for the workgroup's limit, where a query went beyond it. what: What was asked, if not the workgroup.
    """
    cause = error.__cause__ or error
    said = str(error).strip()
    if "no output location" in said.lower():
        return StoreError(
            f"{group.said} does not say where answers go, and neither does sql.url",
            next_step="add &output=s3://BUCKET/FOLDER to sql.url, or set it in the workgroup",
        )
    if re.search(r"work ?group .*(is not found|not found|does not exist)", said, re.IGNORECASE):
        return StoreError(
            f"there is no workgroup {group.name} in this account and region",
            next_step="correct sql.url and its region, or create it: aws athena create-work-group",
        )
    found = trouble(cause, what or group.said, setting="sql.url") if isinstance(cause, Exception) else None
    if found is not None and found.code != "InvalidRequestException":
        return StoreError(found.message, next_step=found.next_step)
    return _failed(said, group, cutoff)


def _failed(said: str, group: Workgroup, cutoff: Callable[[], int | None] | None) -> CoattailError:
    """What the reason of a query that has failed or was ended means."""
    if found := _TABLE.search(said):
        return NoSuchTable(found[1], _near(found[1]))
    if found := _COLUMN.search(said):
        step = "`DESCRIBE <table>` lists them; where the table has it, you may not read it (Lake Formation)"
        return UsageError(f"there is no column '{found[1]}'", next_step=step)
    if found := _FUNCTION.search(said):
        return UsageError(f"there is no function {found[1]}", next_step="docs/SQL.md says what Athena speaks")
    if _CUT_OFF.search(said):
        most = None if cutoff is None else cutoff()
        limit = "its limit" if most is None else f"its limit of {most / 1e6:,.0f} MB a query"
        return StoreError(
            f"the query would read more than {group.said} allows: {limit}",
            next_step="ask for fewer columns or days, or for bars instead of trades; what it has read is billed",
        )
    if _FORBIDDEN.search(said):
        return StoreError(
            f"{group.said} may not read this with these credentials ({said})",
            next_step="ask for SELECT on the table (Lake Formation), and for the bucket of answers",
        )
    if said in ("", "None"):
        return StoreError(f"the query was stopped in {group.said}", next_step="ask again")
    return UsageError(f"the query fails: {_PLACE.sub('', _KIND.sub('', said))}")


def _near(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), Sources.defined(), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else "`SHOW TABLES` lists tables and views"
