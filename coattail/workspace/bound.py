"""`Workspace`: the rooms of this package, bound to one home. What notebooks and scripts use."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from coattail.config import Settings, load_settings
from coattail.home import Home, resolve_home
from coattail.place import LOCAL, chosen_place, is_place, read_place
from coattail.records import when
from coattail.stores.opening import open_lease
from coattail.workspace import arguments as given
from coattail.workspace.answering import Answering
from coattail.workspace.asking import Asking
from coattail.workspace.cells import in_cell, underway
from coattail.workspace.covering import Covering
from coattail.workspace.feeding import Feeding
from coattail.workspace.looking import Looking, Symbols, Tables
from coattail.workspace.opening import Stores, open_stores
from coattail.workspace.shown import Displayed, Headline
from coattail.workspace.submitting import Submitting
from coattail.workspace.text import clock
from coattail.workspace.times import Moment, between, maybe_when

if TYPE_CHECKING:
    import polars as pl

    from coattail.sql.cost import QueryCost
    from coattail.workspace.alerts import Change
    from coattail.workspace.documents.health import HealthDocument
    from coattail.workspace.documents.quality import QualityDocument
    from coattail.workspace.documents.state import State
    from coattail.workspace.explained import Explanation
    from coattail.workspace.exports import Export
    from coattail.workspace.page import Page
    from coattail.workspace.report import Report
    from coattail.workspace.verified import Verified


_MANY_ROWS = 1_000_000


class Workspace(Displayed, Answering, Asking, Covering, Feeding, Looking, Submitting):
    """Everything a person asks of one home; frames are Polars, each with `.to_pandas()`. An engine may run meanwhile.

    home: The home's folder; None means COATTAIL_HOME, or the nearest .coattail at or above the current folder. A place
    means the same, with its stores there: Workspace("aws").
    place: Where its stores are. "local": in the home; "aws": where its `aws.yaml` says; "ssm:/coattail/dev?region=…":
    where parameters of Systems Manager say. None means COATTAIL_PLACE if `home` is None, else "local".
    preset: None means the home's.
    config_file: Settings that override those of the home; None means no others.
    settings: Single ones, by dotted key, like flags; they override all others.
    as_of: Look at the past: the id or tag of a snapshot of raw_trades, or a time. Every table is then read as it was,
    for as long as its snapshot is kept; None means as things are now.

    Times may be `2h`, `3d`, ISO 8601, a datetime, a date or a timedelta. A duration counts back from the clock, so for
    a home of old or simulated data give a date.

    Raises: HomeError: If there is no home, or it cannot be used. ConfigError: When a setting is asked for that is not
    understood.
    """

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        *,
        place: str | None = None,
        preset: str | None = None,
        config_file: str | os.PathLike[str] | None = None,
        settings: Mapping[str, object] | None = None,
        as_of: Moment | int | None = None,
    ) -> None:
        where = home if isinstance(home, str) and is_place(home) else given.maybe_text(place, "place")
        home = None if is_place(home) else given.maybe_path(home, "home")
        self.home = Home.open(resolve_home(home, os.environ.get("COATTAIL_HOME"), Path.cwd()))
        self._place = read_place(chosen_place(where, home_named=home is not None), self.home)
        self._preset = given.maybe_text(preset, "preset")
        self._config_file = given.maybe_path(config_file, "config_file")
        self._overrides = given.changes(settings, "settings")
        self._as_of = None if as_of == "" else as_of
        self.last_cost: QueryCost | None = None
        """What the newest `sql` has read on Athena; None: it was answered here."""
        self.tables, self.symbols = Tables(self), Symbols(self)  # attributes, so that Tab looks into them

    @cached_property
    def stores(self) -> Stores:
        """The home's stores, read-only: what the rooms of `coattail.workspace` take."""
        return open_stores(self.home, settings=lambda: self.settings, as_of=self._as_of)

    @cached_property
    def settings(self) -> Settings:
        """The settings that hold here."""
        return load_settings(self.home, **self._chosen())

    def _chosen(self) -> dict[str, Any]:
        """What was chosen over the home's own settings, as `load_settings` takes it."""
        return {"preset": self._preset, "config_file": self._config_file, "overrides": self._overrides,
                "place": self._place}  # fmt: skip

    # -- what there is ---------------------------------------------------------------------------------------

    def alerts(
        self,
        *,
        type: str | None = None,
        symbol: str | None = None,
        exchange: str | None = None,
        severity: str | None = None,
        status: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        limit: int | None = 50,
        cursor: str | None = None,
    ) -> Page:
        """The current alerts, newest first: `.rows` is the frame, `.next_cursor` asks for the next page.

        Arguments: those of `AlertQuery`; `since` and `until` are times of the market.
        """
        from coattail.workspace.alerts import AlertQuery, find

        now = datetime.now(UTC)
        query = AlertQuery(
            type=type, symbol=symbol, exchange=exchange, severity=severity, status=status, limit=limit, cursor=cursor,
            since=maybe_when(since, "since", now=now), until=maybe_when(until, "until", now=now),
        )  # fmt: skip
        return find(self.stores, query, now=now)

    def follow(
        self, *, type: str | None = None, symbol: str | None = None, severity: str | None = None, current: int = 10
    ) -> Iterator[Change]:
        """The newest alerts, oldest first, then every change as it comes, without end.

        type, symbol, severity: As in `alerts`. current: How many come first; ten leave room for what follows.
        """
        from coattail.workspace.alerts import AlertQuery, follow

        self.stores.of_now("what comes next")
        return follow(self.stores, AlertQuery(type=type, symbol=symbol, severity=severity, limit=current))

    def sql(self, query: str, *, limit: int | None = None, **parameters: object) -> pl.DataFrame:
        """What a statement in Athena's SQL asks for; docs/SQL.md says which tables and views there are.

        Where the setting sql.url names a workgroup, Athena answers, and what it has read is in `last_cost`; a cell of
        a notebook says it.

        limit: The most rows to return; None means all, with a warning where they are more than a million.
        parameters: Values of `:name` in the statement, as in `ws.sql("… WHERE symbol = :symbol", symbol="BTC-USD")`.
        """
        from coattail.workspace.queries import answer

        most = given.maybe_whole(limit, "limit")
        found = answer(self.stores, given.text(query, "query"), parameters=parameters, limit=most)
        self.last_cost = found.cost
        if found.cost is not None and (show := in_cell()) is not None:
            show({"text/plain": found.cost.said()})
        if most is None and found.table.num_rows > _MANY_ROWS:
            said = f"{found.table.num_rows:,} rows: sum them up in the statement, or give a limit"
            warnings.warn(said, stacklevel=2)
        return found.frame()

    def table(
        self,
        name: str,
        *,
        as_of: Moment | int | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Rows of a table, at a snapshot: all columns but what exchanges sent, which is most of the bytes.

        Arguments: those of `coattail.workspace.past.rows_at`.
        """
        from coattail.workspace.past import rows_at

        now = datetime.now(UTC)
        return rows_at(
            self.stores, name, as_of=as_of, columns=given.texts(columns, "columns"), now=now,
            since=maybe_when(since, "since", now=now), until=maybe_when(until, "until", now=now),
        )  # fmt: skip

    def quality(self) -> QualityDocument:
        """Score and counts since the beginning and of the last 24 hours, and why records were rejected."""
        from coattail.workspace.quality import quality

        return quality(self.stores)

    def rejected(self, *, reason: str | None = None, since: Moment | None = None, limit: int = 50) -> pl.DataFrame:
        """Rejected records, newest first. `reason` and `since`: None means any; 50 fit on a screen."""
        import polars as pl

        from coattail.workspace.documents.letters import LetterDocument
        from coattail.workspace.letters import rejected

        found = rejected(
            self.stores, reason=given.maybe_text(reason, "reason"), since=maybe_when(since, "since"),
            limit=given.whole(limit, "limit"),
        )  # fmt: skip
        rows = [msgspec.structs.asdict(record) for record in found.records]
        return pl.DataFrame(rows, schema=None if rows else LetterDocument.__struct_fields__, infer_schema_length=None)

    def status(self) -> State:
        """The home's state: engine, trades, backlog, tables, alerts, disk, maintenance."""
        self.stores.of_now("the state of a home")
        from coattail.workspace.state import state

        return state(self.stores)

    def snapshots(self, table: str = "raw_trades") -> pl.DataFrame:
        """The states of a table that can be travelled to, newest first."""
        import polars as pl

        from coattail.workspace.documents.past import SnapshotDocument
        from coattail.workspace.past import snapshots

        found = [msgspec.to_builtins(s, builtin_types=(datetime,)) for s in snapshots(self.stores, table)]
        names = SnapshotDocument.__struct_fields__
        return pl.DataFrame(found, schema=None if found else names, infer_schema_length=None)

    def verify(self) -> Verified:
        """What an analysis rests on: snapshot, counts, and fingerprints of trades, alerts and rules."""
        from coattail.workspace.verified import verify

        return verify(self.stores)

    def explain(self, identity: str) -> Explanation:
        """Why the alert whose id begins with `identity` was raised, and whether the tables still give it."""
        from coattail.workspace.explained import explain

        return explain(self.stores, given.text(identity, "identity"))

    # -- what is to be done ----------------------------------------------------------------------------------

    def report(
        self,
        out: str | os.PathLike[str] | None = None,
        *,
        day: date | str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        symbols: Sequence[str] = (),
        light: bool = False,
        share: bool = False,
        base_url: str | None = None,
        force: bool = False,
    ) -> Report:
        """Write one HTML file about a day; without a time, about the day of the newest trade.

        Arguments: those of `coattail.workspace.report.report`; `day` may be text like 2025-03-04.
        """
        from coattail.workspace.report import report

        now = datetime.now(UTC)
        begin = maybe_when(day, "day", now=now)
        with underway("report") as heard:
            return report(
                self.stores, given.maybe_path(out, "out"), symbols=given.texts(symbols, "symbols") or (), light=light,
                share=share, base_url=given.maybe_text(base_url, "base_url"), force=force, on_progress=heard,
                day=None if begin is None else begin.date(),
                since=maybe_when(since, "since", now=now), until=maybe_when(until, "until", now=now),
            )  # fmt: skip

    def export(
        self, table: str, out: str | os.PathLike[str], *, since: Moment | None = None, until: Moment | None = None,
        symbol: str | None = None, exchange: str | None = None, as_of: str | None = None,
        columns: Sequence[str] | None = None, force: bool = False,
    ) -> Export:  # fmt: skip
        """Write rows of a table or view into a Parquet or CSV file, or, into a folder, one Parquet file per day.

        Arguments: those of `coattail.workspace.exports.export`.
        """
        from coattail.workspace.exports import export

        begin, end = between(since, until)
        with underway("export") as heard:
            return export(
                self.stores, table, given.spelled_path(out, "out"), symbol=given.maybe_text(symbol, "symbol"),
                exchange=given.maybe_text(exchange, "exchange"), as_of=as_of, columns=given.texts(columns, "columns"),
                force=force, since=begin, until=end, on_progress=heard,
            )  # fmt: skip

    def doctor(self) -> HealthDocument:
        """What is healthy and what is broken in the installation and the home, to iterate over. Nothing is repaired.

        A home that cannot be opened has no `Workspace`: ask `coattail.workspace.health.check(path)` about it.
        """
        from coattail.workspace.documents.health import health_document
        from coattail.workspace.health import check, check_installation

        return health_document(
            [*check_installation(), *check(self.home.path, place=lambda: self._place, settings=lambda: self.settings)]
        )

    # -- what it looks like ----------------------------------------------------------------------------------

    def said(self) -> list[str]:
        """Which home it is, and how much is in it."""
        place = "" if self._place is None else f" in {self._place.name}"
        name = f"Workspace {self.home.path.name}{place}"  # a page of it may be forwarded
        return [Headline(name), *self._label(), *self._holds()]

    def __repr__(self) -> str:
        place = "" if self._place is None else f", place={self._place.name!r}"
        return f"Workspace({str(self.home.path)!r}{place}): {', '.join([*self._label(), *self._holds()])}"

    def _label(self) -> list[str]:
        return ["local emulation: services of this place are on this machine"] if self.settings.emulated else []

    def _holds(self) -> list[str]:
        """How much is in the home, in words."""
        tables = self.stores.outlines.all()
        raw = tables.get("raw_trades")
        if raw is None or raw.newest is None:
            return ["nothing has landed yet"]
        newest = int(raw.newest.properties.get("newest", 0))
        running = open_lease(self.home, self.settings).holder()
        size = sum(table.current.total("files-size") for table in tables.values() if table.current)
        engine = "no engine runs" if running is None else f"{running} runs"
        return [
            f"{raw.newest.total('records'):,} trades" + (f" to {clock(when(newest))}" if newest else ""),
            f"{len(tables)} tables of {size / 1e6:,.1f} MB",
            engine if self._as_of is None else f"as of {self._as_of}: commit {raw.newest.sequence} of raw_trades",
        ]

    def __getstate__(self) -> dict[str, object]:
        """What a copy, also in another process, begins with: it opens its own stores."""
        return {name: value for name, value in self.__dict__.items() if name != "stores"}

    def elsewhere(self, home: Home) -> Workspace:
        """A workspace of another home, with its own stores, that reads it with the same preset, file and settings."""
        return Workspace(
            home, place=LOCAL, preset=self._preset, config_file=self._config_file, settings=self._overrides
        )

    def close(self) -> None:
        """Close what was opened; asking again opens it again."""
        self.stores.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
