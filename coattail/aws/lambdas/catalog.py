"""Catalog statistics as a function: `coattail.stores.figures` of the lake of an account.

Handler: `coattail.aws.lambdas.catalog.handler`. The answer is put into the hot store, too, as the fact `catalog`.
Environment: `COATTAIL_HOT_STORE`, dynamodb://TABLE?region=…; `COATTAIL_METRICS`, the namespace of its metrics, by
default coattail.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import msgspec

from coattail.aws.lambdas.invoked import HOT_STORE, Invocation, count_aloud, function, variable
from coattail.aws.lambdas.tables import outlines
from coattail.stores.figures import FACT, CatalogFigures, figures
from coattail.stores.opening import hot_at


class CatalogEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing is asked: all tables are."""


def measure(asked: CatalogEvent, call: Invocation) -> CatalogFigures:
    """The figures of the lake of this account and region, put into the hot store and counted in CloudWatch."""
    where = variable(HOT_STORE, "name a table in it, dynamodb://TABLE?region=…")
    found, now = figures(outlines()), datetime.now(UTC)
    with closing(hot_at(where)) as hot:
        hot.put_fact(FACT, msgspec.to_builtins(found), now=now)
    for one in found.tables:
        values = {
            "TableRows": one.rows, "TableFiles": one.files, "TableBytes": one.size_bytes,
            "TableSnapshots": one.snapshots,
        }  # fmt: skip
        count_aloud(values, {"Table": one.name}, now)
    return found


handler = function("catalog", CatalogEvent, measure)
