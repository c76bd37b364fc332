"""The part of a `Workspace` that writes: recordings and history land, and what is stored is kept in order."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from coattail.home import Home
from coattail.workspace import arguments as given
from coattail.workspace.cells import underway
from coattail.workspace.opening import Stores
from coattail.workspace.progress import OnProgress
from coattail.workspace.times import Moment, maybe_when

if TYPE_CHECKING:
    from coattail.config import Settings
    from coattail.workspace.backfill import Backfill
    from coattail.workspace.daily import Daily
    from coattail.workspace.documents.upkeep import MaintainedDocument
    from coattail.workspace.landing import Replay


class Feeding:
    """What a workspace can put into its home."""

    home: Home

    if TYPE_CHECKING:

        @cached_property
        def stores(self) -> Stores: ...

        @cached_property
        def settings(self) -> Settings: ...

    def maintain(self, *, dry_run: bool = False) -> MaintainedDocument:
        """Merge small files, forget old snapshots, remove files that nothing names; `dry_run` only counts them."""
        from coattail.workspace.documents.upkeep import maintained_document
        from coattail.workspace.upkeep import growth, maintain

        home = Home.open(self.home.path, write=not dry_run)
        with underway("maintain") as heard:
            done = maintain(home, self.settings, dry_run=dry_run, on_progress=heard)
        return maintained_document(done, growth(self.stores))

    def replay(
        self,
        *paths: str | os.PathLike[str],
        symbols: Iterable[str] | None = None,
        exchange: str | None = None,
        market: str | None = None,
        format: str = "auto",
    ) -> Replay:
        """Feed recordings to the stream, and land them; what has landed before lands nothing twice.

        symbols: None means all. exchange, market, format: None and `auto` mean what the files show.
        """
        from coattail.recordings.chosen import choose
        from coattail.workspace.landing import replay

        chosen = choose(
            [given.path(one, "path") for one in paths], format=format, exchange=given.maybe_text(exchange, "exchange"),
            market=given.maybe_text(market, "market"), symbols=given.texts(symbols, "symbols"),
        )  # fmt: skip
        home = Home.open(self.home.path, write=True)
        with underway("replay") as heard:
            return replay(home, self.settings, chosen, on_progress=heard)

    def backfill(
        self,
        *symbols: str,
        exchanges: Iterable[str] | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        gaps: bool = False,
        source: str = "rest",
        files_from: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> Backfill:
        """Fetch past trades from the exchanges, and land them; what has landed is not asked for again.

        symbols: Like BTC-USDT or binance:BTC-USDT; none: those of the settings. exchanges: None means those of the
        settings. gaps: Ask only for what is missing between trades that are here. source: rest, bulk,
        or files: those that a loader put into `files_from`, s3://BUCKET/FOLDER?region=… or a folder.
        on_progress: Called with how far it is; None means a line in the cell of a notebook.
        """
        from coattail.workspace.backfill import backfill
        from coattail.workspace.loading import Wish

        now, asked = datetime.now(UTC), given.texts(exchanges, "exchanges")
        wish = Wish(
            symbols=symbols, exchanges=None if asked is None else tuple(asked), gaps=gaps, source=source,
            files_from=given.maybe_text(files_from, "files_from"),
            since=maybe_when(since, "since", now=now), until=maybe_when(until, "until", now=now),
        )  # fmt: skip
        home = Home.open(self.home.path, write=True)
        with underway("backfill", on_progress) as heard:
            return backfill(home, self.settings, wish, on_progress=heard)

    def daily(
        self,
        *symbols: str,
        day: date | str | None = None,
        exchanges: Iterable[str] | None = None,
        threshold: float = 95.0,
        out: str | os.PathLike[str] | None = None,
        on_progress: OnProgress | None = None,
    ) -> Daily:
        """Do a day's work: fetch and land its trades, judge what came in, count the tables, write the report.

        It stops at the first step that fails; called again, it goes on from there, and nothing lands twice.

        day: Text like 2025-03-04, in UTC; None means yesterday. out: The report, or a folder for it; None means
        report-DATE.html in the current folder. The others: as of `coattail.workspace.daily.daily`.
        """
        from coattail.workspace.daily import daily

        begin, asked = maybe_when(day, "day"), given.texts(exchanges, "exchanges")
        home = Home.open(self.home.path, write=True)
        with underway("daily", on_progress) as heard:
            return daily(
                home, self.settings, day=None if begin is None else begin.date(), symbols=symbols,
                exchanges=None if asked is None else tuple(asked), threshold=given.number(threshold, "threshold"),
                out=given.maybe_path(out, "out"), on_progress=heard,
            )  # fmt: skip
