"""What a streaming environment lands and is asked, and what that takes of each service.

Measured: an engine and a producer on an emulated place, 95 trades/s of seven instruments on two exchanges, simulated,
trigger 2 s, seven minutes in which every request was counted (2026-11-27). docs/COST.md has the counts.
"""

from __future__ import annotations

import msgspec

from coattail.errors import UsageError

DERIVED_EVERY_SECONDS = 60
"""As `engine.derived_commit_every` has it."""
DERIVED_COMMITS = 10
"""Of tables, each time; measured: 10.5."""

PUTS_A_COMMIT = 6.8
"""Requests to S3 that are billed as PUT: 4.8 that put, 2.0 that list. Measured; a table with one new file takes 4."""
GETS_A_COMMIT = 11.3
"""GET and HEAD. Measured."""
GLUE_A_COMMIT = 3.2
"""Measured."""
GLUE_BYTES_A_COMMIT = 11_200
"""Through an interface endpoint, both ways. Measured."""

HOT_UNITS_AN_HOUR = 13_700
"""Units that facts and the lease write to DynamoDB, none of them in an index. Measured: 8,800 items and 1,000 updates,
each as large as its request."""
UNITS_AN_ALERT = 30
"""Written to DynamoDB: twice 3 KB, provisional and final, in the table and in four indices. Reckoned, not measured."""

METRICS = 25
"""In CloudWatch, of two exchanges and of all: as coattail/engines/counted.py names them."""
METRIC_CALLS_AN_HOUR = 360
"""One in ten seconds, as coattail/stores/cloudwatch.py sends them."""
KMS_REQUESTS_AN_HOUR = 200
"""A guess: S3, Kinesis and DynamoDB keep data keys for minutes."""

GB = 1 << 30
"""Bytes of what AWS bills as a GB."""


class StreamedLoad(msgspec.Struct, frozen=True, kw_only=True):
    """What happens in an hour of streaming, and how much is stored meanwhile."""

    trades_per_second: float = 100.0
    """Over the hour."""
    bytes_per_trade: float = 165.0
    """As Kinesis bills it, each pack rounded up to 1 KB. Measured: 161, 82 of them data. Fuller packs take less."""
    trigger_seconds: float = 2.0
    """Between two batches, as `engine.trigger`: each is a commit."""
    kept_hours: float = 24.0
    """In the stream; beyond 24, what is kept is billed."""
    alerts_per_hour: float = 60.0
    api_calls_per_hour: float = 360.0
    """One page open, which asks every ten seconds."""
    queries_per_hour: float = 6.0
    """To Athena, of 10 MB each, which is the least that is billed."""
    stored_gb: float = 5.0
    """In S3, streaming or not."""
    daily_minutes: float = 10.0
    """That the job of a daily run takes."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            least, value = (0.1 if name == "trigger_seconds" else 0), getattr(self, name)
            if not least <= value < 1e12:
                raise UsageError(f"{name} = {value:g} makes no sense", next_step=f"give a number, {least:g} at least")

    @property
    def gb_per_hour(self) -> float:
        """Through the stream, each way."""
        return self.trades_per_second * 3600 * self.bytes_per_trade / GB

    @property
    def commits_per_hour(self) -> float:
        """Of raw_trades with each batch, of what follows from them once a minute."""
        return 3600 / self.trigger_seconds + 3600 / DERIVED_EVERY_SECONDS * DERIVED_COMMITS
