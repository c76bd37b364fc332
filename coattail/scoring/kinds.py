"""Which detector answers for which kind of event, and the sizes and durations by which its recall is told apart."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from coattail.market.matching import FOUND_BY

Steps = tuple[tuple[str, float], ...]
"""(label, from this value on), rising."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of event that a module should find."""

    name: str
    module: str
    sizes: Steps
    lengths: Steps
    """In seconds; of whales in fills."""
    size_name: str
    length_name: str

    @property
    def alert_type(self) -> str:
        """The type of the alerts that find it."""
        return FOUND_BY[self.name]


_MINUTES = (("1 min", 0.0), ("2 min", 90.0), ("5 min", 180.0), ("10 min", 450.0))

KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            name="burst",
            module="volume-anomaly",
            sizes=(("2 x", 0.0), ("3 x", 2.5), ("5 x", 4.0), ("8 x", 6.5)),
            lengths=_MINUTES,
            size_name="volume",
            length_name="for",
        ),
        Kind(
            name="drought",
            module="volume-anomaly",
            sizes=(("none", 0.0), ("a fifth", 0.1), ("half", 0.35)),
            lengths=_MINUTES[1:],
            size_name="volume left",
            length_name="for",
        ),
        Kind(
            name="stall",
            module="volume-anomaly",
            sizes=(("all", 0.0),),
            lengths=(("under 1 min", 0.0), ("1 to 2 min", 60.0), ("2 min and more", 120.0)),
            size_name="of a venue",
            length_name="for",
        ),
        Kind(
            name="whale",
            module="whale-detector",
            sizes=(("100 K", 0.0), ("200 K", 2e5), ("500 K", 5e5), ("1 M and more", 1e6)),
            lengths=(("one fill", 0.0), ("many fills", 2.0)),
            size_name="from",
            length_name="in",
        ),
        Kind(
            name="spread",
            module="spread-calculator",
            sizes=(("0.2 %", 0.0), ("0.35 %", 0.35), ("0.5 %", 0.5), ("1 %", 1.0)),
            lengths=(("under 1 min", 0.0), ("1 to 3 min", 60.0), ("3 to 10 min", 180.0)),
            size_name="from",
            length_name="for",
        ),
        Kind(
            name="depeg",
            module="spread-calculator",
            sizes=(("0.3 %", 0.0), ("0.5 %", 0.5), ("1 %", 1.0)),
            lengths=(("5 to 15 min", 0.0), ("15 to 60 min", 900.0)),
            size_name="from",
            length_name="for",
        ),
    )
}

NOT_COVERED = {
    "wash": "pairs of equal orders on one instrument: no detector yet",
    "side_flip": "a venue that names the wrong taker side: no detector yet",
}
"""Kinds of planted events that nothing looks for."""


def binned(planted: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """The events of a kind that could be found, with `size_bin`, `length_bin` and `natural`."""
    events = planted.filter((pl.col("kind") == kind.name) & ~pl.col("lost"))
    length = (pl.col("end") - pl.col("start")).dt.total_microseconds() / 1e6
    if kind.name == "whale":
        length = pl.col("detail").str.json_path_match("$.fills").cast(pl.Float64)
    natural = (pl.col("detail").str.json_path_match("$.natural") == "true").fill_null(value=False)
    size = pl.lit(0.0) if kind.name == "stall" else pl.col("size").abs()
    return events.with_columns(
        _bin(size, kind.sizes).alias("size_bin"),
        _bin(length, kind.lengths).alias("length_bin"),
        natural.alias("natural"),
    )


def _bin(value: pl.Expr, steps: Steps) -> pl.Expr:
    """The label of the last step that the value reaches; of the first below it."""
    label: pl.Expr = pl.lit(steps[0][0])
    for name, low in steps[1:]:
        label = pl.when(value >= low).then(pl.lit(name)).otherwise(label)
    return label
