"""The part of a `Workspace` by which people ask what other rules would have raised, and how good they are."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from coattail.home import Home
from coattail.workspace import arguments as given
from coattail.workspace.cells import underway
from coattail.workspace.opening import Stores
from coattail.workspace.times import Moment, between

if TYPE_CHECKING:
    from coattail.config import Settings
    from coattail.workspace.questions.reprocess import Reprocessing
    from coattail.workspace.questions.score import Score
    from coattail.workspace.questions.what_if import WhatIf


class Asking:
    """What a workspace can compute anew."""

    home: Home

    if TYPE_CHECKING:

        def _chosen(self) -> dict[str, Any]: ...

        @cached_property
        def stores(self) -> Stores: ...

        @cached_property
        def settings(self) -> Settings: ...

    def reprocess(
        self,
        changes: Mapping[str, object] | None = None,
        *,
        as_of: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        into: str | None = None,
        promote: bool = False,
    ) -> Reprocessing:
        """Recompute the alerts of a snapshot, and compare them with those that the tables held.

        changes: Parameters to change, like {"volume-anomaly.budget": 2}; None means those of the home.
        The other arguments: those of `coattail.workspace.questions.reprocess.reprocess`.
        """
        from coattail.workspace.questions.reprocess import reprocess
        from coattail.workspace.questions.settings import asked

        begin, end = between(since, until)
        both = asked(self.home, given.changes(changes), **self._chosen())
        with underway("reprocess") as heard:
            return reprocess(
                self.home, both, as_of=self._pinned() if as_of is None else as_of, into=given.maybe_text(into, "into"),
                promote=promote, since=begin, until=end, on_progress=heard,
            )  # fmt: skip

    def what_if(
        self,
        changes: Mapping[str, object] | None = None,
        *,
        sweep: tuple[str, Sequence[int | float | timedelta]] | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        truth: str | os.PathLike[str] | None = None,
    ) -> WhatIf:
        """Which alerts other parameters would raise from the stored trades; nothing is written.

        changes: Like {"volume-anomaly.budget": 2}; None means only the sweep. sweep: A parameter, and the values
        to try it at. truth: That of the simulated market that landed, to say how much is found; None means none.
        """
        from coattail.workspace.questions.settings import asked
        from coattail.workspace.questions.what_if import what_if

        begin, end = between(since, until)
        both = asked(self.home, given.changes(changes), **self._chosen())
        with underway("what-if") as heard:
            return what_if(
                self.stores, both, compare=changes is not None or sweep is None, sweep=given.sweep(sweep),
                truth=given.maybe_path(truth, "truth"), since=begin, until=end, on_progress=heard,
            )  # fmt: skip

    def scorecard(
        self, truth: str | os.PathLike[str], *, since: Moment | None = None, until: Moment | None = None,
        curves: bool = False,
    ) -> Score:  # fmt: skip
        """How good the detectors of both presets are on the trades here, by the truth of the market that landed.

        truth: The truth.parquet or truth.json of the simulation. curves: Move the thresholds too.
        """
        from coattail.workspace.questions.score import detectors_by_preset, score_home

        begin, end = between(since, until)
        with underway("score"):
            return score_home(
                self.stores, detectors_by_preset(self.settings), given.path(truth, "truth"), curves=curves,
                since=begin, until=end,
            )  # fmt: skip

    def _pinned(self) -> str | None:
        """The snapshot that this workspace looks at, if it looks at the past."""
        from coattail.stores.history import at_newest
        from coattail.tables import RAW_TRADES

        return None if self.stores.as_of is None else str(at_newest(self.stores.lake, RAW_TRADES.name).snapshot_id)
