"""The quality gate as a function: the verdict of `coattail.stores.gate` on the lake of an account.

Handler: `coattail.aws.lambdas.gate.handler`. Reads Glue and one file of metadata; no table, no log and no DLQ.
Environment: `COATTAIL_METRICS`, the namespace of its metrics in CloudWatch, by default coattail.
"""

from __future__ import annotations

from datetime import UTC, datetime

from coattail.aws.lambdas.invoked import Invocation, count_aloud, function
from coattail.aws.lambdas.tables import outline
from coattail.stores.gate import RAW_TRADES, GateEvent, Verdict, verdict


def judge(asked: GateEvent, call: Invocation) -> Verdict:
    """The verdict on the lake of this account and region, counted in CloudWatch, too."""
    found = verdict(outline(RAW_TRADES), asked)
    values = {
        "RecordsProcessed": found.records_processed, "RecordsPassed": found.records_passed,
        "RecordsFailed": found.records_failed, "RecordsLate": found.records_late,
        "RecordsDuplicate": found.records_duplicate, "QualityScore": found.quality_score,
    }  # fmt: skip
    count_aloud(values, {"Function": call.function}, datetime.now(UTC))
    return found


handler = function("gate", GateEvent, judge)
