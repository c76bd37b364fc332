"""Which jobs there are, and what each takes; `doing` does them."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta

from coattail.errors import UsageError
from coattail.values import parse_duration
from coattail.workspace.documents.conventions import plain
from coattail.workspace.times import parse_when

_TIMES = ("since", "until")

Time = Annotated[
    str | None, Meta(description="a time of the market, or a duration before the job begins; none: no bound")
]
EngineName = Annotated[Literal["local", "spark"], Meta(description="local, or spark, which needs Java 17")]


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `stream`."""

    drain: Annotated[bool, Meta(description="land what waits, then end; else go on until it is cancelled")] = False
    engine: EngineName = "local"


class ReprocessOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `reprocess`."""

    changes: Annotated[dict[str, Any] | None, Meta(description='{"volume-anomaly.budget": 2}; none: none')] = None
    as_of: Annotated[str | None, Meta(description="a snapshot's id, a tag or a time; none: the newest")] = None
    since: Time = None
    until: Time = None
    into: Annotated[str | None, Meta(description="a table, or branch:NAME; none: anomalies_reprocessed")] = None
    promote: Annotated[bool, Meta(description="make the recomputed alerts the current ones")] = False
    engine: EngineName = "local"


class MaintainOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `maintain`."""

    table: Annotated[str | None, Meta(description="only this one; none: all")] = None
    older_than: Annotated[str, Meta(description="leave files that are younger: 3d, 12h")] = "3d"
    engine: EngineName = "local"


class BackfillOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `backfill`."""

    symbols: Annotated[tuple[str, ...], Meta(description="like BTC-USDT; none: those of the settings")] = ()
    exchanges: Annotated[tuple[str, ...] | None, Meta(description="none: those of the settings")] = None
    since: Time = None
    until: Time = None
    gaps: Annotated[bool, Meta(description="only what is missing between trades that are here")] = False
    source: Annotated[
        Literal["rest", "bulk", "files"], Meta(description="rest; bulk: Binance's daily files; files: a loader's")
    ] = "rest"
    files_from: Annotated[str | None, Meta(description="where a loader's files are, s3://BUCKET/FOLDER; none")] = None


class DailyOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `daily`."""

    day: Annotated[str | None, Meta(description="like 2025-03-04; none: that of the newest trade")] = None
    out: Annotated[str | None, Meta(description="the file; none: report-DATE.html where it was submitted")] = None
    symbols: Annotated[tuple[str, ...], Meta(description="only these; none: all")] = ()
    light: Annotated[bool, Meta(description="without JavaScript")] = False
    share: Annotated[bool, Meta(description="a card, pages and claims beside it")] = False


@dataclass(frozen=True)
class Task:
    """A job that can be submitted."""

    says: str
    options: type[msgspec.Struct]
    follows: str = ""
    """The option without which it goes on until it is cancelled; empty where it always ends."""

    def takes(self) -> list[tuple[str, object, str]]:
        """(name, default, meaning) of each option."""
        hints = typing.get_type_hints(self.options, include_extras=True)
        fields = msgspec.structs.fields(self.options)
        return [(field.name, field.default, hints[field.name].__metadata__[0].description) for field in fields]

    def ends(self, options: Mapping[str, Any]) -> bool:
        """Whether it ends by itself."""
        return not self.follows or bool(options.get(self.follows))


TASKS = {
    "stream": Task("land what the stream holds, and raise alerts", StreamOptions, follows="drain"),
    "reprocess": Task("recompute the alerts of stored trades, and compare", ReprocessOptions),
    "maintain": Task("merge small files, forget old snapshots, remove leftovers", MaintainOptions),
    "backfill": Task("fetch past trades from exchanges, and land them", BackfillOptions),
    "daily": Task("write the report of a day", DailyOptions),
}
"""By name."""


def task(job: Any) -> Task:
    """The task of this name.

    Raises: UsageError: If there is none; the nearest is said.
    """
    if isinstance(job, str) and job in TASKS:
        return TASKS[job]
    raise UsageError(f"there is no job {job!r}", next_step=_nearest(str(job), TASKS))


def options_of(job: str, given: Mapping[str, object], *, written: bool = False) -> dict[str, Any]:
    """The options given, of JSON types; times stay as they are written, so that the same order is the same tomorrow.

    written: Every value is text, as on a command line: `true`, `3`, `none`, `BTC-USD,ETH-USD` for several.
    Raises: UsageError: If the job or an option is unknown (the nearest is said), or a value does not fit.
    """
    kind = task(job).options
    names = kind.__struct_fields__
    for name in given:
        if name not in names:
            raise UsageError(f"the job {job} has no option {name!r}", next_step=_nearest(name, names))
    values: dict[str, Any] = {}
    for name, value in given.items():
        read: Any = _read(str(value), typing.get_type_hints(kind)[name]) if written else value
        if name in _TIMES and read is not None:
            parse_when(read, name)
        try:
            values[name] = _fitting(plain(read), kind, name)
        except (ValueError, TypeError) as error:
            said = str(error).split(" - at ")[0]
            raise UsageError(
                f"the job {job}: {name} = {value!r} does not fit ({said})",
                next_step=next(f"{one}: {says}" for one, _, says in task(job).takes() if one == name),
            ) from None
    return values


def struct_of(job: str, options: Mapping[str, Any]) -> Any:
    """The options as what `TASKS` says, with the defaults of those that are not given."""
    return msgspec.convert(options, task(job).options)


def _fitting(value: Any, kind: type[msgspec.Struct], name: str) -> Any:
    if isinstance(value, str) and "tuple" in str(typing.get_type_hints(kind)[name]):
        value = [value]  # one alone
    read = msgspec.convert({name: value}, kind)
    if name == "older_than":
        parse_duration(value)
    return msgspec.json.decode(msgspec.json.encode(getattr(read, name)))  # lists, as a job reads them


def _read(text: str, hint: Any) -> Any:
    """What a text means for this type."""
    if text.lower() in ("none", "null") and type(None) in typing.get_args(hint):
        return None
    if "tuple" in str(hint):
        return [part.strip() for part in text.split(",") if part.strip()]
    if hint is bool or "dict" in str(hint):
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError:
            return text
    return text


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
