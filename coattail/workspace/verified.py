"""What an analysis rests on, short enough to paste below it: which state of the tables, under which rules."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from coattail.amounts import count
from coattail.config import Settings
from coattail.stores.commits import through_of
from coattail.workspace.documents.verified import VerifiedDocument
from coattail.workspace.opening import Stores
from coattail.workspace.shown import Displayed
from coattail.workspace.text import clock, pairs

if TYPE_CHECKING:
    import polars as pl

AGAIN = "COATTAIL_AGAIN"
"""Variable of the environment: the command that runs this notebook again, for the notebook itself."""

MIME = "application/vnd.coattail.verified+json"
"""The kind of output by which a page finds it in a notebook."""

_DIGITS = 12
_COUNTED = (
    "exchange", "symbol", "bar_start", "trades", "quantity", "notional", "first_trade_id", "last_trade_id",
)  # fmt: skip
_SAID = ("alert_id", "status", "severity", "message")
_RULES = ("preset", "modules", "detectors.", "time.", "quality.")
"""Settings that decide which trades and alerts there are; the others decide only how, and how fast."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Verified(Displayed):
    """A state of the tables and the rules, by which somebody else sees that he looks at the same."""

    document: VerifiedDocument

    def said(self) -> list[str]:
        """What holds, a line each."""
        return [pairs(self._rows(), width=10)]

    def _repr_mimebundle_(self, **asked: object) -> dict[str, Any]:
        document = msgspec.to_builtins(self.document)
        return {MIME: document, "text/html": self._repr_html_(), "text/plain": repr(self)}

    def _rows(self) -> list[tuple[str, str]]:
        d = self.document
        if d.snapshot_id is None or d.committed_at is None:
            return [("trades", "nothing has landed yet"), ("rules", f"{d.preset}, {d.rules}"), ("coattail", d.version)]
        sum_holds = "" if d.holds else " DOES NOT HOLD: please report this"
        counted = f"{d.received:,} = landed {d.landed:,} + rejected {d.rejected:,} + duplicates {d.duplicates:,}"
        reached = "no commit yet" if d.alerts_through is None else f"commit {d.alerts_through}"
        behind = "" if d.alerts_through == d.commit else f" (final through {reached})"
        stays = f"; {d.stays}" if d.stays else ""
        rows = [
            ("snapshot", f"{d.snapshot_id} of raw_trades, commit {d.commit} at {clock(d.committed_at)}{stays}"),
            ("received", f"{counted}{sum_holds}"),
            ("trades", f"{count(d.missing, 'id')} missing, {count(d.gaps, 'gap')}; fingerprint {d.trades}"),
            ("alerts", f"{count(d.alert_count, 'alert')}; fingerprint {d.alerts}{behind}"),
            ("rules", f"{d.preset}; fingerprint {d.rules}"),
            ("again", d.again),
            ("coattail", d.version),
        ]
        return [(name, said) for name, said in rows if said]


def verify(stores: Stores, *, now: datetime | None = None) -> Verified:
    """What holds in these stores: snapshot, counts, and fingerprints of trades, alerts and rules.

    Two homes with the same fingerprint hold trades of the same number, ids and volume in every 10 seconds (or the same
    alerts, or follow the same rules). A fingerprint is the beginning of a SHA-256.
    Raises: StoreError: If a table cannot be read.
    """
    import polars as pl

    from coattail.engines.metrics import all_metrics
    from coattail.engines.reduction import bars_now
    from coattail.landing.bars import merge_bars
    from coattail.stores.current import current_alerts
    from coattail.stores.history import at_newest
    from coattail.tables import ALERTS, COVERAGE, RAW_TRADES
    from coattail.workspace.past import snapshots

    now = now or datetime.now(UTC)
    lake, settings = stores.lake, stores.settings
    rules = rules_of(settings)
    again = os.environ.get(AGAIN, "")
    if not lake.has(RAW_TRADES.name):
        return Verified(document=VerifiedDocument(preset=settings.preset, rules=rules, again=again))
    meant = at_newest(lake, RAW_TRADES.name)
    sums = all_metrics(lake)
    received, landed, rejected, duplicates = (
        int(sums[f"records_{name}"].sum()) for name in ("processed", "passed", "failed", "duplicate")
    )
    gaps = lake.scan(COVERAGE).filter(pl.col("state") == "gap")
    bars = merge_bars(bars_now(lake), histograms=False)
    alerts = current_alerts(lake, stores.hot, now=now)
    derived = lake.newest(ALERTS.name)
    stays = next((s.stays for s in snapshots(stores) if s.snapshot_id == str(meant.snapshot_id)), "")
    return Verified(
        document=VerifiedDocument(
            snapshot_id=str(meant.snapshot_id),
            commit=meant.commit.sequence,
            committed_at=meant.commit.committed_at,
            stays=f"kept {stays}" if stays else "",
            received=received,
            landed=landed,
            rejected=rejected,
            duplicates=duplicates,
            holds=received == landed + rejected + duplicates and meant.rows == landed,
            missing=int((gaps["last_id"] - gaps["first_id"] + 1).sum()),
            gaps=gaps.height,
            trades=_fingerprint(bars.with_columns(pl.col("bar_start").dt.epoch("us")).select(_COUNTED)),
            alert_count=alerts.height,
            alerts=_fingerprint(alerts.select(_SAID).sort("alert_id")),
            alerts_through=None if derived is None else through_of(derived),
            preset=settings.preset,
            rules=rules,
            again=again,
        )
    )  # fmt: skip


def rules_of(settings: Settings) -> str:
    """The fingerprint of every setting that decides which trades and alerts there are."""
    import polars as pl

    chosen = [(key, str(value)) for key, value, _ in settings.explain() if key.startswith(_RULES)]
    return _fingerprint(pl.DataFrame(chosen, schema=["key", "value"], orient="row"))


def _fingerprint(rows: pl.DataFrame) -> str:
    """The same rows in the same order give the same digits."""
    return hashlib.sha256(rows.write_csv(include_header=False).encode()).hexdigest()[:_DIGITS]
