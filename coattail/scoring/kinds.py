"""Which detector answers for which kind of event, and the sizes and durations by which its recall is broken down."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from coattail.detectors import REGISTERED
from coattail.detectors.described import Answer, Steps


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of event that a module should find, and the type of the alerts that do."""

    module: str
    alert_type: str
    answer: Answer

    @property
    def name(self) -> str:
        """The event's, as the truth names it."""
        return self.answer.kind


KINDS = {
    t.answer.kind: Kind(module=d.name, alert_type=t.name, answer=t.answer)
    for d in REGISTERED
    for t in d.alert_types
    if t.answer is not None
}
"""Every kind that some detector looks for."""

FURTHER = {
    answer.kind: Kind(module=d.name, alert_type=t.name, answer=answer)
    for d in REGISTERED
    for t in d.alert_types
    for answer in t.also
}
"""Kinds that some detector finds too: of interest in markets that have them."""

NOT_COVERED = {
    "wash": "pairs of equal orders on one instrument: no detector yet",
    "side_flip": "a venue that names the wrong taker side: no detector yet",
}
"""Kinds of planted events that nothing looks for."""


def binned(planted: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """The events of a kind that could be found, with `size_bin`, `length_bin` and `natural`."""
    events = planted.filter((pl.col("kind") == kind.name) & ~pl.col("lost"))
    length = (pl.col("end") - pl.col("start")).dt.total_microseconds() / 1e6
    if kind.answer.place == "order":
        length = pl.col("detail").str.json_path_match("$.fills").cast(pl.Float64)
    natural = (pl.col("detail").str.json_path_match("$.natural") == "true").fill_null(value=False)
    size = pl.lit(0.0) if kind.answer.place == "venue" else pl.col("size").abs()
    return events.with_columns(
        _bin(size, kind.answer.sizes).alias("size_bin"),
        _bin(length, kind.answer.lengths).alias("length_bin"),
        natural.alias("natural"),
    )


def _bin(value: pl.Expr, steps: Steps) -> pl.Expr:
    """The label of the last step that the value reaches; of the first below it."""
    label: pl.Expr = pl.lit(steps[0][0])
    for name, low in steps[1:]:
        label = pl.when(value >= low).then(pl.lit(name)).otherwise(label)
    return label
