"""Recorded markets as evidence: which are judged together, and which time of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

import polars as pl

from coattail.market import TRUTH_SCHEMA
from coattail.scoring.evaluation import UNIT, EvaluationSet
from coattail.scoring.reduced import Reduced
from coattail.symbols import base_of

APART = timedelta(days=7)
"""A market that was silent for longer is another recording: nothing is learned across it."""
WARM_UP = timedelta(days=7)
"""Of each market this much is learned from before it is judged: what detectors of the preset `default` look back on."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A market over one stretch of time."""

    exchange: str
    symbol: str
    first: datetime
    """Its first trade, and its last."""
    last: datetime
    since: datetime
    """Judged from here."""

    def __str__(self) -> str:
        return f"{self.exchange} {self.symbol}"

    @property
    def judged(self) -> bool:
        """Whether anything of it is."""
        return self.since < self.last


@dataclass(frozen=True, kw_only=True)
class Together:
    """Markets that are judged together, as one evidence."""

    evidence: EvaluationSet
    markets: Sequence[Recorded]

    @property
    def judged(self) -> list[Recorded]:
        """The markets of which anything is judged."""
        return [market for market in self.markets if market.judged]


def together(reduced: Reduced, *, warm_up: timedelta = WARM_UP) -> list[Together]:
    """The recorded markets: those of one recording together, and those of one coin, as far as they overlap in time.

    Others are judged apart: whether a venue stands still, only a recording of the venue says, not two files of two of
    its markets. A market that was silent for a week (`APART`) is two.
    """
    stretches = _stretches(reduced.bars)
    sessions: dict[tuple[str, str], list[str]] = {}
    for exchange, symbol, session in reduced.sessions.iter_rows():
        sessions.setdefault((exchange, symbol), []).append(session)
    found = []
    for group in _joined(stretches, sessions):
        low, high = min(one.first for one in group), max(one.last for one in group)
        judged = [replace(one, since=max(low, one.first) + warm_up) for one in group]
        found.append(Together(evidence=_evidence(reduced, group, low + warm_up, high), markets=judged))
    return sorted(found, key=lambda one: (one.evidence.since, one.evidence.name))


def _stretches(bars: pl.DataFrame) -> list[Recorded]:
    """Each market between its long silences, by exchange, symbol and time."""
    key = ["exchange", "symbol"]
    silent = pl.col("first_timestamp") - pl.col("last_timestamp").shift().over(key)
    rows = (
        bars.sort(*key, "bar_start")
        .with_columns((silent > APART).fill_null(value=False).cum_sum().over(key).alias("part"))
        .group_by(*key, "part", maintain_order=True)
        .agg(pl.col("first_timestamp").min(), pl.col("last_timestamp").max())
    )
    return [
        Recorded(exchange=exchange, symbol=symbol, first=first, last=last, since=first)
        for exchange, symbol, _, first, last in rows.iter_rows()
    ]


def _joined(stretches: Sequence[Recorded], sessions: dict[tuple[str, str], list[str]]) -> Iterator[list[Recorded]]:
    """The stretches in groups: two that overlap and share a recording or a coin are in one."""
    by_key: dict[str, list[int]] = {}
    for number, one in enumerate(stretches):
        keys = [f"coin {base_of(one.symbol)}", *(f"file {s}" for s in sessions.get((one.exchange, one.symbol), ()))]
        for key in keys:
            by_key.setdefault(key, []).append(number)
    head = list(range(len(stretches)))

    def root(number: int) -> int:
        while head[number] != number:
            head[number] = head[head[number]]
            number = head[number]
        return number

    for members in by_key.values():
        ordered = sorted(members, key=lambda number: stretches[number].first)
        reach = stretches[ordered[0]].last
        for before, number in pairwise(ordered):
            if stretches[number].first <= reach:
                head[root(number)] = root(before)
            reach = max(reach, stretches[number].last)
    groups: dict[int, list[Recorded]] = {}
    for number, one in enumerate(stretches):
        groups.setdefault(root(number), []).append(one)
    yield from groups.values()


def _evidence(reduced: Reduced, group: Sequence[Recorded], since: datetime, until: datetime) -> EvaluationSet:
    name = str(group[0]) + (f" and {len({str(one) for one in group}) - 1} more" if len(group) > 1 else "")
    keys = pl.DataFrame(
        {"exchange": [one.exchange for one in group], "symbol": [one.symbol for one in group]},
        schema={"exchange": pl.String, "symbol": pl.String},
    ).unique()
    low, high = min(one.first for one in group), max(one.last for one in group)

    def here(frame: pl.DataFrame, first: str, last: str) -> pl.DataFrame:
        inside = frame.filter((pl.col(last) >= low) & (pl.col(first) <= high))
        return inside.join(keys, on=["exchange", "symbol"], how="semi", maintain_order="left")

    return EvaluationSet(
        name=f"{name}, {low:{UNIT}} to {high:{UNIT}}",
        bars=here(reduced.bars, "first_timestamp", "last_timestamp"),
        orders=here(reduced.orders, "timestamp", "timestamp"),
        spans=here(reduced.spans, "first_ts", "last_ts"),
        truth=pl.DataFrame(schema=TRUTH_SCHEMA),
        since=since,
        until=until,
    )
